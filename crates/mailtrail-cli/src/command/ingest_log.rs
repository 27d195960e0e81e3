//! `ingest log`: what mail servers log, from files and pipes, once or as it is written.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use mailtrail::core::Feedback;
use mailtrail::log::{Counts, MOST_LINE_BYTES, Mta, OwnRelay, Reader, Zone};
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;
use crate::lines::{self, Follow, Lines, Next, Pipe};
use crate::output;
use crate::setup::Opened;

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
        let classifier = opened.classifier()?;
        let reader = self.what.reader(&classifier, &opened.keys);
        let mut run = Run { opened, reader, batch: Vec::new(), sums: Sums::default() };
        let outcome = run.files(&self.what.files, self.follow).await;
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
    async fn files(&mut self, files: &[PathBuf], follow: bool) -> Result<(), Failure> {
        let Some((last, before)) = files.split_last() else { return Ok(()) };
        for file in before {
            self.file(file).await?;
        }
        // A pipe is followed in any case: whoever writes it decides when it ends.
        if last == Path::new("-") || follow {
            self.growing(last).await
        } else {
            self.file(last).await
        }
    }

    async fn file(&mut self, file: &Path) -> Result<(), Failure> {
        let broken = |error| Failure::data(format!("{}: {error}", file.display()));
        let mut lines = Lines::new(lines::open(file)?, MOST);
        while let Some(line) = lines.next_or_rest().map_err(broken)? {
            self.line(&line).await?;
        }
        Ok(())
    }

    /// Until its end or ours: what has come is recorded whenever nothing more comes.
    async fn growing(&mut self, file: &Path) -> Result<(), Failure> {
        let failed = |error| Failure::input(format!("{}: {error}", file.display()));
        let stopped = tokio::spawn(stopped(signal(SignalKind::terminate())?));
        let mut log = Growing::open(file).map_err(failed)?;
        while !stopped.is_finished() {
            match log.next().await.map_err(failed)? {
                Next::Line(line) => self.line(&line).await?,
                Next::Idle => self.flush().await?,
                Next::End => break,
            }
        }
        Ok(())
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

/// A log that is still written.
enum Growing {
    Pipe(Pipe),
    File(Box<Follow>),
}

impl Growing {
    fn open(file: &Path) -> io::Result<Self> {
        if file == Path::new("-") {
            return Ok(Self::Pipe(Pipe::open(MOST)));
        }
        let follow = Follow::open(file, MOST)?;
        output::note(format!("following {}", file.display()));
        Ok(Self::File(Box::new(follow)))
    }

    async fn next(&mut self) -> io::Result<Next> {
        match self {
            Self::Pipe(pipe) => pipe.next().await,
            Self::File(file) => file.next().await,
        }
    }
}

/// Ends when somebody tells the program to.
async fn stopped(mut terminated: Signal) {
    tokio::select! {
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
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

/// Bytes of a line that are looked at: one more than the reader takes, which then knows.
const MOST: usize = MOST_LINE_BYTES + 1;
