//! `verify`: whether a log is what was stored.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use mailtrail::audit::{Finding, Verified, verify_lines_against, verify_store};
use mailtrail::core::Position;
use mailtrail::core::event::ChainHash;
use mailtrail::core::store::{Head, OpenError};

use crate::archive;
use crate::failure::Failure;
use crate::output;
use crate::setup::Setup;

/// Verifies an export or a store. Exit codes: 0 intact · 3 altered · 4 cut.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The file of an export (- is standard input), or a store; none: the configured store.
    target: Option<String>,
    /// A head that was kept elsewhere: the log must hold it.
    #[arg(long, value_name = "HASH@POSITION")]
    head: Option<Kept>,
}

/// A head, as `verify` and `export` print it.
#[derive(Debug, Clone, Copy)]
struct Kept(Head);

impl FromStr for Kept {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write HASH@POSITION, as verify prints it".to_owned();
        let (hash, position) = text.split_once('@').ok_or_else(wrong)?;
        let hash: ChainHash = hash.parse().map_err(|_| wrong())?;
        let position = position.parse().map_err(|_| wrong())?;
        Ok(Self(Head::new(Position::new(position), hash)))
    }
}

impl Verify {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        let kept = self.head.map(|Kept(head)| head);
        let file = self.target.as_ref().map(PathBuf::from);
        let is_file = |path: &PathBuf| path.is_file() || path.as_os_str() == "-";
        let verified = match file.filter(is_file) {
            Some(path) => verify_lines_against(archive::read(&path)?, kept)?,
            None => match self.store(setup, kept).await? {
                Ok(verified) => verified,
                Err(damage) => return Err(damage),
            },
        };
        print(&verified, setup.json)
    }

    /// The inner failure is what was found in a store that can't even be opened.
    async fn store(
        &self,
        setup: &Setup,
        kept: Option<Head>,
    ) -> Result<Result<Verified, Failure>, Failure> {
        let setup = self.target.as_ref().map_or_else(|| setup.clone(), |spec| setup.at(spec));
        // What is to be verified is left as it is; nor does anything else look at what may be damaged.
        let opened = match setup.open_as_it_is() {
            Ok(opened) => opened,
            Err(failure) => {
                let code = match failure.cause() {
                    Some(OpenError::Cut { .. }) => CUT,
                    Some(OpenError::Corrupt { .. }) => ALTERED,
                    _ => return Err(failure),
                };
                return Ok(Err(failure.with_code(code)));
            }
        };
        let store = &**opened.tracker.store();
        let bar = output::progress(Some(store.head().await?.position.get()), "verifying");
        let verified = verify_store(store, kept, |at| bar.set_position(at.get())).await?;
        bar.finish_and_clear();
        Ok(Ok(verified))
    }
}

fn print(verified: &Verified, as_json: bool) -> Result<(), Failure> {
    let (head, hash) = (verified.head.position, verified.head.hash);
    let (finding, code, what) = match verified.finding {
        Finding::Altered { position, what } => (
            "altered",
            ALTERED,
            Some(format!("the record at position {position} was altered: {what}")),
        ),
        Finding::Cut { found, expected } => {
            let what =
                format!("the end is missing: it went to position {expected}, and ends at {found}");
            ("cut", CUT, Some(what))
        }
        _ => ("intact", 0, None),
    };
    if as_json {
        output::json(&serde_json::json!({
            "finding": finding, "what": what, "records": verified.records, "omitted": verified.omitted,
            "head": format!("{hash}@{head}"),
        }))?;
    } else {
        let omitted = match verified.omitted {
            0 => String::new(),
            count => format!(", {count} more by their hash alone"),
        };
        output::line(format!("{finding}: {} records{omitted}", verified.records))?;
        output::line(format!("head: {hash}@{head}"))?;
    }
    match what {
        Some(what) => Err(Failure::other(what).with_code(code)),
        None => Ok(()),
    }
}

const ALTERED: u8 = 3;
const CUT: u8 = 4;
