//! `send`: rows to a mail server.

mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use mailtrail::Delivery;
use mailtrail::core::BroadcastId;
use mailtrail::smtp::message::{Message, To};
use mailtrail::smtp::return_path::ReturnPath;
use mailtrail::smtp::send::{
    Authorities, Credentials, Outcome, Relay, Schedule, Sender, TalksTo, Tls,
};
use mailtrail::webhook::instrument::InstrumentOptions;
use serde::Serialize;

use super::Doubt;
use crate::failure::Failure;
use crate::output;
use crate::setup::{Opened, Setup, random};
use watch::Watch;

/// Sends a planned broadcast.
#[derive(Debug, Args)]
pub(crate) struct Send {
    /// The broadcast.
    broadcast: BroadcastId,
    /// The mail server.
    #[arg(long, value_name = "HOST:PORT")]
    relay: String,
    /// The plain text of the message.
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// Its HTML.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The From address.
    #[arg(long)]
    from: String,
    /// The subject line.
    #[arg(long)]
    subject: String,
    /// The domain of the return paths, whose mail must come to the intake.
    #[arg(long, env = "MAILTRAIL_RETURN_PATH_DOMAIN")]
    return_path_domain: Option<String>,
    /// Where links, pixel and unsubscribing are served, such as `https://mail.school.example`. Without it
    /// nothing is tracked.
    #[arg(long, env = "MAILTRAIL_TRACKING_URL")]
    tracking_url: Option<String>,
    /// How the connection is encrypted.
    #[arg(long, value_enum, default_value_t)]
    tls: TlsMode,
    /// The authorities whose certificates are believed instead of the system's (PEM).
    #[arg(long, value_name = "FILE")]
    tls_authority: Option<PathBuf>,
    /// The user name for the mail server; its password is read from `MAILTRAIL_RELAY_PASSWORD`.
    #[arg(long)]
    user: Option<String>,
    #[arg(long, env = "MAILTRAIL_RELAY_PASSWORD", hide = true, hide_env_values = true)]
    password: Option<String>,
    /// The server is the recipients' own: its 250 means Delivered.
    #[arg(long)]
    mx: bool,
    /// The waits between attempts.
    #[arg(long, default_value = "1m,5m,30m")]
    retry: Schedule,
    /// What to do about attempts whose outcome is not known.
    #[arg(long, value_enum, default_value_t)]
    on_doubt: Doubt,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum TlsMode {
    #[default]
    None,
    Starttls,
    Implicit,
}

/// What a run came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct SendReport {
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) deferred: u64,
    pub(crate) bounced: u64,
    pub(crate) blocked: u64,
    pub(crate) in_doubt: u64,
}

impl SendReport {
    fn count(&mut self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Sent => &mut self.sent,
            Outcome::Delivered => &mut self.delivered,
            Outcome::Deferred(_) => &mut self.deferred,
            Outcome::Bounced => &mut self.bounced,
            Outcome::Blocked => &mut self.blocked,
            Outcome::InDoubt => &mut self.in_doubt,
            _ => return,
        };
        *count += 1;
    }
}

impl Send {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        let config = setup.config()?;
        let domain = self.return_path_domain.clone().or(config.return_path_domain);
        let domain = domain.ok_or_else(|| {
            Failure::data("no domain for return paths: give --return-path-domain, or return_path_domain in the configuration")
        })?;
        let opened = setup.open().await?;
        let share = opened.share()?;
        let _lease = opened.lease(share.as_ref(), &format!("broadcast/{}", self.broadcast)).await?;
        let text = std::fs::read_to_string(&self.text).map_err(Failure::input)?;
        let mut message = Message::new(self.from.as_str(), self.subject.as_str(), text);
        if let Some(html) = &self.html {
            message = message.html(std::fs::read_to_string(html).map_err(Failure::input)?);
        }
        let tracking = self.tracking_url.clone().or(config.tracking_url);
        let mut sending = Sending::new(&opened, self.relay()?, &domain, tracking.as_deref())?;
        sending.sender = sending.sender.schedule(self.retry.clone()).on_doubt(self.on_doubt.into());
        let report = sending.run(&opened, &self.broadcast, &message).await?;
        print(&report, setup.json)
    }

    fn relay(&self) -> Result<Relay, Failure> {
        let mut relay = relay(&self.relay)?.tls(match self.tls {
            TlsMode::None => Tls::None,
            TlsMode::Starttls => Tls::StartTls,
            TlsMode::Implicit => Tls::Implicit,
        });
        if self.mx {
            relay = relay.talks_to(TalksTo::Mx);
        }
        if let Some(file) = &self.tls_authority {
            let pem = std::fs::read(file).map_err(Failure::input)?;
            relay = relay.authorities(Authorities::from_pem(&pem)?);
        }
        if let Some(user) = &self.user {
            let password = self.password.as_deref();
            let password = password
                .ok_or_else(|| Failure::data("no password: set MAILTRAIL_RELAY_PASSWORD"))?;
            relay = relay.credentials(Credentials::new(user.as_str(), password));
        }
        Ok(relay)
    }
}

