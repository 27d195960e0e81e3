//! Our intake, which keeps what came for the repository's fixtures if asked: `MAILTRAIL_CAPTURE=1`.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use mailtrail::smtp::intake::LmtpIntake;
use mailtrail::smtp::server::{Answer, Envelope, Handler, Recipient, Reply};

use crate::support::relay::Kind;

#[derive(Clone)]
pub(crate) struct Watch {
    intake: LmtpIntake,
    fixtures: Option<Arc<Fixtures>>,
}

struct Fixtures {
    reports: PathBuf,
    log: PathBuf,
}

impl Watch {
    pub(crate) fn new(kind: Kind, intake: LmtpIntake) -> Self {
        let fixtures = std::env::var_os("MAILTRAIL_CAPTURE").map(|_| Arc::new(Fixtures::of(kind)));
        Self { intake, fixtures }
    }

    /// What the relay has logged; of lines that differ in nothing but numbers the first three.
    pub(crate) fn keep_log(&self, log: &str) {
        let Some(fixtures) = &self.fixtures else { return };
        let mut seen: HashMap<String, u32> = HashMap::new();
        let mut kept = String::new();
        // Two attempts within a second are one line twice: to a reader one fact.
        let mut once = HashSet::new();
        for line in log.lines().filter(|line| once.insert(*line)) {
            let count = seen.entry(without_numbers(line)).or_default();
            *count += 1;
            if *count <= 3 {
                kept += &dated(line);
                kept.push('\n');
            }
        }
        fs::write(&fixtures.log, kept).unwrap();
    }
}

/// The line on the day on which the tests of logs read it.
fn dated(line: &str) -> String {
    match line.split_at_checked("2026-11-26".len()) {
        Some((_, rest)) if line.starts_with("20") => format!("2026-11-26{rest}"),
        _ => format!("Nov 26{}", line.get("Nov 26".len()..).unwrap_or_default()),
    }
}

/// A line with `#` for each word that has a digit in it: an id, a time, a port. Addresses stay.
fn without_numbers(line: &str) -> String {
    let words = line.split_inclusive(|c: char| !(c.is_alphanumeric() || "@.-+".contains(c)));
    let numberless = |word: &str| {
        let is_number = !word.contains('@') && word.contains(|c: char| c.is_ascii_digit());
        if is_number { "#".to_owned() } else { word.to_owned() }
    };
    words.map(numberless).collect()
}

impl Fixtures {
    /// In place of the former ones.
    fn of(kind: Kind) -> Self {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let (server, log) = match kind {
            Kind::Postfix => ("postfix", "real-3.7-table.log"),
            Kind::Exim => ("exim", "real-4.96-table.log"),
            Kind::OpenSmtpd => ("opensmtpd", "real-6.8-table.log"),
        };
        let reports = crates.join("mailtrail-bounce/tests/golden/servers").join(server);
        drop(fs::remove_dir_all(&reports));
        fs::create_dir_all(&reports).unwrap();
        let log = crates.join("mailtrail-maillog/tests/golden").join(server).join(log);
        Self { reports, log }
    }

    /// By whom it is about and what was done, the first of each; what OpenSMTPD calls delayed and has
    /// given up on its own.
    fn keep(&self, mail: &[u8]) {
        let text = String::from_utf8_lossy(mail);
        let about = text.split_once("ann@").and_then(|(_, rest)| rest.split_once(".example"));
        let action = text.lines().find_map(|line| line.strip_prefix("Action: "));
        let action = if text.contains(": Envelope expired") { Some("expired") } else { action };
        let (about, action) = (about.map_or("nobody", |(name, _)| name), action.unwrap_or("words"));
        let file = self.reports.join(format!("{about}-{}.eml", action.trim()));
        if !file.exists() {
            // Bytes, as some of them are no text.
            let unix: Vec<u8> = mail.iter().copied().filter(|byte| *byte != b'\r').collect();
            fs::write(file, unix).unwrap();
        }
    }
}

#[async_trait]
impl Handler for Watch {
    async fn recipient(&self, envelope: &Envelope, recipient: &Recipient) -> Reply {
        self.intake.recipient(envelope, recipient).await
    }

    async fn message(&self, envelope: Envelope, message: Bytes) -> Answer {
        if let Some(fixtures) = &self.fixtures {
            fixtures.keep(&message);
        }
        self.intake.message(envelope, message).await
    }
}
