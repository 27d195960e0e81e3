//! A page over a store in memory, asked without a network.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use chrono::{TimeZone, Utc};
use mailtrail::Tracker;
use mailtrail::core::correlation::{Correlation, CorrelationKey};
use mailtrail::core::event::{Bounced, Delivered, Opened, Source};
use mailtrail::core::id::{Endpoint, Identity};
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::core::projection::StateStore;
use mailtrail::core::token::SeenIn;
use mailtrail::core::{EventStore, Feedback};
use mailtrail::memory::{MemoryStates, MemoryStore};
use mailtrail::page::{OpenPage, Page, Role, User};
use mailtrail::projection::{Live, Runner};
use mailtrail::report::sheet::{Column, Kind, Sheet};
use mailtrail::report::{BroadcastSummary, EmailLog, Trails};
use mailtrail_testkit::VirtualClock;
use tower::ServiceExt;

pub(crate) const ADMIN: &str = "admin-secret-0123456789";
pub(crate) const READER: &str = "reader-secret-0123456789";

pub(crate) struct Fixture {
    pub(crate) tracker: Tracker,
    pub(crate) clock: VirtualClock,
    pub(crate) page: OpenPage,
    pub(crate) states: Arc<dyn StateStore>,
    log: Arc<Live<EmailLog>>,
    summary: Arc<Live<BroadcastSummary>>,
    trails: Arc<Live<Trails>>,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) body: String,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let (store, states) = (MemoryStore::new(), MemoryStates::default());
        let store: Arc<dyn EventStore> = Arc::new(store);
        let states: Arc<dyn StateStore> = Arc::new(states);
        let clock = VirtualClock::at(Utc.with_ymd_and_hms(2026, 1, 5, 8, 0, 0).unwrap());
        let tracker = Tracker::shared(Arc::clone(&store)).clock(clock.clone()).open();
        let follow = |store: &Arc<_>, states: &Arc<_>| (Arc::clone(store), Arc::clone(states));
        let (of_log, of_summary) = (follow(&store, &states), follow(&store, &states));
        let log = Arc::new(Runner::parted(of_log.0, of_log.1, EmailLog).spawn().unwrap());
        let summary = Runner::parted(of_summary.0, of_summary.1, BroadcastSummary).spawn().unwrap();
        let summary = Arc::new(summary);
        let trails = Arc::new(Runner::parted(store, Arc::clone(&states), Trails).spawn().unwrap());
        let columns = [
            Column::new("school", "School", Kind::Text),
            Column::new("late", "Opened Late", Kind::Count),
        ];
        let late = move || {
            let mut sheet = Sheet::new("late_opens", "Opened late", columns.clone());
            for number in 0..1_200_u64 {
                sheet.push([format!("School <{number}>").into(), number.into()]);
            }
            Ok(sheet)
        };
        let followed = (Arc::clone(&log), Arc::clone(&summary), Arc::clone(&trails));
        let page = Page::new(tracker.clone(), followed.0, followed.1, followed.2)
            .user(User::new("office", Role::Admin, ADMIN).unwrap())
            .user(User::new("teacher", Role::ReadOnly, READER).unwrap())
            .host("Mail.School.example")
            .sheet("late_opens", "Opened late", late)
            .sheet("broken", "Broken", || Err("no such thing".into()))
            .open();
        Self { tracker, clock, page, states, log, summary, trails }
    }

    /// A broadcast to contacts `c000` and so on, with a label by turns.
    pub(crate) async fn plan(&self, broadcast: &str, contacts: usize) {
        let contact = |number: usize| {
            let address = ContactAddress::new(format!("c{number:03}@a.example"));
            let contact = Contact::new(format!("c{number:03}").parse().unwrap());
            let school = if number.is_multiple_of(2) { "North" } else { "South" };
            contact.name(format!("Contact {number}")).label("school", school).address(address)
        };
        self.plan_for(broadcast, (0..contacts).map(contact).collect()).await;
    }

    pub(crate) async fn plan_for(&self, broadcast: &str, contacts: Vec<Contact>) {
        let broadcast = Broadcast::new(broadcast.parse().unwrap(), "general".parse().unwrap());
        self.tracker.plan(broadcast.subject("Closed <today>"), contacts).await.unwrap();
        self.caught_up().await;
    }

    /// The ids of the deliveries of a broadcast that are still queued, in order of contacts.
    pub(crate) async fn queued(&self, broadcast: &str) -> Vec<mailtrail::Delivery> {
        let mut queued = self.tracker.queued(broadcast.parse().unwrap());
        let mut deliveries = Vec::new();
        while let Some(delivery) = queued.next().await.unwrap() {
            deliveries.push(delivery);
        }
        deliveries.sort_by_key(|delivery| delivery.row.contact.to_string());
        deliveries
    }

    pub(crate) async fn sent(&self, delivery: &mailtrail::Delivery) {
        let endpoint = Endpoint::new("postmark").unwrap();
        let id = format!("m-{}", delivery.id());
        self.tracker.sent(delivery, &endpoint, &id).await.unwrap();
    }

    /// Evidence about a delivery.
    pub(crate) async fn tell(
        &self,
        delivery: &mailtrail::Delivery,
        event: impl Into<mailtrail::core::Event>,
    ) {
        let (delivery, seen_in) = (delivery.id(), SeenIn::Metadata);
        let correlation = Correlation::Token { delivery, key_id: 1, seen_in };
        self.record(self.feedback(correlation, event)).await;
    }

    /// Evidence about a message to `c000@a.example` that the provider knows by this id.
    pub(crate) async fn tell_of(&self, message: &str, event: impl Into<mailtrail::core::Event>) {
        let endpoint = Endpoint::new("postmark").unwrap();
        let recipient = "c000@a.example";
        let key = CorrelationKey::new(endpoint, message, recipient);
        let mut feedback = self.feedback(Correlation::Key(key), event);
        feedback.private.recipient = Some(recipient.into());
        self.record(feedback).await;
    }

    fn feedback(
        &self,
        correlation: Correlation,
        event: impl Into<mailtrail::core::Event>,
    ) -> Feedback {
        let observed = Identity::Observed(self.tracker.observed().unwrap());
        let source = Source::known("webhook:postmark");
        let mut feedback = Feedback::new(correlation, event.into(), observed, source);
        feedback.occurred_at = Some(self.tracker.clock().now());
        feedback
    }

    async fn record(&self, feedback: Feedback) {
        self.tracker.record([feedback]).await.unwrap();
    }

    pub(crate) async fn caught_up(&self) {
        let head = self.tracker.store().head().await.unwrap().position;
        self.log.reached(head).await;
        self.summary.reached(head).await;
        self.trails.reached(head).await;
    }

    pub(crate) fn router(&self) -> Router {
        self.page.router()
    }

    /// Asks with a secret, as programs do.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(request(Method::GET, path).header(header::AUTHORIZATION, bearer(READER)), "").await
    }

    pub(crate) async fn ask(&self, request: axum::http::request::Builder, body: &str) -> Answer {
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self.router().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = to_bytes(body, 10_000_000).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: head.status, headers: head.headers, body }
    }

    /// Logs in with a secret; the cookie.
    pub(crate) async fn log_in(&self, name: &str, secret: &str) -> String {
        let request = request(Method::POST, "/login").header(header::ORIGIN, "http://localhost");
        let answer = self.ask(request, &format!("name={name}&secret={secret}")).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        answer.cookie()
    }
}

impl Answer {
    /// The cookie that it sets, as a browser sends it back.
    pub(crate) fn cookie(&self) -> String {
        let set = self.headers[header::SET_COOKIE].to_str().unwrap();
        set.split(';').next().unwrap().to_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }
}

pub(crate) fn request(method: Method, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header(header::HOST, "localhost")
}

pub(crate) fn bearer(secret: &str) -> String {
    format!("Bearer {secret}")
}

pub(crate) fn delivered() -> Delivered {
    Delivered::default()
}

pub(crate) fn opened() -> Opened {
    let mut opened = Opened::default();
    opened.agent = mailtrail::core::event::Agent::Human;
    opened
}

pub(crate) fn bounced(reason: &str) -> Bounced {
    Bounced::because(mailtrail::core::reason::Reason::from_name(reason))
}
