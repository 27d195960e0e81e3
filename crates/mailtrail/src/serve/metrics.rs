//! What came, what came of it, and how far everything is: for Prometheus.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use axum::Router;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use mailtrail_core::EventStore;
use mailtrail_webhook::Intake;
use mailtrail_webhook::intake::Counts;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::Networks;
#[cfg(feature = "outbound")]
use crate::outbound::Standing;
use crate::projection::Progress;

/// `GET /metrics` in the `OpenMetrics` text format, for who is on this host.
///
/// Nothing in it names a person: endpoints, causes, projections, routes and numbers. Behind a proxy on
/// this host everybody seems to be on it: so a request that was passed on, and is not from a
/// [trusted proxy](super::TrustedProxies), is not answered.
///
/// | metric | labels |
/// |---|---|
/// | `mailtrail_webhook_requests_total` | `endpoint`, `outcome`: `accepted`, `repeated`, `failed`, `held_back`, or why it was refused |
/// | `mailtrail_webhook_events_total` | `endpoint`, `outcome`: `new`, `known` |
/// | `mailtrail_unknown_endpoint_requests_total` | |
/// | `mailtrail_hits_total` | `outcome`: `recorded`, `dropped`, `no_token`, `failed`, `head`, `prefetch`, `unsubscribed`, `unsubscribe_failed` |
/// | `mailtrail_waiting_hits` | |
/// | `mailtrail_head_position` | |
/// | `mailtrail_projection_lag_positions`, `mailtrail_projection_paused` | `projection` |
/// | `mailtrail_subscriber_attempts_total` | `subscriber`, `outcome`: `taken`, `failed` |
/// | `mailtrail_subscriber_lag_positions`, `mailtrail_subscriber_waiting_messages`, `mailtrail_subscriber_dead_letters`, `mailtrail_subscriber_paused` | `subscriber` |
/// | `mailtrail_mails_total` | `source`, `outcome`: `feedback`, `repeated`, `unread`, `not_feedback`, `unreadable`, `failed`, or why it was refused |
/// | `mailtrail_mail_events_total` | `source`, `outcome`: `new`, `known` |
/// | `mailtrail_refused_recipients_total` | `source`, `cause`: `foreign`, `forged`, `malformed`, `unknown_key`, `retired_key`, `sender` |
/// | `mailtrail_mail_connections_total` | `source`, `outcome`: `served`, `too_many`, `too_many_of_peer`, `too_slow`, `cut_off` |
/// | `mailtrail_maildir_stuck` | `source` |
/// | `mailtrail_request_duration_seconds` | `route`, `status` |
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use std::sync::Arc;
/// use mailtrail::{memory::MemoryStore, serve::Metrics};
/// let metrics = Metrics::new(Arc::new(MemoryStore::new()));
/// assert!(metrics.text().await.contains("mailtrail_head_position 0"));
/// let app = metrics.observe(axum::Router::new());                        // measured, with /metrics
/// # let _: axum::Router = app;
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Metrics {
    store: Arc<dyn EventStore>,
    intake: Option<Arc<Intake>>,
    projections: Vec<(Box<str>, HowFar)>,
    #[cfg(feature = "outbound")]
    subscribers: Vec<(Box<str>, HowItStands)>,
    #[cfg(feature = "smtp")]
    mails: super::mails::Mails,
    durations: Family<Labels, Histogram, fn() -> Histogram>,
    shown_to: Networks,
}

