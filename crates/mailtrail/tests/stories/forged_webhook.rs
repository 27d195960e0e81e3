//! A forged webhook: someone who knows a message id posts that it was opened. Nothing changes, each try
//! is kept with its cause; and after a key of ours is corrected, what was wrongly refused is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use data_encoding::HEXLOWER;
use mailtrail::Tracker;
use mailtrail::classify::Classifier;
use mailtrail::core::Status;
use mailtrail::core::id::Endpoint;
use mailtrail::core::token::{Key, Keys};
use mailtrail::sled::SledStore;
use mailtrail::webhook::intake::Answer;
use mailtrail::webhook::provider::{Access, Account, Refused};
use mailtrail::webhook::refused::{MemoryRing, RefusedRing};
use mailtrail::webhook::{Headers, Intake, Request};
use ring::hmac;

use crate::support::report::plan;

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:mail";

struct Place {
    tracker: Tracker,
    ring: Arc<MemoryRing>,
}

impl Place {
    /// The webhooks, with this key for Customer.io.
    fn intake(&self, key: &str) -> Intake {
        let account = |provider: &str| {
            Account::new(Endpoint::new(provider).unwrap(), provider, Access::new()).unwrap()
        };
        let clock = Arc::clone(self.tracker.clock());
        Intake::new(
            Arc::clone(self.tracker.store()),
            Keys::new(Key::new(1, [7; 32])),
            Classifier::builtin().unwrap(),
            move || clock.now(),
            || [0; 10],
        )
        .refused_ring(Arc::<MemoryRing>::clone(&self.ring))
        .provider(account("customer_io").signing_key(key).unwrap())
        .provider(account("ses").topic(TOPIC))
    }

    /// An event of ann's message, signed by this key so long ago.
    async fn post(
        &self,
        intake: &Intake,
        metric: &str,
        key: Option<&str>,
        age: TimeDelta,
    ) -> Answer {
        let now = intake.now();
        let body = format!(
            r#"{{"event_id":"{metric}-1","object_type":"email","metric":"{metric}","timestamp":{},"data":{{"delivery_id":"m-1","recipient":"ann@pupils.example"}}}}"#,
            now.timestamp() - 60,
        );
        let time = (now - age).timestamp();
        let mut headers = Headers::new().with("X-CIO-Timestamp", time.to_string());
        if let Some(key) = key {
            let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
            let tag = hmac::sign(&key, format!("v0:{time}:{body}").as_bytes());
            headers = headers.with("X-CIO-Signature", HEXLOWER.encode(tag.as_ref()));
        }
        intake.webhook("customer_io", &Request::new(body.as_bytes(), now).headers(headers)).await
    }

    fn causes(&self) -> BTreeMap<Refused, usize> {
        let mut causes = BTreeMap::new();
        for kept in self.ring.list(None).unwrap() {
            *causes.entry(kept.cause).or_default() += 1;
        }
        causes
    }
}

#[tokio::test]
async fn forged_requests_change_nothing_and_wrongly_refused_ones_are_read_later() {
    let tracker = Tracker::builder(SledStore::temporary().unwrap()).open();
    let row = plan(&tracker, "snow-day", ["ann"]).await.remove("ann").unwrap();
    tracker.sent(&row, &"customer_io".parse().unwrap(), "m-1").await.unwrap();
    let place = Place { tracker: tracker.clone(), ring: Arc::default() };
    let intake = place.intake("s3cret");
    let before = tracker.store().head().await.unwrap();

    let fresh = TimeDelta::zero();
    for (key, age) in
        [(None, fresh), (Some("guessed"), fresh), (Some("s3cret"), TimeDelta::days(3))]
    {
        assert_eq!(place.post(&intake, "opened", key, age).await.status, 401);
    }
    // Signed by Amazon, for anybody who has an account there.
    let foreign = r#"{"Type":"Notification","TopicArn":"arn:aws:sns:eu-west-1:666666666666:mail",
        "Signature":"AAAA","SignatureVersion":"2","Message":"{}","MessageId":"1"}"#;
    let foreign = Request::new(foreign.as_bytes(), intake.now());
    assert_eq!(intake.webhook("ses", &foreign).await.status, 429);

    assert_eq!(tracker.store().head().await.unwrap(), before, "what is refused leaves no event");
    assert_eq!(tracker.evidence(row.id()).await.unwrap().status(), Status::Sent);
    let causes =
        [Refused::MissingSignature, Refused::WrongSignature, Refused::WrongTopic, Refused::Stale];
    assert_eq!(place.causes(), causes.map(|cause| (cause, 1)).into());

    // The true one, and then again by whoever saw it: known, and counted.
    assert_eq!(place.post(&intake, "delivered", Some("s3cret"), fresh).await.status, 200);
    let after = tracker.store().head().await.unwrap();
    assert_eq!(place.post(&intake, "delivered", Some("s3cret"), fresh).await.status, 200);
    assert_eq!(tracker.store().head().await.unwrap(), after);
    let counts = intake.counts("customer_io").unwrap();
    assert_eq!((counts.accepted, counts.repeated, counts.new_events), (2, 1, 1));
    assert_eq!(tracker.evidence(row.id()).await.unwrap().status(), Status::Delivered);

    // A key of ours is mistyped: a true event is refused, and read when the key is corrected.
    let mistyped = place.intake("s3cert");
    assert_eq!(place.post(&mistyped, "opened", Some("s3cret"), fresh).await.status, 401);
    assert_eq!(tracker.evidence(row.id()).await.unwrap().status(), Status::Delivered);
    let retried =
        place.intake("s3cret").retry_refused(&"customer_io".parse().unwrap()).await.unwrap();
    assert_eq!((retried.accepted, retried.new_events), (1, 1));
    assert_eq!(tracker.evidence(row.id()).await.unwrap().status(), Status::Opened);
    assert_eq!(
        place.causes(),
        causes.map(|cause| (cause, 1)).into(),
        "the forged ones stay refused"
    );
}