/// Reads `HOST:PORT`.
pub(crate) fn relay(text: &str) -> Result<Relay, Failure> {
    let (host, port) =
        text.rsplit_once(':').ok_or_else(|| Failure::data("write the relay as HOST:PORT"))?;
    let port = port.parse().map_err(|_| Failure::data("write the relay as HOST:PORT"))?;
    Ok(Relay::new(host.trim_matches(['[', ']']), port))
}

/// A sender, and what it puts into each message.
pub(crate) struct Sending {
    pub(crate) sender: Sender,
    keys: mailtrail::core::token::Keys,
    tracking: InstrumentOptions,
}

impl Sending {
    pub(crate) fn new(
        opened: &Opened,
        relay: Relay,
        domain: &str,
        tracking: Option<&str>,
    ) -> Result<Self, Failure> {
        let tracking = match tracking {
            Some(base) => InstrumentOptions::new(base).map_err(Failure::data)?,
            None => InstrumentOptions::untracked(),
        };
        let (store, clock) =
            (Arc::clone(opened.tracker.store()), Arc::clone(opened.tracker.clock()));
        let path = ReturnPath::new(domain);
        let keys = opened.keys.clone();
        let (classifier, random) = (opened.classifier()?, Box::new(random));
        let sender = Sender::new(store, keys.clone(), path, relay, classifier, clock, random);
        Ok(Self { sender, keys, tracking })
    }

    /// Sends every row that waits, and waits for those that are due later.
    pub(crate) async fn run(
        &mut self,
        opened: &Opened,
        broadcast: &BroadcastId,
        message: &Message,
    ) -> Result<SendReport, Failure> {
        let mut watch = Watch::begin(&opened.tracker, broadcast).await;
        let mut report = SendReport::default();
        let mut waiting = Vec::new();
        let mut queued = opened.tracker.queued(broadcast.clone());
        while let Some(delivery) = queued.next().await? {
            let outcome = self.deliver(&delivery, message).await?;
            report.count(outcome);
            watch.row(outcome);
            waiting.extend(later(outcome).map(|at| (at, delivery)));
        }
        while let Some((at, delivery)) = take_first(&mut waiting) {
            let wait = (at - opened.tracker.clock().now()).to_std().unwrap_or(Duration::ZERO);
            if !wait.is_zero() {
                watch.waits(at, wait);
            }
            tokio::time::sleep(wait).await;
            let outcome = self.deliver(&delivery, message).await?;
            report.count(outcome);
            watch.row_again(outcome);
            waiting.extend(later(outcome).map(|at| (at, delivery)));
        }
        watch.end();
        self.sender.close().await;
        Ok(report)
    }

    async fn deliver(
        &mut self,
        delivery: &Delivery,
        message: &Message,
    ) -> Result<Outcome, Failure> {
        let (keys, tracking) = (&self.keys, &self.tracking);
        let prepare =
            |bytes: Vec<u8>, _: &To| Ok(delivery.instrument(&bytes, keys, tracking)?.message);
        Ok(self.sender.deliver(&delivery.row, &delivery.to(), message, &prepare).await?)
    }
}

fn later(outcome: Outcome) -> Option<DateTime<Utc>> {
    match outcome {
        Outcome::Deferred(at) | Outcome::NotDue(at) => Some(at),
        _ => None,
    }
}

fn take_first<T>(waiting: &mut Vec<(DateTime<Utc>, T)>) -> Option<(DateTime<Utc>, T)> {
    let first = waiting.iter().enumerate().min_by_key(|(_, (at, _))| *at)?.0;
    Some(waiting.swap_remove(first))
}

fn print(report: &SendReport, json: bool) -> Result<(), Failure> {
    if json {
        return Ok(output::json(report)?);
    }
    let counts = [
        ("taken by the mail server", report.sent),
        ("delivered", report.delivered),
        ("attempts deferred", report.deferred),
        ("bounced", report.bounced),
        ("blocked since planned", report.blocked),
        ("in doubt", report.in_doubt),
    ];
    for (what, count) in counts {
        output::line(format!("{count:>9}  {what}"))?;
    }
    Ok(())
}
