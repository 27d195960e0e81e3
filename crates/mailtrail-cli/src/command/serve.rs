//! `serve`: webhooks, the pixel, links and unsubscribing, and the intake of bounce mails.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use mailtrail::core::projection::Projection;
use mailtrail::core::store::AppendError;
use mailtrail::core::{AppendBatch, EventStore};
use mailtrail::outbound::{Outbound, Standing, SubscriberFolder};
use mailtrail::page::{OpenPage, Page};
use mailtrail::projection::{Live, Progress};
use mailtrail::report::{BroadcastSummary, EmailLog};
use mailtrail::serve::{self, Metrics, health};
use mailtrail::smtp::intake::LmtpIntake;
use mailtrail::smtp::server::{Protocol, Running, Server};
use mailtrail::webhook::refused::KEPT_FOR;
use mailtrail::webhook::track::{Hits, Judge};
use mailtrail::webhook::{Intake, router};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::check::Findings;
use crate::command::ingest::intake;
use crate::command::rebuild::runner;
use crate::failure::{Failure, in_full};
use crate::http::{Http, HttpSettings};
use crate::https::Https;
use crate::output;
use crate::provider::Webhook;
use crate::setup::{Opened, Setup, random};
use crate::subscriber::{SubscriberText, twice};

/// Serves until it is stopped.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    http: Http,
    /// Where bounce mails are taken, by LMTP.
    #[arg(long, env = "MAILTRAIL_LMTP", default_value = "127.0.0.1:8024")]
    lmtp: SocketAddr,
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
        if self.check {
            return Findings::of(setup, &config, &http, self.lmtp).print(setup.json);
        }
        let http = http.settings()?;
        let domain = config.return_path_domain.unwrap_or_default();
        let mut stop = Stop::listen()?;
        let opened = setup.open().await?.require_ownership()?;
        let share = opened.share()?;
        // Reports are kept up to date meanwhile, so that they open at once.
        let live = (
            Arc::new(runner(&opened, EmailLog)?.spawn()?),
            Arc::new(runner(&opened, BroadcastSummary)?.spawn()?),
        );
        let mut subscribers =
            Subscribers::start(setup, &config.subscriber, &opened, &live.0).await?;
        let page = Page::new(opened.tracker.clone(), Arc::clone(&live.0), Arc::clone(&live.1));
        let page = config.page.set_up(page.tls(http.tls.is_some()))?.open();
        let (is_served, is_here) =
            (config.page.is_served(http.listen), http.listen.ip().is_loopback());
        let scheme = http.scheme();
        let projections: Vec<Progressing> = vec![
            (EmailLog.name().into(), Box::new(live.0.watch())),
            (BroadcastSummary.name().into(), Box::new(live.1.watch())),
        ];
        let shown = Shown {
            projections,
            subscribers: subscribers.watched(),
            page: is_served.then(|| page.clone()),
        };
        let ports = Ports::open(&opened, &config.webhook, &domain, http, self.lmtp, shown).await?;
        output::note(format!("webhooks and pixel on {scheme}://{}", ports.http));
        if is_here {
            let link = page.login_link(&format!("{scheme}://{}", ports.http));
            let link = link.map_err(Failure::other)?;
            output::note(format!(
                "the page, for the first who opens this within 10 minutes: {link}"
            ));
        }
        output::note(format!("bounce mails by LMTP on {}", ports.lmtp.local_addr()));
        let ended = tokio::select! {
            () = stop.asked() => Ok(()),
            error = taken_no_more(&**opened.tracker.store()) => Err(error.into()),
            never = tell_what_stands_still(&live.0, &live.1) => match never {},
            never = tell_who_is_paused(&subscribers) => match never {},
        };
        output::note("stopping: what was accepted is recorded");
        subscribers.stop();
        page.close();
        ports.close().await;
        drop(subscribers);
        drop((live, page));
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

/// Waits until the store takes no more writes. It doesn't until it is opened again, so there is nothing left to
/// serve: who watches over this process starts it again, and whoever had no answer comes again.
async fn taken_no_more(store: &dyn EventStore) -> AppendError {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if let Err(error) = store.append(AppendBatch::new()).await {
            return error;
        }
    }
}

