//! `ingest log`: what mail servers log, from files and pipes, once or as it is written.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use mailtrail::core::Feedback;
use mailtrail::log::{Counts, MOST_LINE_BYTES, Mta, OwnRelay, Reader, Zone};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;
use crate::lines::{self, Follow, Lines};
use crate::output;
use crate::setup::{Opened, classifier};

#[derive(Debug, Args)]
pub(crate) struct Log {
    #[command(flatten)]
    what: What,
    /// Go on with the last file as it grows, also when it is rotated, until interrupted.
    #[arg(long)]
    follow: bool,
}

/// Which logs, and how they are to be read.
#[derive(Debug, Args)]
pub(crate) struct What {
    /// The mail server that wrote them.
    #[arg(value_enum)]
    server: Server,
    /// Files, the oldest first (.gz and .zst are decompressed), or - for standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// A server of ours that passes mail on: what it takes is Sent, not Delivered. HOST, HOST:PORT or
    /// .DOMAIN; may be repeated.
    #[arg(long = "relay", value_name = "HOST")]
    relays: Vec<OwnRelay>,
    /// The time zone of stamps that name none, such as Europe/Berlin or +02:00; the system's by default.
    #[arg(long)]
    zone: Option<Zone>,
    /// Refuse what is said of messages that have no signed return path.
    #[arg(long)]
    require_token: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Server {
    Postfix,
    Exim,
    Opensmtpd,
}

/// What a run came to.
#[derive(Debug, Default, Serialize)]
struct Sums {
    lines: u64,
    new_events: u64,
    known_events: u64,
    unmatched: u64,
    not_ours: u64,
    refused: u64,
    forgotten: u64,
    too_long: u64,
}

/// Reads lines, and records what they say in batches.
struct Run<'a> {
    opened: &'a Opened,
    reader: Reader<'a>,
    batch: Vec<Feedback>,
    sums: Sums,
}

impl Log {
    pub(crate) async fn run(self, opened: &Opened, as_json: bool) -> Result<(), Failure> {
        // It may take long: others use the store meanwhile.
        let _share = opened.share()?;
        let classifier = classifier()?;
        let reader = self.what.reader(&classifier, &opened.keys);
        let mut run = Run { opened, reader, batch: Vec::new(), sums: Sums::default() };
        let (last, whole) = match self.what.files.split_last() {
            Some((last, before)) if self.follow => (Some(last), before),
            _ => (None, &self.what.files[..]),
        };
        let mut outcome = Ok(());
        for file in whole {
            outcome = run.file(file).await;
            if outcome.is_err() {
                break;
            }
        }
        if let (Ok(()), Some(file)) = (&outcome, last) {
            outcome = run.follow(file).await;
        }
        // What was read before it failed is recorded, and told, too.
        run.flush().await?;
        run.sums.finish(run.reader.counts(), as_json)?;
        outcome
    }
}

impl What {
    /// A reader of these logs.
    pub(crate) fn reader<'a>(
        &self,
        classifier: &'a mailtrail::classify::Classifier,
        keys: &'a mailtrail::core::token::Keys,
    ) -> Reader<'a> {
        let mta = match self.server {
            Server::Postfix => Mta::Postfix,
            Server::Exim => Mta::Exim,
            Server::Opensmtpd => Mta::OpenSmtpd,
        };
        let zone = self.zone.unwrap_or_else(system_zone);
        let reader = Reader::new(mta, classifier, keys).zone(zone);
        let reader = if self.require_token { reader.require_token() } else { reader };
        self.relays.iter().cloned().fold(reader, Reader::own_relay)
    }

    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.files
    }
}

impl Run<'_> {
    async fn file(&mut self, file: &Path) -> Result<(), Failure> {
        let broken = |error| Failure::data(format!("{}: {error}", file.display()));
        let mut lines = Lines::new(lines::open(file)?, MOST_LINE_BYTES + 1);
        while let Some(line) = lines.next().map_err(broken)? {
            self.line(&line).await?;
        }
        if let Some(line) = lines.rest() {
            self.line(&line).await?;
        }
        Ok(())
    }

    async fn follow(&mut self, file: &Path) -> Result<(), Failure> {
        let missing = |error| Failure::input(format!("{}: {error}", file.display()));
        let mut follow = Follow::open(file, MOST_LINE_BYTES + 1).map_err(missing)?;
        output::note(format!("following {}", file.display()));
        let mut terminated = signal(SignalKind::terminate())?;
        loop {
            while let Some(line) = follow.next().map_err(missing)? {
                self.line(&line).await?;
            }
            self.flush().await?;
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = terminated.recv() => return Ok(()),
                interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
            }
        }
    }

    async fn line(&mut self, line: &[u8]) -> Result<(), Failure> {
        let now = self.opened.tracker.clock().now();
        self.batch.extend(self.reader.read(line, now));
        if self.batch.len() >= BATCH { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let count = self.batch.len();
        let appended = self.opened.tracker.record(std::mem::take(&mut self.batch)).await?;
        let new = appended.new_events();
        self.sums.new_events += u64::try_from(new)?;
        self.sums.known_events += u64::try_from(count - new)?;
        Ok(())
    }
}

impl Sums {
    fn finish(mut self, counts: Counts, as_json: bool) -> Result<(), Failure> {
        (self.lines, self.unmatched, self.not_ours) =
            (counts.lines, counts.unmatched, counts.not_ours);
        (self.refused, self.forgotten, self.too_long) =
            (counts.refused, counts.forgotten, counts.too_long);
        if as_json {
            return Ok(output::json(&self)?);
        }
        let Self { lines, new_events, known_events, unmatched, not_ours, refused, .. } = self;
        output::line(format!(
            "{lines} lines read: {new_events} new events, {known_events} known before, {unmatched} unmatched, {not_ours} not ours, {refused} refused"
        ))?;
        if self.unmatched > 0 {
            output::note(
                "unmatched: what the log says of messages whose arrival it doesn't hold; give the older file too, before this one",
            );
        }
        if self.forgotten + self.too_long > 0 {
            output::note(format!(
                "{} messages were forgotten before their end, {} lines were too long",
                self.forgotten, self.too_long
            ));
        }
        Ok(())
    }
}

fn system_zone() -> Zone {
    let name = iana_time_zone::get_timezone().ok();
    name.and_then(|name| name.parse().ok()).unwrap_or(Zone::UTC)
}

/// Facts recorded at once.
const BATCH: usize = 1_000;

/// Between two looks at a file that has nothing new.
const PAUSE: Duration = Duration::from_millis(250);
