//! `ingest`: what came back, from files, folders and standard input.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::{Args, Subcommand};
use mailtrail::core::event::EnvelopeLine;
use mailtrail::core::store::{Appended, EventStoreExt};
use mailtrail::smtp::intake::Intake;
use mailtrail::smtp::return_path::ReturnPath;
use mailtrail::webhook::Request;
use mailtrail::webhook::provider::{Account, Reader, read_verified};
use serde::Serialize;

use crate::command::ingest_log::Log;
use crate::command::ingest_mail::{Mail, MboxFiles};
use crate::failure::Failure;
use crate::output;
use crate::provider::Webhook;
use crate::setup::{Opened, Setup};

/// What came back.
#[derive(Debug, Subcommand)]
pub(crate) enum Ingest {
    /// Bounce mails: files, folders (also Maildirs), mbox files, or - for one on standard input, as a mail
    /// server's pipe gives it.
    Mail(Mail),
    /// Bounce mails in mbox files, or - for standard input.
    Mbox(MboxFiles),
    /// Bodies of webhooks of a configured endpoint: files, folders, or -.
    Webhook(Bodies),
    /// Logs of mail servers: what became of each message.
    Log(Log),
    /// Events as JSON Lines: files, or -.
    Events(Files),
}

#[derive(Debug, Args)]
pub(crate) struct Bodies {
    /// The endpoint, as the configuration names it, or the name of its provider.
    endpoint: String,
    #[command(flatten)]
    files: Files,
}

#[derive(Debug, Args)]
pub(crate) struct Files {
    /// Files or folders, or - for standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// What a run came to.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Counts {
    pub(super) inputs: u64,
    new_events: u64,
    known_events: u64,
    pub(super) not_feedback: u64,
    pub(super) refused: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) refused_by_cause: BTreeMap<&'static str, u64>,
    pub(super) unreadable: u64,
}

impl Counts {
    pub(super) fn add(&mut self, appended: &Appended) {
        let new = appended.new_events();
        self.new_events += u64::try_from(new).unwrap_or(u64::MAX);
        self.known_events += u64::try_from(appended.events.len() - new).unwrap_or(u64::MAX);
    }

    fn unreadable(&mut self, file: &Path, error: &dyn std::error::Error) {
        self.unreadable += 1;
        let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
        output::note(format!("{}: {error}{cause}", file.display()));
    }

    fn finish(self, as_json: bool) -> Result<(), Failure> {
        if as_json {
            output::json(&self)?;
        } else {
            let Self { inputs, new_events, known_events, not_feedback, refused, .. } = self;
            output::line(format!(
                "{inputs} read: {new_events} new events, {known_events} known before, {not_feedback} no feedback, {refused} refused"
            ))?;
        }
        if self.unreadable == 0 {
            Ok(())
        } else {
            Err(Failure::data(format!(
                "{} inputs could not be read; all others are recorded",
                self.unreadable
            )))
        }
    }
}

impl Ingest {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        if let Self::Mail(mail) = &self
            && mail.is_pipe()
        {
            // Whatever it is that doesn't work, a mail server must keep the mail and try again.
            let taken = async { mail.run(&setup.open().await?, setup).await };
            let taken = tokio::time::timeout(PIPE_WITHIN, taken).await;
            let counts = taken.map_err(|_| Failure::again("the store gave no answer in time"))?;
            return counts.map_err(|failure| failure.with_code(75))?.finish(setup.json);
        }
        let opened = setup.open().await?;
        let counts = match self {
            Self::Log(log) => return log.run(&opened, setup.json).await,
            Self::Mail(mail) => mail.run(&opened, setup).await?,
            Self::Mbox(files) => files.run(&opened, setup).await?,
            Self::Webhook(bodies) => bodies.run(&opened, setup).await?,
            Self::Events(files) => files.events(&opened).await?,
        };
        counts.finish(setup.json)
    }
}

