//! The real router over real HTTP on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use mailtrail_core::correlation::Attribution;
use mailtrail_core::event::Envelope;
use mailtrail_core::event::{Authenticity, RawHash};
use mailtrail_core::store::{EventStore, Filter, Position, RawError, RawStore};
use mailtrail_memory::{MemoryRaw, MemoryStore};
use mailtrail_webhook::intake::{BODY_LIMIT, MOST_FAILURES};
use mailtrail_webhook::provider::{Access, Refused};
use mailtrail_webhook::{Intake, Secret, router};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{account, classifier, keys, namespace, now};

pub(crate) struct Server {
    store: Arc<MemoryStore>,
    raw: Arc<MemoryRaw>,
    pub(crate) intake: Arc<Intake>,
    address: SocketAddr,
}

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let raw = Arc::new(MemoryRaw::default());
        Self::with_raw(Arc::clone(&raw), raw).await
    }

    async fn with_raw(raw: Arc<MemoryRaw>, used: Arc<dyn RawStore>) -> Self {
        let store = Arc::new(MemoryStore::with(namespace(), Arc::new(now)));
        Self::with_stores(Arc::clone(&store), store, raw, used).await
    }

    /// Into a store that may fail, over one that doesn't.
    pub(crate) async fn with_stores(
        store: Arc<MemoryStore>,
        events: Arc<dyn EventStore>,
        raw: Arc<MemoryRaw>,
        used: Arc<dyn RawStore>,
    ) -> Self {
        let count = AtomicU8::new(0);
        let random = move || [count.fetch_add(1, Ordering::SeqCst); 10];
        let access = Access::new().credential(Secret::basic("mail", "trail"));
        let intake = Intake::new(events, keys(), classifier().clone(), now, random)
            .raw_store(used)
            .provider(account("postmark", "postmark", access.clone()))
            .provider(account("sendgrid", "sendgrid", access))
            .provider(account("keyless", "sendgrid", Access::new()))
            .provider(account(
                "elastic",
                "elastic_email",
                Access::new().query("key", Secret::new("trail")),
            ));
        let intake = Arc::new(intake);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = router(Arc::clone(&intake)).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { store, raw, intake, address }
    }

    pub(crate) async fn request(&self, head: &str, body: &[u8]) -> Response {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let head = format!(
            "{head}\r\nHost: mail.example\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // The server may answer before it has read everything.
        let _unsent = stream.write_all(body).await;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Response { status, head, body: answer[end + 4..].to_vec() }
    }

    async fn post(&self, endpoint: &str, authorization: &str, body: &[u8]) -> Response {
        let head = format!("POST /webhooks/{endpoint} HTTP/1.1\r\nX-Other: 1{authorization}");
        self.request(&head, body).await
    }

    pub(crate) async fn events(&self) -> Vec<Envelope> {
        self.store.read_all(&Filter::all(), Position::START, 1_000).await.unwrap().events
    }
}

const GOOD: &str = "\r\nAuthorization: Basic bWFpbDp0cmFpbA==";
const BAD: &str = "\r\nAuthorization: Basic bWFpbDpndWVzcw==";
const DELIVERY: &[u8] =
    br#"{"RecordType":"Delivery","MessageID":"m-1","Recipient":"ann@a.example"}"#;

#[tokio::test]
async fn a_webhook_is_answered_once_its_events_are_stored() {
    let server = Server::start().await;
    let batch = br#"[{"event":"open","email":"ann@a.example","sg_event_id":"1"},
        {"event":"open","email":"bob@b.example","sg_event_id":"2"}]"#;
    assert_eq!(server.post("sendgrid", GOOD, batch).await.status, 200);
    let events = server.events().await;
    assert_eq!(events.len(), 2);
    for event in &events {
        let fact = event.fact().unwrap();
        assert_eq!(event.event.provenance.authenticity, Authenticity::SharedSecret);
        assert_eq!(fact.attribution, Attribution::Recipient);
        assert_eq!(server.raw.read(fact.raw.unwrap()).await.unwrap().unwrap(), batch[..]);
    }
    // Tried again, in another grouping: one new event, and still 200.
    let again = br#"[{"event":"open","email":"bob@b.example","sg_event_id":"2"},
        {"event":"click","email":"bob@b.example","sg_event_id":"3"}]"#;
    let answer = server.post("sendgrid", GOOD, again).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(server.events().await.len(), 3);
    let counts = server.intake.counts("sendgrid").unwrap();
    assert_eq!((counts.accepted, counts.new_events, counts.known_events), (2, 3, 1));
}

/// Mandrill looks by HEAD, Unisender Go by GET, before they post anything.
#[tokio::test]
async fn an_endpoint_says_that_it_is_there() {
    let server = Server::start().await;
    for method in ["GET", "HEAD"] {
        for (endpoint, status) in [("postmark", 200), ("nobody", 404)] {
            let answer =
                server.request(&format!("{method} /webhooks/{endpoint} HTTP/1.1"), b"").await;
            assert_eq!((answer.status, answer.body.len()), (status, 0), "{method} {endpoint}");
        }
    }
    assert_eq!(server.events().await.len(), 0);
}

