//! The ring of refused requests: its bounds, and what is read from it later.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64;
use mailtrail_core::id::Endpoint;
use mailtrail_core::store::{EventStore, Filter, Position};
use mailtrail_memory::MemoryStore;
use mailtrail_webhook::provider::{Access, Refused};
use mailtrail_webhook::refused::{
    Kept, Limits, MemoryRing, RefusedId, RefusedRequest, RefusedRing, RingError,
};
use mailtrail_webhook::{Headers, Intake, Request, Secret};
use proptest::prelude::*;
use ring::hmac;

use super::{account, classifier, endpoint, keys, namespace, now};

/// Who sends how much, to which endpoint.
#[derive(Debug, Clone)]
struct Sent {
    endpoint: usize,
    peer: Option<u8>,
    bytes: usize,
}

fn sent() -> impl Strategy<Value = Sent> {
    // One of them sends most.
    let peer = prop_oneof![4 => Just(Some(0)), 3 => (1_u8..30).prop_map(Some), 1 => Just(None)];
    let bytes = prop_oneof![3 => 0_usize..60, 1 => 60_usize..140];
    (0_usize..2, peer, bytes).prop_map(|(endpoint, peer, bytes)| Sent { endpoint, peer, bytes })
}

impl Sent {
    fn request(&self, at: usize) -> RefusedRequest {
        let at = now() + TimeDelta::seconds(i64::try_from(at).unwrap());
        let body = vec![b'x'; self.bytes];
        let peer = self.peer.map(|peer| IpAddr::from([192, 0, 2, peer]));
        let request = Request::new(&body, at).peer(peer);
        RefusedRequest::new(endpoint(["a", "b"][self.endpoint]), &request, Refused::Stale)
    }
}

/// What an endpoint, or a peer of it, may have: 30 requests and 1,000 bytes.
const LIMITS: (usize, u64) = (30, 1_000);

fn sum<'a>(kept: impl Iterator<Item = &'a Kept>) -> (usize, u64) {
    kept.fold((0, 0), |(count, bytes), kept| (count + 1, bytes + kept.bytes))
}

proptest! {
    #[test]
    fn a_ring_keeps_its_bounds_and_the_newest(all in prop::collection::vec(sent(), 1..200)) {
        let ring = MemoryRing::with_limits(Limits::new(LIMITS.0, LIMITS.1));
        let mut last: HashMap<RefusedId, Kept> = HashMap::new();
        for (at, sent) in all.iter().enumerate() {
            let request = sent.request(at);
            ring.keep(&request).unwrap();
            let list = ring.list(Some(&request.endpoint)).unwrap();
            let (count, bytes) = sum(list.iter());
            prop_assert!(count <= LIMITS.0 && bytes <= LIMITS.1, "{count} {bytes}");
            let of_peer = |kept: &&Kept| kept.peer == request.peer;
            let share = sum(list.iter().filter(of_peer));
            prop_assert!(share.0 <= LIMITS.0 / 10 && share.1 <= LIMITS.1 / 10, "{share:?}");

            // The newest is there, unless it is alone over a peer's share; then nothing has changed.
            let taken = request.bytes() <= LIMITS.1 / 10;
            let newest = list.iter().find(|kept| kept.received_at == request.received_at);
            prop_assert_eq!(newest.is_some(), taken);
            let before: Vec<_> = last.values().filter(|kept| kept.endpoint == request.endpoint).collect();
            let gone: Vec<_> = before.iter().filter(|old| !list.contains(old)).collect();
            prop_assert!(taken || gone.is_empty());
            // No more went than had to: with the last of them the bounds would not be kept.
            // Who went was older than all that stayed of the same peer.
            for gone in &gone {
                let stayed = list.iter().filter(|kept| kept.peer == gone.peer);
                prop_assert!(stayed.clone().all(|kept| kept.id > gone.id), "the oldest first");
            }
            if let Some(newest_gone) = gone.iter().max_by_key(|kept| kept.id) {
                let (back, share_back) = ((count + 1, bytes + newest_gone.bytes), (share.0 + 1, share.1 + newest_gone.bytes));
                let over = back.0 > LIMITS.0 || back.1 > LIMITS.1;
                let share_over = newest_gone.peer == request.peer
                    && (share_back.0 > LIMITS.0 / 10 || share_back.1 > LIMITS.1 / 10);
                prop_assert!(over || share_over || gone.len() > 1, "it had not to go");
            }
            last = ring.list(None).unwrap().into_iter().map(|kept| (kept.id, kept)).collect();
            for kept in last.values() {
                let read = ring.read(kept.id).unwrap().unwrap();
                prop_assert_eq!(read.bytes(), kept.bytes);
            }
        }
        // What came before a time expires, and nothing else.
        let before = now() + TimeDelta::seconds(i64::try_from(all.len() / 2).unwrap());
        let young = last.values().filter(|kept| kept.received_at >= before).count();
        let expired = ring.expire(before).unwrap();
        prop_assert_eq!(ring.list(None).unwrap().len(), young);
        prop_assert_eq!(usize::try_from(expired).unwrap(), last.len() - young);
    }
}

