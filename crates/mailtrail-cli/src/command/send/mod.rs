//! `send`: rows to a mail server.

mod watch;
mod way;
mod what;

use clap::Args;
use mailtrail::core::{BroadcastId, DeliveryId};
use mailtrail::smtp::message::Compose;
use mailtrail::smtp::return_path::ReturnPath;
use mailtrail::smtp::send::{Dispatched, Dispatcher, Limits, Route, Sender};
use serde::Serialize;

use super::Doubt;
use crate::failure::Failure;
use crate::output;
use crate::setup::{Opened, Setup};
use watch::Watch;
use way::Way;
pub(crate) use way::relay;
use what::What;
pub(crate) use what::outgoing;

/// Sends a planned broadcast.
#[derive(Debug, Args)]
pub(crate) struct Send {
    /// The broadcast.
    broadcast: BroadcastId,
    #[command(flatten)]
    what: What,
    /// The domain of the return paths, whose mail must come to the intake.
    #[arg(long, env = "MAILTRAIL_RETURN_PATH_DOMAIN")]
    return_path_domain: Option<String>,
    /// Where links, pixel and unsubscribing are served, such as `https://mail.school.example`. Without it
    /// nothing is tracked.
    #[arg(long, env = "MAILTRAIL_TRACKING_URL")]
    tracking_url: Option<String>,
    #[command(flatten)]
    way: Way,
    /// What to do about attempts whose outcome is not known.
    #[arg(long, value_enum, default_value_t)]
    on_doubt: Doubt,
}

/// What a run came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct SendReport {
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) deferred: u64,
    pub(crate) bounced: u64,
    pub(crate) blocked: u64,
    pub(crate) unwritten: u64,
    pub(crate) in_doubt: u64,
    /// Who may have got it, and may get it again.
    pub(crate) in_doubt_deliveries: Vec<DeliveryId>,
}

impl SendReport {
    fn of(dispatched: Dispatched) -> Self {
        let in_doubt = dispatched.in_doubt;
        Self {
            sent: dispatched.sent,
            delivered: dispatched.delivered,
            deferred: dispatched.deferred,
            bounced: dispatched.bounced,
            blocked: dispatched.blocked,
            unwritten: dispatched.unwritten,
            in_doubt: in_doubt.len() as u64,
            in_doubt_deliveries: in_doubt,
        }
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
        let tracking = self.tracking_url.clone().or(config.tracking_url);
        let compose = self.what.outgoing(&opened, tracking.as_deref())?;
        let sender = sender(&opened, self.way.route()?, &domain)?
            .schedule(self.way.schedules())
            .on_doubt(self.on_doubt.into());
        let limits = self.way.limits();
        let report = dispatch(&opened, &self.broadcast, sender, compose, limits).await?;
        print(&report, setup.json)
    }
}

/// Sends every row of a broadcast that waits, and waits for those that are due later.
pub(crate) async fn dispatch(
    opened: &Opened,
    broadcast: &BroadcastId,
    sender: Sender,
    compose: impl Compose + 'static,
    limits: Limits,
) -> Result<SendReport, Failure> {
    let mut watch = Watch::begin(&opened.tracker, broadcast).await;
    let dispatcher = Dispatcher::new(sender, compose).limits(limits);
    let dispatched = dispatcher.run(broadcast, |happening| watch.see(&happening)).await;
    watch.end();
    Ok(SendReport::of(dispatched?))
}

/// A sender to a route, whose bounces come back to a domain.
pub(crate) fn sender(
    opened: &Opened,
    route: impl Into<Route>,
    domain: &str,
) -> Result<Sender, Failure> {
    let path = ReturnPath::new(domain);
    Ok(opened.tracker.sender(opened.keys.clone(), path, route, opened.classifier()?))
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
        ("could not be written", report.unwritten),
    ];
    for (what, count) in counts {
        output::line(format!("{count:>9}  {what}"))?;
    }
    for delivery in report.in_doubt_deliveries.iter().take(NAMED) {
        output::line(format!("           in doubt: delivery {delivery}"))?;
    }
    if report.in_doubt_deliveries.len() > NAMED {
        output::line("           … all of them with --json")?;
    }
    Ok(())
}

/// As many of those in doubt are named for people.
const NAMED: usize = 20;