#[cfg(feature = "outbound")]
type HowItStands = Box<dyn Fn() -> Standing + Send + Sync>;
type HowFar = Box<dyn Fn() -> Progress + Send + Sync>;
/// Names and values.
pub(super) type Labels = Vec<(&'static str, String)>;

impl Metrics {
    /// Of a store.
    pub fn new(store: Arc<dyn EventStore>) -> Self {
        let durations = Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> _);
        Self {
            store,
            intake: None,
            projections: Vec::new(),
            #[cfg(feature = "outbound")]
            subscribers: Vec::new(),
            #[cfg(feature = "smtp")]
            mails: super::mails::Mails::default(),
            durations,
            shown_to: Networks::none(),
        }
    }

    /// With what comes in.
    pub fn intake(mut self, intake: Arc<Intake>) -> Self {
        self.intake = Some(intake);
        self
    }

    /// With a projection, and how far it is.
    pub fn projection(
        mut self,
        name: &str,
        progress: impl Fn() -> Progress + Send + Sync + 'static,
    ) -> Self {
        self.projections.push((name.into(), Box::new(progress)));
        self
    }

    /// With a subscriber, and how it stands.
    #[cfg(feature = "outbound")]
    pub fn subscriber(
        mut self,
        name: &str,
        standing: impl Fn() -> Standing + Send + Sync + 'static,
    ) -> Self {
        self.subscribers.push((name.into(), Box::new(standing)));
        self
    }

    /// With the mails of a source, as `lmtp`.
    #[cfg(feature = "smtp")]
    pub fn mail_intake(
        mut self,
        source: &str,
        intake: Arc<mailtrail_smtp::intake::Intake>,
    ) -> Self {
        self.mails.intakes.push((source.into(), intake));
        self
    }

    /// With the connections of a source.
    #[cfg(feature = "smtp")]
    pub fn mail_listener(
        mut self,
        source: &str,
        connections: impl Fn() -> mailtrail_smtp::server::Connections + Send + Sync + 'static,
    ) -> Self {
        self.mails.listeners.push((source.into(), Box::new(connections)));
        self
    }

    /// With a source that is a Maildir, and how it stands.
    #[cfg(feature = "smtp")]
    pub fn maildir(
        mut self,
        source: &str,
        standing: impl Fn() -> mailtrail_smtp::intake::Standing + Send + Sync + 'static,
    ) -> Self {
        self.mails.maildirs.push((source.into(), Box::new(standing)));
        self
    }

    /// Shown to these networks, too.
    pub fn shown_to(mut self, networks: Networks) -> Self {
        self.shown_to = networks;
        self
    }

    /// A router whose requests are measured, and which answers `/metrics`.
    pub fn observe(self, router: Router) -> Router {
        let metrics = Arc::new(self);
        let shown = get(show).with_state(Arc::clone(&metrics));
        router.layer(from_fn_with_state(metrics, measure)).route("/metrics", shown)
    }

    /// As they are now.
    pub async fn text(&self) -> String {
        let mut registry = Registry::with_prefix("mailtrail");
        self.put_intake(&mut registry);
        self.put_projections(&mut registry);
        #[cfg(feature = "outbound")]
        self.put_subscribers(&mut registry);
        #[cfg(feature = "smtp")]
        self.mails.put(&mut registry);
        // Nobody can tell how far the log is while the store doesn't answer.
        if let Ok(head) = self.store.head().await {
            gauge(
                &mut registry,
                "head_position",
                "The last position of the log",
                head.position.get(),
            );
        }
        registry.register(
            "request_duration_seconds",
            "How long requests took to answer",
            self.durations.clone(),
        );
        let mut text = String::new();
        // Writing into a string fails for nobody.
        encode(&mut text, &registry).unwrap_or_default();
        text
    }

    fn put_intake(&self, registry: &mut Registry) {
        let Some(intake) = &self.intake else { return };
        let (requests, events) = (Counters::default(), Counters::default());
        for endpoint in intake.endpoints() {
            let endpoint = &*endpoint;
            let counts = intake.counts(endpoint).unwrap_or_default();
            for (outcome, count) in outcomes(&counts) {
                add(&requests, [("endpoint", endpoint), ("outcome", outcome)], count);
            }
            for (outcome, count) in [("new", counts.new_events), ("known", counts.known_events)] {
                add(&events, [("endpoint", endpoint), ("outcome", outcome)], count);
            }
        }
        registry.register("webhook_requests", "Requests of providers", requests);
        registry.register("webhook_events", "Events in accepted requests", events);
        let unknown: Counter = Counter::default();
        unknown.inc_by(intake.unknown_endpoints());
        registry.register("unknown_endpoint_requests", "Requests to no endpoint", unknown);
        let (hits, counts) = (Counters::default(), intake.hits().counts());
        for (outcome, count) in [
            ("recorded", counts.recorded),
            ("dropped", counts.dropped),
            ("no_token", counts.no_token),
            ("failed", counts.failed),
            ("head", counts.head),
            ("prefetch", counts.prefetch),
            ("unsubscribed", counts.unsubscribed),
            ("unsubscribe_failed", counts.unsubscribe_failed),
        ] {
            add(&hits, [("outcome", outcome)], count);
        }
        registry.register("hits", "Requests for pixels, links and unsubscribing", hits);
        gauge(registry, "waiting_hits", "Hits that wait for the store", counts.waiting);
    }

    fn put_projections(&self, registry: &mut Registry) {
        let (lag, paused) = (Gauges::default(), Gauges::default());
        for (name, progress) in &self.projections {
            let (progress, labels) = (progress(), vec![("projection", String::from(&**name))]);
            lag.get_or_create(&labels).set(progress.lag());
            paused.get_or_create(&labels).set(u64::from(progress.paused.is_some()));
        }
        registry.register("projection_lag_positions", "How far behind the log it is", lag);
        registry.register("projection_paused", "Whether it stands still", paused);
    }

    #[cfg(feature = "outbound")]
    fn put_subscribers(&self, registry: &mut Registry) {
        if self.subscribers.is_empty() {
            return;
        }
        let attempts = Counters::default();
        let [lag, waiting, letters, paused] = [(); 4].map(|()| Gauges::default());
        for (name, standing) in &self.subscribers {
            let (standing, labels) = (standing(), vec![("subscriber", String::from(&**name))]);
            for (outcome, count) in [("taken", standing.taken), ("failed", standing.failed)] {
                add(&attempts, [("subscriber", name), ("outcome", outcome)], count);
            }
            let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
            lag.get_or_create(&labels).set(standing.lag());
            waiting.get_or_create(&labels).set(number(standing.waiting));
            letters.get_or_create(&labels).set(number(standing.dead_letters));
            paused.get_or_create(&labels).set(u64::from(standing.paused.is_some()));
        }
        registry.register("subscriber_attempts", "Messages posted to subscribers", attempts);
        registry.register("subscriber_lag_positions", "How far behind the log it is", lag);
        registry.register("subscriber_waiting_messages", "Messages that wait", waiting);
        registry.register("subscriber_dead_letters", "Messages that were given up", letters);
        registry.register("subscriber_paused", "Whether nothing is sent to it", paused);
    }

    fn may_see(&self, request: &Request) -> bool {
        let client = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let Some(client) = client.map(|info| info.0.ip().to_canonical()) else { return false };
        // Of a proxy that nobody named it is not known whom it speaks for.
        let passed_on = ["x-forwarded-for", "forwarded"];
        let passed_on = passed_on.iter().any(|name| request.headers().contains_key(*name));
        (client.is_loopback() && !passed_on) || self.shown_to.contains(client)
    }
}

