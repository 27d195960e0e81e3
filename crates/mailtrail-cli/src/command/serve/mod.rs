//! `serve`: webhooks, the pixel, links and unsubscribing, and the intake of bounce mails.

mod background;
mod links;
mod mail;
mod ports;
mod reload;
mod reports;
mod subscribers;
mod told;

use std::io;
use std::sync::Arc;

use clap::Args;
use mailtrail::page::Page;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::links::Links;
use self::reload::Reload;
use self::reports::Reports;
use self::subscribers::Subscribers;
use self::told::{
    taken_no_more, tell_what_stands_still, tell_which_maildir_is_stuck, tell_who_is_paused,
};
use crate::check::Findings;
use crate::failure::Failure;
use crate::http::Http;
use crate::intake::Intake;
use crate::output;
use crate::setup::Setup;

pub(crate) use self::ports::{Ports, Shown, webhook_intake};

/// Serves until it is stopped.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    http: Http,
    #[command(flatten)]
    intake: Intake,
    /// The domain of the return paths.
    #[arg(long, env = "MAILTRAIL_RETURN_PATH_DOMAIN")]
    return_path_domain: Option<String>,
    /// Only say what is wrong with the configuration, and serve nothing.
    #[arg(long)]
    check: bool,
}

impl Serve {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        let mut config = setup.config()?;
        let http = self.http.or(config.http.clone());
        config.return_path_domain = self.return_path_domain.or(config.return_path_domain);
        let domain = config.return_path_domain.clone().unwrap_or_default();
        let intake = self.intake.or(config.intake.clone()).settings(&domain);
        if self.check {
            return Findings::of(setup, &config, &http, &intake).print(setup.json);
        }
        let http = http.settings()?;
        let (mut stop, mut links) = (Stop::listen()?, Links::listen()?);
        let mut reload = Reload::listen()?;
        let opened = setup.open().await?.require_ownership()?;
        let share = opened.share()?;
        let reports = Reports::follow(&opened)?;
        let mut subscribers =
            Subscribers::start(setup, &config.subscriber, &opened, &reports.log).await?;
        let Reports { log, summary, trails } = &reports;
        let page = Page::new(
            opened.tracker.clone(),
            Arc::clone(log),
            Arc::clone(summary),
            Arc::clone(trails),
        );
        let page = config.page.set_up(page.tls(http.tls.is_some()))?.open();
        let (is_served, is_here) =
            (config.page.is_served(http.listen), http.listen.ip().is_loopback());
        let scheme = http.scheme();
        let shown = Shown {
            projections: reports.watched(),
            subscribers: subscribers.watched(),
            page: is_served.then(|| page.clone()),
        };
        let ports = Ports::open(&opened, &config.webhook, http, &intake, shown).await?;
        output::note(format!("webhooks and pixel on {scheme}://{}", ports.http));
        output::note(format!("bounce mails by LMTP on {}", ports.mail.lmtp.local_addr()));
        if let Some(smtp) = &ports.mail.smtp {
            output::note(format!("bounce mails by SMTP on {}", smtp.local_addr()));
        }
        for folder in &intake.maildirs {
            output::note(format!("bounce mails in {}", folder.display()));
        }
        let base = is_here.then(|| format!("{scheme}://{}", ports.http));
        let (watched, maildirs) = (reports.watched(), ports.mail.watched());
        let ended = tokio::select! {
            () = stop.asked() => Ok(()),
            error = taken_no_more(&**opened.tracker.store()) => Err(error.into()),
            failure = reload.serve(setup, &opened, &ports) => Err(failure),
            failure = links.tell(&page, base.as_deref()) => Err(failure),
            never = tell_what_stands_still(&watched) => match never {},
            never = tell_who_is_paused(&subscribers) => match never {},
            never = tell_which_maildir_is_stuck(&maildirs) => match never {},
        };
        output::note("stopping: what was accepted is recorded");
        subscribers.stop();
        page.close();
        ports.close().await;
        drop(subscribers);
        drop((reports, page));
        drop(share);
        ended
    }
}

/// Ctrl-C, and what service managers and containers send instead (SIGTERM).
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen() -> io::Result<Self> {
        let (interrupt, terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