#[test]
fn one_peer_never_pushes_out_another_before_the_ring_is_full() {
    let ring = MemoryRing::with_limits(Limits::new(LIMITS.0, LIMITS.1));
    ring.keep(&Sent { endpoint: 0, peer: Some(9), bytes: 50 }.request(0)).unwrap();
    for at in 1..1_000 {
        ring.keep(&Sent { endpoint: 0, peer: Some(0), bytes: at % 50 }.request(at)).unwrap();
    }
    let list = ring.list(None).unwrap();
    assert_eq!(list[0].received_at, now(), "{list:?}");
}

#[test]
fn the_addresses_of_one_network_are_one_peer() {
    let ring = MemoryRing::with_limits(Limits::new(30, 1_000_000));
    for host in 0..100 {
        let address = Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 0, 0, 0, host);
        let request = Request::new(b"x", now()).peer(Some(address.into()));
        ring.keep(&RefusedRequest::new(endpoint("a"), &request, Refused::Stale)).unwrap();
    }
    assert_eq!(ring.list(None).unwrap().len(), 3);
}

struct Scene {
    store: Arc<MemoryStore>,
    ring: Arc<dyn RefusedRing>,
    clock: Arc<AtomicU64>,
}

impl Scene {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::with(namespace(), Arc::new(now)));
        Self { store, ring: Arc::new(MemoryRing::default()), clock: Arc::default() }
    }

    fn intake(&self, password: &str) -> Intake {
        let store: Arc<dyn EventStore> = Arc::<MemoryStore>::clone(&self.store);
        let clock = Arc::clone(&self.clock);
        let later = move || now() + TimeDelta::seconds(clock.load(Ordering::SeqCst).cast_signed());
        let access = Access::new().credential(Secret::basic("mail", password));
        Intake::new(store, keys(), classifier().clone(), later, || [3; 10])
            .refused_ring(Arc::clone(&self.ring))
            .body_limit(1_000)
            .provider(account("postmark", "postmark", access))
    }

    async fn events(&self) -> usize {
        let all = self.store.read_all(&Filter::all(), Position::START, 100).await.unwrap();
        all.events.len()
    }
}

fn request(body: &[u8]) -> Request<'_> {
    Request::new(body, now())
        .headers(Headers::new().with("Authorization", "Basic bWFpbDp0cmFpbA=="))
}

const BODY: &[u8] = br#"{"RecordType":"Delivery","MessageID":"m-1","Recipient":"ann@a.example"}"#;

#[tokio::test]
async fn what_was_refused_by_a_wrong_key_is_read_when_it_is_corrected_and_only_once() {
    let scene = Scene::new();
    let wrong = scene.intake("mistyped");
    assert_eq!(wrong.webhook("postmark", &request(BODY)).await.status, 401);
    let stranger =
        Request::new(BODY, now()).headers(Headers::new().with("Authorization", "Basic eDp5"));
    assert_eq!(wrong.webhook("postmark", &stranger).await.status, 401);
    assert_eq!(scene.events().await, 0);
    let still = wrong.retry_refused(&endpoint("postmark")).await.unwrap();
    assert_eq!((still.accepted, still.refused[&Refused::WrongCredentials]), (0, 2));

    let right = scene.intake("trail");
    let retried = right.retry_refused(&endpoint("postmark")).await.unwrap();
    assert_eq!((retried.accepted, retried.new_events), (1, 1));
    assert_eq!(retried.refused[&Refused::WrongCredentials], 1);
    let again = right.retry_refused(&endpoint("postmark")).await.unwrap();
    assert_eq!((again.accepted, again.new_events, again.known_events), (0, 0, 0));
    // The provider's own next attempt finds it known.
    assert_eq!(right.webhook("postmark", &request(BODY)).await.status, 200);
    assert_eq!((scene.events().await, right.counts("postmark").unwrap().known_events), (1, 1));
    assert!(right.retry_refused(&endpoint("nobody")).await.is_err());
}