pub(super) type Counters = Family<Labels, Counter>;
pub(super) type Gauges = Family<Labels, Gauge<u64, AtomicU64>>;

pub(super) fn add<const N: usize>(
    family: &Counters,
    labels: [(&'static str, &str); N],
    count: u64,
) {
    let labels = labels.map(|(name, value)| (name, value.to_owned()));
    family.get_or_create(&labels.into()).inc_by(count);
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let gauge = Gauge::<u64, AtomicU64>::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

fn outcomes(counts: &Counts) -> impl Iterator<Item = (&'static str, u64)> {
    let own = [
        ("accepted", counts.accepted.saturating_sub(counts.repeated)),
        ("repeated", counts.repeated),
        ("failed", counts.failed),
        ("held_back", counts.held_back),
    ];
    own.into_iter().chain(counts.refused.iter().map(|(cause, count)| (cause.name(), *count)))
}

async fn show(State(metrics): State<Arc<Metrics>>, request: Request) -> Response {
    if !metrics.may_see(&request) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let form = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, form)], metrics.text().await).into_response()
}

async fn measure(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    // The route and not the path, which has tokens in it.
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let began = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    let labels = vec![("route", route.unwrap_or_default()), ("status", status)];
    metrics.durations.get_or_create(&labels).observe(began.elapsed().as_secs_f64());
    response
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("shown_to", &self.shown_to).finish_non_exhaustive()
    }
}

/// Upper ends of the buckets: from what memory takes to what providers wait.
const SECONDS: [f64; 12] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];