impl Bodies {
    async fn run(&self, opened: &Opened, setup: &Setup) -> Result<Counts, Failure> {
        let provider = self.provider(setup)?;
        let classifier = opened.classifier()?;
        let reader = Reader::new(&opened.keys, &classifier);
        let mut counts = Counts::default();
        for file in self.files.all()? {
            counts.inputs += 1;
            let body = read(&file)?;
            let request = Request::new(&body, opened.tracker.clock().now());
            // A file has no headers: what is in it is as true as whoever gave it to us.
            let authenticity = mailtrail::core::event::Authenticity::None;
            let feedback = match read_verified(&provider, &request, &reader, authenticity, None) {
                Ok(feedback) => feedback,
                Err(refused) => {
                    counts.unreadable(&file, &refused);
                    continue;
                }
            };
            opened.raw.put(Bytes::from(body.clone())).await?;
            counts.add(&opened.tracker.record(feedback).await?);
        }
        Ok(counts)
    }

    fn provider(&self, setup: &Setup) -> Result<Account, Failure> {
        let configured = setup.config()?.webhook.into_iter().find(|w| w.endpoint == self.endpoint);
        configured.unwrap_or_else(|| Webhook::of(&self.endpoint)).account()
    }
}

impl Files {
    /// The files, those of folders in order of their names.
    pub(crate) fn all(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut all = Vec::new();
        for path in &self.files {
            if path.is_dir() {
                let entries = std::fs::read_dir(path).map_err(Failure::input)?;
                let mut within: Vec<PathBuf> = entries
                    .map(|entry| entry.map(|e| e.path()))
                    .collect::<Result<_, _>>()
                    .map_err(Failure::input)?;
                within.retain(|path| path.is_file());
                within.sort();
                all.extend(within);
            } else {
                all.push(path.clone());
            }
        }
        Ok(all)
    }

    /// Whether it reads what a program writes to it.
    pub(super) fn is_pipe(&self) -> bool {
        self.files.iter().any(|file| file == Path::new("-"))
    }

    /// The same, and of a Maildir the mails in `new/` and `cur/`.
    pub(super) fn mails(&self) -> Result<Vec<PathBuf>, Failure> {
        let is_maildir = |path: &PathBuf| path.join("new").is_dir() && path.join("cur").is_dir();
        let parts = self.files.iter().flat_map(|path| {
            if is_maildir(path) {
                vec![path.join("cur"), path.join("new")]
            } else {
                vec![path.clone()]
            }
        });
        Self { files: parts.collect() }.all()
    }

    async fn events(&self, opened: &Opened) -> Result<Counts, Failure> {
        let mut counts = Counts::default();
        for file in self.all()? {
            let lines: Box<dyn BufRead> = if file == Path::new("-") {
                Box::new(std::io::stdin().lock())
            } else {
                Box::new(std::io::BufReader::new(
                    std::fs::File::open(&file).map_err(Failure::input)?,
                ))
            };
            let mut batch = Vec::new();
            for line in lines.lines() {
                let line = line.map_err(Failure::input)?;
                if line.trim().is_empty() {
                    continue;
                }
                counts.inputs += 1;
                match serde_json::from_str::<EnvelopeLine>(&line) {
                    Err(error) => counts.unreadable(&file, &error),
                    Ok(line) => match line.into_event() {
                        Ok(event) => batch.push(event),
                        Err(error) => counts.unreadable(&file, &error),
                    },
                }
                if batch.len() == BATCH {
                    counts.add(&opened.tracker.store().record(std::mem::take(&mut batch)).await?);
                }
            }
            counts.add(&opened.tracker.store().record(batch).await?);
        }
        Ok(counts)
    }
}

/// The intake of a store, for return paths of a domain.
pub(crate) fn intake(opened: &Opened, domain: &str) -> Result<Intake, Failure> {
    let (store, clock) = (Arc::clone(opened.tracker.store()), Arc::clone(opened.tracker.clock()));
    let (path, classifier) = (ReturnPath::new(domain), opened.classifier()?);
    let intake = Intake::new(store, opened.keys.clone(), path, classifier, clock);
    Ok(intake.raw(Arc::clone(&opened.raw)))
}

/// Reads a file, or standard input.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map_err(Failure::input)?;
        return Ok(bytes);
    }
    std::fs::read(file).map_err(|error| Failure::input(format!("{}: {error}", file.display())))
}

/// Less than mail servers give a command before they take it for failed for good: Postfix gives 1,000 s.
const PIPE_WITHIN: Duration = Duration::from_secs(300);
/// Events recorded at once.
const BATCH: usize = 1_000;
