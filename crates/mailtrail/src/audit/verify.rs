//! Whether a log is what was stored.

use std::io::{self, BufRead};

use mailtrail_core::audit::{ChainCheck, ExportLine};
use mailtrail_core::store::{Filter, Head, ReadError};
use mailtrail_core::{EventStore, Position};

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// Every record is the one that was stored.
    Intact,
    /// A record is not.
    Altered {
        /// Where.
        position: Position,
        /// What does not fit.
        what: &'static str,
    },
    /// The end is missing.
    Cut {
        /// Where it ends.
        found: Position,
        /// How far it went.
        expected: Position,
    },
}

/// What came of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The first thing that is wrong, if anything is.
    pub finding: Finding,
    /// The last record that is right.
    pub head: Head,
    /// How many records were checked.
    pub records: u64,
    /// How many stand in the export by their hash alone: these are taken on trust.
    pub omitted: u64,
    /// The record at the position of the head that was kept elsewhere.
    at: Option<Head>,
}

impl Verified {
    fn of(check: &ChainCheck, finding: Finding, at: Option<Head>) -> Self {
        let (head, records) = (check.head(), check.records());
        Self { finding, head, records, omitted: check.left_out(), at }
    }

    /// Compares with a head that was kept elsewhere.
    fn against(mut self, kept: Option<Head>) -> Self {
        let Some(kept) = kept.filter(|_| self.finding == Finding::Intact) else { return self };
        if kept.position > self.head.position {
            let (found, expected) = (self.head.position, kept.position);
            self.finding = Finding::Cut { found, expected };
        } else if self.at.is_none_or(|at| at.hash != kept.hash) {
            let what = "its hash is not the one that was kept elsewhere";
            self.finding = Finding::Altered { position: kept.position, what };
        }
        self
    }
}

/// The walk along the chain, which remembers the record at one position.
struct Walk {
    check: ChainCheck,
    kept: Option<Head>,
    at: Option<Head>,
}

impl Walk {
    fn new(after: Head, kept: Option<Head>) -> Self {
        let mut walk = Self { check: ChainCheck::after(after), kept, at: None };
        walk.remember();
        walk
    }

    fn remember(&mut self) {
        let head = self.check.head();
        if self.kept.is_some_and(|kept| kept.position == head.position) {
            self.at = Some(head);
        }
    }

    fn end(self, finding: Finding) -> Verified {
        Verified::of(&self.check, finding, self.at).against(self.kept)
    }
}

/// Walks an export: every hash, and that it reaches the head that its header names.
///
/// # Errors
/// [`VerifyError`] if it can't be read, or is no export.
pub fn verify_lines(lines: impl BufRead) -> Result<Verified, VerifyError> {
    verify_lines_against(lines, None)
}

/// The same, and that it holds this head, which was kept elsewhere.
///
/// # Errors
/// As of [`verify_lines`].
pub fn verify_lines_against(
    lines: impl BufRead,
    kept: Option<Head>,
) -> Result<Verified, VerifyError> {
    let mut lines = lines.lines();
    let first = lines.next().ok_or(VerifyError::NoExport)??;
    let Ok(ExportLine::Header(header)) = ExportLine::parse(&first) else {
        return Err(VerifyError::NoExport);
    };
    let mut walk = Walk::new(header.after(), kept);
    for line in lines {
        let line = line?;
        let next = walk.check.head().position.next();
        let checked = match ExportLine::parse(&line) {
            Ok(ExportLine::Record(envelope)) => walk.check.record(&envelope),
            Ok(ExportLine::Omitted(record)) => walk.check.omitted(record.head()),
            // A last line without its end is what a full disk leaves.
            Ok(ExportLine::Header(_)) | Err(_) => {
                let what = "its line is not one of an export";
                return Ok(walk.end(Finding::Altered { position: next, what }));
            }
        };
        if let Err(altered) = checked {
            let (position, what) = (altered.position, altered.what);
            return Ok(walk.end(Finding::Altered { position, what }));
        }
        walk.remember();
    }
    let (head, expected) = (walk.check.head(), header.head());
    let finding = if head.position < expected.position {
        Finding::Cut { found: head.position, expected: expected.position }
    } else if head == expected {
        Finding::Intact
    } else {
        let what = "its hash is not the one that the header names";
        Finding::Altered { position: head.position, what }
    };
    Ok(walk.end(finding))
}

/// Walks a store: every record by its checksum and its hash, up to the store's head, and that it holds the
/// head that was kept elsewhere, if one is given.
///
/// # Errors
/// [`VerifyError`] if the store is not to be had; damage is a [`Finding`].
pub async fn verify_store(
    store: &dyn EventStore,
    kept: Option<Head>,
    mut progress: impl FnMut(Position),
) -> Result<Verified, VerifyError> {
    let head = store.head().await?;
    let mut walk = Walk::new(Head::default(), kept);
    let mut next = Some(Position::START);
    while let Some(after) = next {
        let page = match store.read_all(&Filter::all(), after, PAGE).await {
            Ok(page) => page,
            Err(ReadError::Corrupt { position }) => {
                let position = position.unwrap_or_else(|| walk.check.head().position.next());
                let what = "its bytes are damaged";
                return Ok(walk.end(Finding::Altered { position, what }));
            }
            Err(error) => return Err(error.into()),
        };
        for envelope in &page.events {
            if let Err(altered) = walk.check.record(envelope) {
                let (position, what) = (altered.position, altered.what);
                return Ok(walk.end(Finding::Altered { position, what }));
            }
            walk.remember();
        }
        progress(page.scanned_to);
        next = page.next;
    }
    let found = walk.check.head().position;
    let finding = if found < head.position {
        Finding::Cut { found, expected: head.position }
    } else {
        Finding::Intact
    };
    Ok(walk.end(finding))
}

/// Why nothing could be verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The export can't be read.
    #[error("the export can't be read")]
    Io(#[from] io::Error),
    /// Its first line is not the header of an export.
    #[error("this is no export of mailtrail: its first line is not a header")]
    NoExport,
    /// The store is not to be had.
    #[error("the store can't be read")]
    Read(#[from] ReadError),
}

/// Records read at once.
const PAGE: usize = 4_096;