/// Elastic Email sends its events by GET. What is kept of one has no secret in it.
#[tokio::test]
async fn the_query_of_a_get_is_an_event_where_the_provider_sends_so() {
    let server = Server::start().await;
    let query = "to=ann%40a.example&status=Sent&transaction=t-1";
    let get = |key: &str| format!("GET /webhooks/elastic?key={key}&{query} HTTP/1.1");
    assert_eq!(server.request(&get("guess"), b"").await.status, 401);
    assert_eq!(server.events().await.len(), 0);
    assert_eq!(server.request(&get("trail"), b"").await.status, 200);
    assert_eq!(server.request("HEAD /webhooks/elastic HTTP/1.1", b"").await.status, 200);
    let [event] = <[_; 1]>::try_from(server.events().await).unwrap();
    assert_eq!(event.event.event_type.as_str(), "delivered");
    let raw = server.raw.read(event.fact().unwrap().raw.unwrap()).await.unwrap().unwrap();
    assert_eq!(raw, query.as_bytes());
}

/// Who keeps guessing is not read any more; whoever proves who he is never counts.
#[tokio::test]
async fn a_peer_that_keeps_failing_is_told_to_come_later() {
    let server = Server::start().await;
    for _ in 0..3 * MOST_FAILURES {
        assert_eq!(server.post("postmark", GOOD, DELIVERY).await.status, 200);
    }
    for _ in 0..MOST_FAILURES {
        assert_eq!(server.post("postmark", BAD, DELIVERY).await.status, 401);
    }
    let held = server.post("postmark", GOOD, DELIVERY).await;
    assert_eq!(held.status, 429);
    assert!(held.head.contains("retry-after: 60"), "{}", held.head);
    let counts = server.intake.counts("postmark").unwrap();
    assert_eq!((counts.held_back, counts.refused[&Refused::WrongCredentials]), (1, 120));
    assert_eq!(server.events().await.len(), 1);
}

#[tokio::test]
async fn what_is_refused_leaves_nothing_and_is_counted() {
    let server = Server::start().await;
    let missing = server.post("postmark", "", DELIVERY).await;
    assert_eq!(missing.status, 401);
    assert!(missing.head.contains("www-authenticate: basic"), "{}", missing.head);
    let wrong = server.post("postmark", BAD, DELIVERY).await;
    assert_eq!(wrong.status, 401);
    let large = vec![b' '; BODY_LIMIT + 1];
    assert_eq!(server.post("postmark", GOOD, &large).await.status, 413);
    // What is our own fault: the provider is to try again.
    let inbound = br#"{"RecordType":"Inbound","From":"ann@a.example"}"#;
    for (endpoint, body) in
        [("postmark", inbound.as_slice()), ("keyless", b"[]"), ("nobody", b"{}")]
    {
        let answer = server.post(endpoint, GOOD, body).await;
        assert_eq!(answer.status, 429, "{endpoint}");
        assert!(answer.head.contains("retry-after: 60"), "{}", answer.head);
    }
    assert!(server.events().await.is_empty());
    let bodies = [DELIVERY, inbound];
    for body in bodies {
        assert!(server.raw.read(RawHash::of(body)).await.unwrap().is_none());
    }
    let refused = server.intake.counts("postmark").unwrap().refused;
    let causes: Vec<_> = refused.into_iter().collect();
    assert_eq!(
        causes,
        [
            (Refused::MissingCredentials, 1),
            (Refused::WrongCredentials, 1),
            (Refused::WrongEndpoint, 1),
            (Refused::TooLarge, 1),
        ]
    );
    assert_eq!(server.intake.counts("keyless").unwrap().refused[&Refused::NotConfigured], 1);
    assert_eq!(server.intake.unknown_endpoints(), 1);
}

#[tokio::test]
async fn an_authentic_request_that_nobody_reads_is_kept() {
    let server = Server::start().await;
    assert_eq!(server.post("postmark", GOOD, b"\xff\xfe nonsense").await.status, 200);
    let events = server.events().await;
    assert_eq!(events[0].event.event_type.as_str(), "custom");
    assert!(events[0].private().custom.is_some());
    // Elements that are equal are one event.
    assert_eq!(server.post("sendgrid", GOOD, b"[17,17,18]").await.status, 200);
    assert_eq!(server.events().await.len(), 3);
}

#[derive(Debug)]
struct FullDisk;

#[async_trait]
impl RawStore for FullDisk {
    async fn put(&self, _: Bytes) -> Result<RawHash, RawError> {
        Err(RawError::Unavailable { cause: "no space left".into() })
    }

    async fn read(&self, _: RawHash) -> Result<Option<Bytes>, RawError> {
        Ok(None)
    }

    async fn remove(&self, _: &[RawHash]) -> Result<u64, RawError> {
        Ok(0)
    }

    async fn expire(&self, _: DateTime<Utc>) -> Result<u64, RawError> {
        Ok(0)
    }
}

#[tokio::test]
async fn a_passing_failure_of_ours_makes_the_provider_try_again() {
    let server = Server::with_raw(Arc::default(), Arc::new(FullDisk)).await;
    let answer = server.post("postmark", GOOD, DELIVERY).await;
    assert_eq!(answer.status, 429);
    assert!(answer.head.contains("retry-after: 60"), "{}", answer.head);
    assert!(server.events().await.is_empty());
    assert_eq!(server.intake.counts("postmark").unwrap().failed, 1);
}