/// Says where a report is not kept up to date, when that begins and when it changes.
async fn tell_what_stands_still(
    log: &Live<EmailLog>,
    summary: &Live<BroadcastSummary>,
) -> Infallible {
    let mut told = [None, None];
    loop {
        for (told, (name, progress)) in told
            .iter_mut()
            .zip([(EmailLog.name(), log.progress()), (BroadcastSummary.name(), summary.progress())])
        {
            let now = match (progress.paused, progress.error) {
                (Some(pause), _) => Some(format!(
                    "{name} stands still at position {}: {}: see `mailtrail projection status`",
                    pause.position, pause.why
                )),
                (None, Some(error)) => Some(format!("{name} is not kept up to date: {error}")),
                (None, None) => None,
            };
            if *told != now {
                output::note(now.clone().unwrap_or_else(|| format!("{name} goes on")));
                *told = now;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Says which subscriber is paused, when that begins and when it ends.
async fn tell_who_is_paused(subscribers: &Subscribers) -> Infallible {
    let mut told = vec![None; subscribers.0.len()];
    loop {
        for (told, outbound) in told.iter_mut().zip(&subscribers.0) {
            let (name, now) = (outbound.name(), outbound.standing().paused);
            if *told != now {
                output::note(now.as_ref().map_or_else(
                    || format!("subscriber {name} goes on"),
                    |pause| {
                        let cause = &pause.cause;
                        format!(
                            "subscriber {name} is paused ({cause}): once that is mended, \
                             `mailtrail subscriber resume {name}`"
                        )
                    },
                ));
                *told = now;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// All who are told of changes.
struct Subscribers(Vec<Outbound>);

impl Subscribers {
    async fn start(
        setup: &Setup,
        configured: &[SubscriberText],
        opened: &Opened,
        log: &Arc<Live<EmailLog>>,
    ) -> Result<Self, Failure> {
        if let Some(name) = twice(configured).first() {
            return Err(Failure::data(format!("two subscribers are called {name}")));
        }
        let mut started = Vec::new();
        for subscriber in configured {
            let named = |failure: Failure| {
                Failure::data(format!("subscriber {}: {}", subscriber.name, failure.text()))
            };
            let folder = SubscriberFolder::open(setup.outbound_folder()?, &subscriber.name)?;
            let ready = subscriber.open(opened.tracker.clock()).map_err(named)?;
            started.push(Outbound::start(ready, &opened.tracker, Arc::clone(log), folder).await?);
        }
        Ok(Self(started))
    }

    fn watched(&self) -> Vec<Watched> {
        let watched = |one: &Outbound| (one.name().to_owned(), Box::new(one.watch()) as Box<_>);
        self.0.iter().map(watched).collect()
    }

    /// All at the same time: dropping them waits for each.
    fn stop(&mut self) {
        self.0.iter_mut().for_each(Outbound::stop);
    }
}

/// A subscriber's name, and how it stands.
pub(crate) type Watched = (String, Box<dyn Fn() -> Standing + Send + Sync>);

/// A projection's name, and how far it is.
pub(crate) type Progressing = (String, Box<dyn Fn() -> Progress + Send + Sync>);

/// What is shown besides what comes in.
#[derive(Default)]
pub(crate) struct Shown {
    projections: Vec<Progressing>,
    subscribers: Vec<Watched>,
    page: Option<OpenPage>,
}

/// Everything that listens.
pub(crate) struct Ports {
    pub(crate) http: SocketAddr,
    pub(crate) lmtp: Running,
    server: serve::Running,
    hits: Arc<Hits>,
    alarm: JoinHandle<()>,
    judge: JoinHandle<()>,
    block: JoinHandle<()>,
    expire: JoinHandle<()>,
}

impl Ports {
    pub(crate) async fn open(
        opened: &Opened,
        webhooks: &[Webhook],
        domain: &str,
        http: HttpSettings,
        lmtp: SocketAddr,
        shown: Shown,
    ) -> Result<Self, Failure> {
        let webhooks = Arc::new(webhook_intake(opened, webhooks)?);
        let hits = Arc::clone(webhooks.hits());
        let alarm = tokio::spawn(tell_of_lost_hits(Arc::clone(&hits)));
        let store = opened.tracker.store();
        let mut metrics = Metrics::new(Arc::clone(store))
            .intake(Arc::clone(&webhooks))
            .shown_to(http.metrics_for);
        for (name, progress) in shown.projections {
            metrics = metrics.projection(&name, progress);
        }
        for (name, standing) in shown.subscribers {
            metrics = metrics.subscriber(&name, standing);
        }
        let page = shown.page.as_ref().map(OpenPage::router).unwrap_or_default();
        let app = router(webhooks).merge(health(Arc::clone(store))).merge(page);
        let server = serve::Server::new(metrics.observe(app))
            .trusted_proxies(http.proxies)
            .limits(http.limits)
            .tls(http.tls)
            .bind(http.listen)?;
        let handler = LmtpIntake::new(Arc::new(intake(opened, domain)?));
        let lmtp = Server::new(Protocol::Lmtp, handler).bind(lmtp).await?;
        let judge = tokio::spawn(judge(opened.clone()));
        let block = tokio::spawn(block(opened.clone()));
        let expire = tokio::spawn(expire(opened.clone()));
        let http = server.local_addr();
        Ok(Self { http, lmtp, server, hits, alarm, judge, block, expire })
    }

    /// Whether no hit that was answered waits for the store.
    pub(crate) fn hits_are_stored(&self) -> bool {
        waiting(&self.hits) == 0
    }

    /// Takes nothing new, and answers what has begun. Whoever doesn't end in time gets no answer, and comes again.
    pub(crate) async fn close(self) {
        self.server.stop(CLOSE_WITHIN).await;
        // Whoever made these hits was answered long ago: they have no second try.
        let stored = async {
            while waiting(&self.hits) > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(CLOSE_WITHIN, stored).await.is_err() {
            output::note(format!("{} hits were not stored in time", waiting(&self.hits)));
        }
        self.alarm.abort();
        self.judge.abort();
        self.block.abort();
        self.expire.abort();
        self.lmtp.stop().await;
    }
}

fn waiting(hits: &Hits) -> u64 {
    hits.counts().waiting
}

/// Says that hits are lost, and why: at most once a minute.
async fn tell_of_lost_hits(hits: Arc<Hits>) {
    let mut told = 0;
    loop {
        let failed = hits.counts().failed;
        if failed > told {
            let why = hits.last_loss().map_or_else(String::new, |loss| in_full(&*loss));
            output::note(format!("{} hits were lost, the last because {why}", failed - told));
            told = failed;
            tokio::time::sleep(ALARM_EVERY).await;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Gives the hits their verdicts when they are due: those that an earlier run left, too.
async fn judge(opened: Opened) {
    let (store, clock) = (opened.tracker.store(), opened.tracker.clock());
    let mut judge = Judge::default();
    loop {
        if let Err(error) = judge.run(&**store, clock.now()).await {
            output::note(format!("verdicts on opens wait: {}", in_full(&error)));
        }
        tokio::time::sleep(JUDGE_EVERY).await;
    }
}

/// Blocks who complained or unsubscribed, whenever something of that kind may have come.
async fn block(opened: Opened) {
    let mut seen = mailtrail::core::Position::START;
    loop {
        match opened.tracker.store().changed(seen).await {
            Ok(head) => seen = head,
            Err(error) => {
                return output::note(format!("the blocking policy has ended: {}", in_full(&error)));
            }
        }
        if let Err(error) = opened.tracker.apply_blocking_policy().await {
            output::note(format!("the blocking policy waits: {}", in_full(&error)));
        }
        tokio::time::sleep(BLOCK_EVERY).await;
    }
}

/// Lets go of refused requests that are a week old.
async fn expire(opened: Opened) {
    loop {
        if let Err(error) = opened.refused.expire(opened.tracker.clock().now() - KEPT_FOR) {
            output::note(format!("refused requests stay longer: {}", in_full(&error)));
        }
        tokio::time::sleep(EXPIRE_EVERY).await;
    }
}

/// What takes in the requests of these accounts.
pub(crate) fn webhook_intake(opened: &Opened, webhooks: &[Webhook]) -> Result<Intake, Failure> {
    let store = Arc::clone(opened.tracker.store());
    let clock = Arc::clone(opened.tracker.clock());
    // Without randomness ids of one millisecond would meet, and one of two hits be lost.
    random().map_err(Failure::other)?;
    let mut intake = Intake::new(
        store,
        opened.keys.clone(),
        opened.classifier()?,
        move || clock.now(),
        || random().unwrap_or_default(),
    )
    .raw_store(Arc::clone(&opened.raw))
    .refused_ring(Arc::clone(&opened.refused))
    .fetch(Arc::new(Https::new()));
    for webhook in webhooks {
        intake.add(Arc::new(webhook.account()?));
    }
    Ok(intake)
}

/// How long requests that have begun may take when it is to stop: service managers wait at least ten seconds.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// How often it is asked whether the store takes writes, and the reports are up to date.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often it is said that hits are lost.
const ALARM_EVERY: Duration = Duration::from_secs(60);
/// How long the blocking policy rests: it reads the whole log.
const BLOCK_EVERY: Duration = Duration::from_secs(30);
/// How often refused requests are looked through. What other processes let go of is known then, too.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);
/// How often hits are judged: often enough beside the window of ten seconds.
const JUDGE_EVERY: Duration = Duration::from_millis(500);
