//! Everything that listens.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mailtrail::outbound::Standing;
use mailtrail::page::OpenPage;
use mailtrail::projection::Progress;
use mailtrail::serve::{self, Metrics, health};
use mailtrail::webhook::provider::Provider;
use mailtrail::webhook::track::Hits;
use mailtrail::webhook::{Intake, router};
use tokio::task::JoinHandle;

use super::background::{block, expire, judge, tell_of_lost_hits, waiting};
use super::mail::Mail;
use crate::failure::Failure;
use crate::http::HttpSettings;
use crate::https::Https;
use crate::intake::IntakeSettings;
use crate::output;
use crate::provider::Webhook;
use crate::setup::{Opened, random};

/// A subscriber's name, and how it stands.
pub(crate) type Watched = (String, Box<dyn Fn() -> Standing + Send + Sync>);

/// A projection's name, and how far it is.
pub(crate) type Progressing = (String, Box<dyn Fn() -> Progress + Send + Sync>);

/// What is shown besides what comes in.
#[derive(Default)]
pub(crate) struct Shown {
    pub(super) projections: Vec<Progressing>,
    pub(super) subscribers: Vec<Watched>,
    pub(super) page: Option<OpenPage>,
}

/// Everything that listens.
pub(crate) struct Ports {
    pub(crate) http: SocketAddr,
    pub(crate) mail: Mail,
    webhooks: Arc<Intake>,
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
        http: HttpSettings,
        mail: &IntakeSettings,
        shown: Shown,
    ) -> Result<Self, Failure> {
        let mail = Mail::open(opened, mail).await?;
        let webhooks = Arc::new(webhook_intake(opened, webhooks)?);
        let hits = Arc::clone(webhooks.hits());
        let alarm = tokio::spawn(tell_of_lost_hits(Arc::clone(&hits)));
        let store = opened.tracker.store();
        let mut metrics = Metrics::new(Arc::clone(store))
            .intake(Arc::clone(&webhooks))
            .shown_to(http.metrics_for);
        metrics = mail.show(metrics);
        for (name, progress) in shown.projections {
            metrics = metrics.projection(&name, progress);
        }
        for (name, standing) in shown.subscribers {
            metrics = metrics.subscriber(&name, standing);
        }
        let page = shown.page.as_ref().map(OpenPage::router).unwrap_or_default();
        let app = router(Arc::clone(&webhooks)).merge(health(Arc::clone(store))).merge(page);
        let server = serve::Server::new(metrics.observe(app))
            .trusted_proxies(http.proxies)
            .limits(http.limits)
            .tls(http.tls)
            .bind(http.listen)?;
        let judge = tokio::spawn(judge(opened.clone()));
        let block = tokio::spawn(block(opened.clone()));
        let expire = tokio::spawn(expire(opened.clone()));
        let http = server.local_addr();
        Ok(Self { http, mail, webhooks, server, hits, alarm, judge, block, expire })
    }

    /// Takes requests of these accounts from now on, and of no others.
    pub(crate) fn replace_accounts(&self, accounts: Vec<Arc<dyn Provider>>) {
        self.webhooks.replace_accounts(accounts);
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
        for task in [self.alarm, self.judge, self.block, self.expire] {
            task.abort();
            // Until it has ended it holds the store.
            task.await.ok();
        }
        self.mail.close().await;
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
    for account in accounts(webhooks)? {
        intake.add(account);
    }
    Ok(intake)
}

/// The accounts that a configuration describes, if all of them can be used.
pub(crate) fn accounts(webhooks: &[Webhook]) -> Result<Vec<Arc<dyn Provider>>, Failure> {
    let mut seen = BTreeSet::new();
    let twice = webhooks.iter().find(|webhook| !seen.insert(webhook.endpoint.as_str()));
    if let Some(webhook) = twice {
        return Err(Failure::data(format!("two accounts are called {}", webhook.endpoint)));
    }
    let account = |webhook: &Webhook| match webhook.account() {
        Ok(account) => Ok(Arc::new(account) as Arc<dyn Provider>),
        Err(failure) => {
            let text = failure.text();
            Err(Failure::data(format!("webhook {}: {text}", webhook.endpoint)))
        }
    };
    webhooks.iter().map(account).collect()
}

/// How long requests that have begun may take when it is to stop: service managers wait at least ten seconds.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
