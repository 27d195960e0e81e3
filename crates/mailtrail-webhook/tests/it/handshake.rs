//! Handshakes over the real router, and what is fetched for them: only what may be, once, and only for
//! requests that could verify at all.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Request as HttpRequest, Response};
use http_body_util::BodyExt as _;
use mailtrail_core::store::{EventStore, Position};
use mailtrail_memory::MemoryStore;
use mailtrail_webhook::fetch::{Fetch, FetchError};
use mailtrail_webhook::provider::Access;
use mailtrail_webhook::{Intake, Secret, router};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::sns::{SNS, URL, confirmation, envelope, ses, sign};
use super::{account, classifier, keys, namespace, now};

/// What is on the web, and what was asked of it.
#[derive(Default)]
struct Web {
    pages: Vec<(&'static str, &'static str)>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Fetch for Web {
    async fn get(&self, url: &str) -> Result<String, FetchError> {
        self.asked.lock().unwrap().push(url.to_owned());
        let page = self.pages.iter().find(|(own, _)| *own == url);
        page.map(|(_, text)| (*text).to_owned()).ok_or_else(|| FetchError::new(url, "404"))
    }
}

struct Server {
    store: Arc<MemoryStore>,
    web: Arc<Web>,
    app: axum::Router,
}

fn server(pages: &[(&'static str, &'static str)]) -> Server {
    let store = Arc::new(MemoryStore::with(namespace(), Arc::new(now)));
    let events: Arc<dyn EventStore> = Arc::<MemoryStore>::clone(&store);
    let web = Arc::new(Web { pages: pages.to_vec(), ..Web::default() });
    let access = Access::new().query("code", Secret::new("s3cret"));
    let intake = Intake::new(events, keys(), classifier().clone(), now, || [0; 10])
        .fetch(Arc::<Web>::clone(&web))
        .provider(account("azure", "azure", access))
        .provider(ses());
    Server { store, web, app: router(intake.into()) }
}

impl Server {
    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Response<Body> {
        let mut request = HttpRequest::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_string())).unwrap();
        self.app.clone().oneshot(request).await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, String) {
        let response = self.send("POST", path, &[], body).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.web.asked.lock().unwrap())
    }

    async fn events(&self) -> Position {
        self.store.head().await.unwrap().position
    }
}

#[tokio::test]
async fn event_grid_is_answered_with_its_code_after_the_secret_was_shown() {
    let server = server(&[]);
    let asked = json!([{
        "id": "1", "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": { "validationCode": "c0de", "validationUrl": "https://evil.example/" },
    }]);
    let (status, body) = server.post("/webhooks/azure?code=s3cret", &asked).await;
    assert_eq!((status, &*body), (200, r#"{"validationResponse":"c0de"}"#));
    let (status, body) = server.post("/webhooks/azure?code=guessed", &asked).await;
    assert_eq!((status, &*body), (429, ""));
    // The other way of validating would let anybody name a host that we call.
    assert_eq!(server.asked(), Vec::<String>::new());
    assert_eq!(server.events().await, Position::START);
}

#[tokio::test]
async fn cloud_events_are_allowed_to_who_shows_the_secret() {
    let server = server(&[]);
    let origin = [("WebHook-Request-Origin", "eventgrid.azure.net")];
    let allowed =
        server.send("OPTIONS", "/webhooks/azure?code=s3cret", &origin, &json!(null)).await;
    assert_eq!(allowed.status(), 200);
    assert_eq!(allowed.headers()["webhook-allowed-origin"], "eventgrid.azure.net");
    let refused = server.send("OPTIONS", "/webhooks/azure", &origin, &json!(null)).await;
    assert_eq!(refused.status(), 429);
    assert!(!refused.headers().contains_key("webhook-allowed-origin"));
    let nothing = server.send("OPTIONS", "/webhooks/azure?code=s3cret", &[], &json!(null)).await;
    assert_eq!(nothing.status(), 405);
}

#[tokio::test]
async fn a_certificate_is_fetched_once_and_a_subscription_confirmed() {
    let subscribe = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription";
    let server = server(&[(URL, SNS.1), (subscribe, "<ok/>")]);
    let (status, _) = server.post("/webhooks/ses", &sign(confirmation(), SNS.0)).await;
    assert_eq!(status, 200);
    assert_eq!(server.asked(), [URL, subscribe]);
    assert_eq!(server.events().await, Position::START);
    let (status, _) = server.post("/webhooks/ses", &sign(envelope(), SNS.0)).await;
    assert_eq!(status, 200);
    assert_eq!(server.asked(), Vec::<String>::new());
    assert_ne!(server.events().await, Position::START);
}

#[tokio::test]
async fn nothing_is_fetched_that_an_attacker_names() {
    let server = server(&[(URL, SNS.1)]);
    let mut elsewhere = confirmation();
    elsewhere["SubscribeURL"] = "https://sns.eu-west-1.amazonaws.com.evil.example/".into();
    // Even signed, no other host is called: what it asks is kept, and a person may look at it.
    assert_eq!(server.post("/webhooks/ses", &sign(elsewhere, SNS.0)).await.0, 200);
    assert_eq!(server.asked(), [URL]);
    for (member, value) in [
        ("SigningCertURL", "https://evil.example/SimpleNotificationService-0a.pem"),
        ("SigningCertURL", "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a.pem"),
        ("TopicArn", "arn:aws:sns:eu-west-1:666666666666:mail"),
    ] {
        let mut forged = confirmation();
        forged[member] = value.into();
        let (status, _) = server.post("/webhooks/ses", &sign(forged, SNS.0)).await;
        assert_eq!(status, 429, "{member} {value}");
    }
    let mut unsigned = confirmation();
    unsigned["Signature"] = "AAAA".into();
    assert_eq!(server.post("/webhooks/ses", &unsigned).await.0, 429);
    assert_eq!(server.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn what_can_not_be_fetched_comes_again_and_is_not_asked_for_at_will() {
    let server = server(&[]);
    for _ in 0..3 {
        assert_eq!(server.post("/webhooks/ses", &sign(envelope(), SNS.0)).await.0, 429);
    }
    assert_eq!(server.asked(), [URL]);
    assert_eq!(server.events().await, Position::START);
}
