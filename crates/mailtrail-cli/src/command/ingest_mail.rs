//! `ingest mail`, `ingest mbox`: mails that came back, from files, folders, and a mail server's pipe.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use bytes::Bytes;
use clap::Args;
use mailtrail::smtp::intake::{Intake, Mbox, MboxMail, Recorded, without_from_line};

use super::ingest::{Counts, Files, intake};
use crate::failure::{Failure, in_full};
use crate::output;
use crate::setup::{Opened, Setup};

#[derive(Debug, Args)]
pub(crate) struct Mail {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    to: To,
}

#[derive(Debug, Args)]
pub(crate) struct MboxFiles {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    to: To,
}

/// Where the mails were delivered to, and what that must prove.
#[derive(Debug, Args)]
struct To {
    /// Where the mails were delivered to: the return path, if it is known.
    #[arg(long)]
    recipient: Option<String>,
    /// Believe Delivered-To and the like above the first Received: our own mail server wrote the files, and
    /// nobody else can.
    #[arg(long, conflicts_with = "recipient")]
    delivered: bool,
    /// Refuse reports that did not come to a signed return path.
    #[arg(long)]
    require_token: bool,
    /// What Postfix and Exim tell a pipe. Of files it says nothing.
    #[arg(long, hide = true, env = "ORIGINAL_RECIPIENT")]
    original_recipient: Option<String>,
    #[arg(long, hide = true, env = "RECIPIENT", id = "pipe_recipient")]
    pipe_recipient: Option<String>,
}

/// Mails on their way into the store.
struct Taking<'a> {
    opened: &'a Opened,
    intake: Intake,
    to: &'a To,
    counts: Counts,
}

impl Mail {
    pub(crate) fn is_pipe(&self) -> bool {
        self.files.is_pipe()
    }

    pub(crate) async fn run(&self, opened: &Opened, setup: &Setup) -> Result<Counts, Failure> {
        let mut taking = Taking::new(opened, setup, &self.to)?;
        for file in self.files.mails()? {
            if file == Path::new("-") {
                taking.piped().await?;
            } else if is_mbox(&file)? {
                taking.mbox(&file).await?;
            } else {
                taking.file(&file).await?;
            }
        }
        Ok(taking.finish())
    }
}

impl MboxFiles {
    pub(crate) async fn run(&self, opened: &Opened, setup: &Setup) -> Result<Counts, Failure> {
        let mut taking = Taking::new(opened, setup, &self.to)?;
        for file in self.files.all()? {
            taking.mbox(&file).await?;
        }
        Ok(taking.finish())
    }
}

impl<'a> Taking<'a> {
    fn new(opened: &'a Opened, setup: &Setup, to: &'a To) -> Result<Self, Failure> {
        let domain = setup.config()?.return_path_domain.unwrap_or_default();
        let mut intake = intake(opened, &domain)?;
        if to.require_token {
            intake = intake.require_token();
        }
        Ok(Self { opened, intake, to, counts: Counts::default() })
    }

    fn finish(mut self) -> Counts {
        self.counts.refused_by_cause = self.intake.counts().refused;
        self.counts
    }

    async fn file(&mut self, file: &Path) -> Result<(), Failure> {
        let name = file.display().to_string();
        let open = File::open(file).map_err(|error| Failure::input(format!("{name}: {error}")))?;
        if let Some(mail) = bounded(open)? {
            self.take(&name, mail).await?;
        } else {
            self.too_large(&name);
        }
        Ok(())
    }

    async fn mbox(&mut self, file: &Path) -> Result<(), Failure> {
        let name = file.display().to_string();
        let missing = |error| Failure::input(format!("{name}: {error}"));
        let input: Box<dyn BufRead> = if file == Path::new("-") {
            Box::new(BufReader::new(std::io::stdin()))
        } else {
            Box::new(BufReader::new(File::open(file).map_err(missing)?))
        };
        for (mail, number) in Mbox::new(input, MOST_BYTES).zip(1..) {
            let name = format!("{name}, mail {number}");
            match mail.map_err(missing)? {
                MboxMail::Whole(mail) => self.take(&name, mail).await.map(|_| ())?,
                MboxMail::TooLarge => self.too_large(&name),
            }
        }
        Ok(())
    }

    /// What a mail server hands over is nowhere else: what is not recorded is kept raw.
    async fn piped(&mut self) -> Result<(), Failure> {
        let Some(mail) = bounded(std::io::stdin().lock())? else {
            self.too_large("-");
            return Ok(());
        };
        let mail = without_from_line(&mail).to_vec();
        if !self.take("-", mail.clone()).await? && !mail.is_empty() {
            let hash = self.opened.raw.put(mail.into()).await?;
            output::note(format!("-: kept as it is; to read it: mailtrail raw {hash}"));
        }
        Ok(())
    }

    /// Whether something was recorded.
    async fn take(&mut self, name: &str, mail: Vec<u8>) -> Result<bool, Failure> {
        self.counts.inputs += 1;
        let mail = Bytes::from(mail);
        let to = self.to.of(&self.intake, &mail, name == "-");
        match self.intake.record(mail, to.as_deref()).await {
            Ok(Recorded::Feedback(appended) | Recorded::Unread(appended)) => {
                self.counts.add(&appended);
                return Ok(true);
            }
            Ok(Recorded::Refused(why)) => {
                self.counts.refused += 1;
                output::note(format!("{name}: refused: {why}"));
            }
            Ok(_) => self.counts.not_feedback += 1,
            Err(error) if error.is_of_the_mail() => {
                self.counts.unreadable += 1;
                output::note(format!("{name}: {}", in_full(&error)));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(false)
    }

    fn too_large(&mut self, name: &str) {
        self.counts.inputs += 1;
        self.counts.unreadable += 1;
        output::note(format!("{name}: the mail has more than {MOST_BYTES} bytes"));
    }
}

impl To {
    /// Where a mail was delivered to, by whoever can say so.
    fn of(&self, intake: &Intake, mail: &[u8], is_piped: bool) -> Option<String> {
        if self.recipient.is_some() {
            return self.recipient.clone();
        }
        if is_piped {
            let told = [&self.original_recipient, &self.pipe_recipient];
            let told: Vec<&String> = told.into_iter().flatten().collect();
            let ours = told.iter().find(|to| intake.names_a_delivery(to).is_ok());
            if let Some(to) = ours.or(told.first()) {
                return Some((*to).clone());
            }
        }
        if self.delivered { intake.delivered_to(mail) } else { None }
    }
}

/// All of an input, or `None` if it has more than a mail may have.
fn bounded(input: impl Read) -> Result<Option<Vec<u8>>, Failure> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
    input.take(most + 1).read_to_end(&mut bytes).map_err(Failure::input)?;
    Ok(Some(bytes).filter(|bytes| bytes.len() <= MOST_BYTES))
}

fn is_mbox(file: &Path) -> Result<bool, Failure> {
    let missing = |error| Failure::input(format!("{}: {error}", file.display()));
    let mut begin = Vec::new();
    File::open(file).map_err(missing)?.take(5).read_to_end(&mut begin).map_err(missing)?;
    Ok(begin == b"From ")
}

/// What the reader of mails reads at most.
const MOST_BYTES: usize = 32 * 1024 * 1024;