#[tokio::test]
async fn the_cause_that_is_kept_is_the_present_one() {
    let scene = Scene::new();
    scene.intake("x").webhook("postmark", &request(BODY)).await;
    let keyless = scene.intake("x").provider(account("postmark", "postmark", Access::new()));
    keyless.retry_refused(&endpoint("postmark")).await.unwrap();
    assert_eq!(scene.ring.list(None).unwrap()[0].cause, Refused::NotConfigured);
}

#[tokio::test]
async fn what_is_too_large_or_for_nobody_is_not_kept() {
    let scene = Scene::new();
    let intake = scene.intake("trail");
    assert_eq!(intake.webhook("postmark", &request(&[b'x'; 1_001])).await.status, 413);
    assert_eq!(intake.webhook("nobody", &request(BODY)).await.status, 429);
    assert!(scene.ring.list(None).unwrap().is_empty());
}

/// A ring whose disk is full.
#[derive(Debug)]
struct Full;

impl Full {
    fn error() -> RingError {
        RingError::Unavailable { cause: "no space left".into() }
    }
}

impl RefusedRing for Full {
    fn keep(&self, _: &RefusedRequest) -> Result<(), RingError> {
        Err(Self::error())
    }
    fn list(&self, _: Option<&Endpoint>) -> Result<Vec<Kept>, RingError> {
        Err(Self::error())
    }
    fn read(&self, _: RefusedId) -> Result<Option<RefusedRequest>, RingError> {
        Err(Self::error())
    }
    fn refuse_again(&self, _: RefusedId, _: Refused) -> Result<(), RingError> {
        Err(Self::error())
    }
    fn remove(&self, _: RefusedId) -> Result<(), RingError> {
        Err(Self::error())
    }
    fn expire(&self, _: DateTime<Utc>) -> Result<u64, RingError> {
        Err(Self::error())
    }
}

#[tokio::test]
async fn what_can_not_be_kept_is_asked_for_again() {
    let mut scene = Scene::new();
    scene.ring = Arc::new(Full);
    let answer = scene.intake("mistyped").webhook("postmark", &request(BODY)).await;
    assert_eq!((answer.status, answer.retry_after), (429, Some(60)));
}

/// A request of `AhaSend`, signed by the rules of Standard Webhooks with this text as key.
fn signed(key: &str, body: &[u8], at: DateTime<Utc>) -> Headers {
    let timestamp = at.timestamp().to_string();
    let message = [b"msg_1.", timestamp.as_bytes(), b".", body].concat();
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let signature = BASE64.encode(hmac::sign(&key, &message).as_ref());
    Headers::new()
        .with("webhook-id", "msg_1")
        .with("webhook-timestamp", timestamp)
        .with("webhook-signature", format!("v1,{signature}"))
}

#[tokio::test]
async fn a_signature_is_judged_at_the_time_when_the_request_came() {
    let scene = Scene::new();
    let intake = |key: &str| {
        let account = account("ahasend", "ahasend", Access::new());
        scene.intake("trail").provider(account.signing_key(key).unwrap())
    };
    let request = Request::new(BODY, now()).headers(signed("right", BODY, now()));
    assert_eq!(intake("wrong").webhook("ahasend", &request).await.status, 401);

    // A day later the same request is stale for whoever sends it, but not for whom it came to in time.
    scene.clock.store(86_400, Ordering::SeqCst);
    let mut late = request.clone();
    late.now += TimeDelta::days(1);
    assert_eq!(intake("right").webhook("ahasend", &late).await.status, 401);
    let retried = intake("right").retry_refused(&endpoint("ahasend")).await.unwrap();
    assert_eq!((retried.accepted, retried.refused[&Refused::Stale]), (1, 1), "{retried:?}");
}
