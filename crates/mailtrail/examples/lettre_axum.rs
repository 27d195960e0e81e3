//! A service with axum that sends by lettre, and knows what became of each mail.
//!
//! `cargo run -p mailtrail --example lettre_axum --features lettre,sink`
#![expect(clippy::print_stdout, reason = "it shows what it found")]

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode};
use axum::routing::post;
use lettre::address::Envelope;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use mailtrail::core::token::{Key, Keys};
use mailtrail::lettre::{OnStoreFailure, TrackedError, TrackedTransport};
use mailtrail::memory::MemoryStore;
use mailtrail::prelude::*;
use mailtrail::smtp::sink::{Script, Sink};
use tower::ServiceExt;

type Error = Box<dyn std::error::Error>;
type Mailer = TrackedTransport<AsyncSmtpTransport<Tokio1Executor>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // In place of the mail server: it knows no Bob.
    let bob = Script::refuse("550 5.1.1 no such user")?;
    let sink = Sink::builder().on("bob@school.example", bob).start().await?;
    let folder = tempfile::tempdir()?;

    let smtp = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1");
    let mailer = smtp.port(sink.addr().port()).build();
    // What is new: the trail. A service keeps its store and its keys on disk.
    let tracker = Tracker::builder(MemoryStore::new()).open();
    let keys = Keys::new(Key::new(1, [7; 32]));
    let on_store_failure = OnStoreFailure::SendAndSpool(folder.path().join("spool"));
    let mailer = TrackedTransport::open(mailer, tracker.clone(), keys, on_store_failure)?;

    let app = Router::new().route("/welcome/{address}", post(welcome)).with_state(Arc::new(mailer));
    // A service would `axum::serve` it.
    for (address, expected) in [
        ("ann@school.example", StatusCode::ACCEPTED),
        ("ann@school.example", StatusCode::OK),
        ("bob@school.example", StatusCode::BAD_GATEWAY),
    ] {
        let request = Request::post(format!("/welcome/{address}")).body(Body::empty())?;
        let status = app.clone().oneshot(request).await?.status();
        println!("POST /welcome/{address}: {status}");
        assert_eq!(status, expected);
    }
    assert_eq!(sink.messages().len(), 1);

    for (address, expected) in [("ann@school.example", "Sent"), ("bob@school.example", "Failed")] {
        let status = tracker.evidence(delivery(&tracker, address)?).await?.status();
        println!("{address}: {status}");
        assert_eq!(status.label(), expected);
    }
    Ok(())
}

/// Welcomes each address once, however often it is asked to.
async fn welcome(State(mailer): State<Arc<Mailer>>, Path(to): Path<String>) -> StatusCode {
    let Ok((envelope, message)) = message(&to) else { return StatusCode::BAD_REQUEST };
    match mailer.send_raw(&envelope, message.as_bytes()).await {
        Ok(_) => StatusCode::ACCEPTED,
        Err(TrackedError::SentBefore) => StatusCode::OK,
        Err(_) => StatusCode::BAD_GATEWAY,
    }
}

/// A service would take lettre's builder, and `send`.
fn message(to: &str) -> Result<(Envelope, String), Error> {
    let from = "office@school.example".parse()?;
    let message = format!(
        "From: office@school.example\r\nTo: {to}\r\nSubject: Welcome\r\n\
         Mailtrail-Broadcast: welcome\r\n\r\nGood to have you here.\r\n"
    );
    Ok((Envelope::new(Some(from), vec![to.parse()?])?, message))
}

/// The delivery of a mail whose contact is its address.
fn delivery(tracker: &Tracker, address: &str) -> Result<DeliveryId, Error> {
    use mailtrail::core::id::Destination::Address;
    let (namespace, address) = (tracker.store().namespace(), address.parse::<EmailAddress>()?);
    let (broadcast, contact) = ("welcome".parse()?, address.normal().parse()?);
    Ok(DeliveryId::derive(&namespace, &broadcast, &contact, Address(&address)))
}
