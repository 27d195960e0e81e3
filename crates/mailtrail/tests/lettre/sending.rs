//! What goes out, and what does not.

use std::sync::Arc;

use lettre::address::Envelope;
use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::transport::stub::{AsyncStubTransport, StubTransport};
use lettre::{AsyncTransport, Tokio1Executor, Transport};
use mailtrail::Tracker;
use mailtrail::core::event::Event;
use mailtrail::core::evidence::OnDoubt;
use mailtrail::core::reason::Reason;
use mailtrail::core::store::EventStore;
use mailtrail::core::suppression::Scope;
use mailtrail::core::{EmailAddress, EventStoreExt, Status, StreamId};
use mailtrail::lettre::{HeaderError, OnStoreFailure, TrackedError, TrackedTransport};
use mailtrail::smtp::send::TalksTo;
use mailtrail::smtp::sink::{Script, Sink};
use mailtrail::webhook::instrument::InstrumentOptions;

use super::world::{
    Leaving, Sends, address, delivery, evidence, keys, message, message_with, path, tracked,
};

fn smtp(sink: &Sink) -> AsyncSmtpTransport<Tokio1Executor> {
    AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
        .port(sink.addr().port())
        .build()
}

#[tokio::test]
async fn over_real_smtp_each_has_its_own_return_path_and_pixel_and_none_sees_our_headers() {
    let sink = Sink::builder().start().await.unwrap();
    let store = Arc::new(Leaving::default());
    let options = InstrumentOptions::new("https://mail.school.example").unwrap();
    let mailer = tracked(&store, smtp(&sink), OnStoreFailure::Refuse)
        .server("mx.example", TalksTo::Mx)
        .instrument(options);
    let lines = "Content-Type: text/html\r\nMailtrail-Kind: emergency\r\n";
    let html = message_with(lines, &["ann@a.example", "bob@b.example"]);

    mailer.send(html).await.unwrap();

    let messages = sink.messages();
    assert_eq!(messages.len(), 2);
    for (message, to) in messages.iter().zip(["ann@a.example", "bob@b.example"]) {
        let delivery = delivery(&store.namespace(), to);
        let bounces = path().read(&keys(), &message.envelope.mail_from).unwrap();
        assert_eq!(
            (bounces.delivery, message.envelope.recipients[0].address.as_str()),
            (delivery, to)
        );
        let text = String::from_utf8_lossy(&message.bytes);
        let pixel = keys().sign(mailtrail::core::token::Purpose::Open, delivery);
        assert!(text.replace("=\r\n", "").contains(&pixel), "{text}");
        assert!(!text.to_lowercase().contains("mailtrail-"), "{text}");
        assert_eq!(evidence(&store, to).await.status(), Status::Delivered);
    }
    sink.stop().await;
}

#[tokio::test]
async fn who_got_it_gets_it_no_second_time() {
    let sink = Sink::builder()
        .on("grey@a.example", Script::refuse("450 4.7.1 greylisted").unwrap().then_accept())
        .start()
        .await
        .unwrap();
    let store = Arc::new(Leaving::default());
    let mailer = tracked(&store, smtp(&sink), OnStoreFailure::Refuse);
    let both = || message(&["ann@a.example", "grey@a.example"]);

    let Err(TrackedError::Several { failed, reached }) = mailer.send(both()).await else {
        panic!("one of them was refused");
    };
    assert_eq!(reached, [address("ann@a.example")]);
    assert!(matches!(&failed[..], [(to, TrackedError::Transport(error))]
        if *to == address("grey@a.example") && error.is_transient()));

    mailer.send(both()).await.unwrap();
    assert!(matches!(mailer.send(both()).await, Err(TrackedError::SentBefore)));
    assert_eq!(sink.messages().len(), 2);
    assert_eq!(evidence(&store, "grey@a.example").await.attempts(), 2);
    sink.stop().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_nobodys_bounce() {
    let sink = Sink::builder().start().await.unwrap();
    let gone = smtp(&sink);
    sink.stop().await;
    let store = Arc::new(Leaving::default());
    let mailer = tracked(&store, gone, OnStoreFailure::Refuse);

    let result = mailer.send(message(&["ann@a.example"])).await;
    assert!(matches!(result, Err(TrackedError::Transport(_))));
    let evidence = evidence(&store, "ann@a.example").await;
    assert!(evidence.is_waiting() && evidence.in_doubt().next().is_none());
    assert_eq!(evidence.status(), Status::SoftBounced);
    assert_eq!(evidence.current_reason(), Some(Reason::ConnectionFailed));
}

#[tokio::test]
async fn a_login_that_is_missing_is_nobodys_bounce() {
    let script = Script::refuse("530 5.7.0 Authentication required").unwrap().then_accept();
    let sink = Sink::builder().on("*", script).start().await.unwrap();
    let store = Arc::new(Leaving::default());
    let mailer = tracked(&store, smtp(&sink), OnStoreFailure::Refuse).retries(false);

    mailer.send(message(&["ann@a.example"])).await.unwrap_err();
    assert_eq!(evidence(&store, "ann@a.example").await.status(), Status::SoftBounced);
    mailer.send(message(&["ann@a.example"])).await.unwrap();
    sink.stop().await;
}

#[tokio::test]
async fn an_attempt_in_doubt_is_held_unless_told_otherwise() {
    let sink = Sink::builder().on("*", Script::hang_up().then_accept()).start().await.unwrap();
    let store = Arc::new(Leaving::default());
    let mailer = tracked(&store, smtp(&sink), OnStoreFailure::Refuse);
    let ann = || message(&["ann@a.example"]);

    assert!(matches!(mailer.send(ann()).await, Err(TrackedError::Transport(_))));
    assert!(matches!(mailer.send(ann()).await, Err(TrackedError::InDoubt)));
    assert_eq!(sink.messages().len(), 1);
    mailer.on_doubt(OnDoubt::Resend).send(ann()).await.unwrap();
    assert_eq!(evidence(&store, "ann@a.example").await.status(), Status::Sent);
    sink.stop().await;
}

#[tokio::test]
async fn what_is_blocked_is_not_sent_whenever_it_was_blocked() {
    let store = Arc::new(Leaving::default());
    let tracker = Tracker::shared(Arc::clone(&store) as Arc<dyn EventStore>).open();
    let ann: EmailAddress = "ann@a.example".parse().unwrap();
    let mailer = tracked(&store, AsyncStubTransport::new_error(), OnStoreFailure::Refuse)
        .on_doubt(OnDoubt::Resend);
    let bob = || message(&["bob@b.example"]);
    assert!(matches!(mailer.send(bob()).await, Err(TrackedError::Transport(_))));

    tracker.block(&ann, Scope::AllKinds, "office", None).await.unwrap();
    let bobs = "bob@b.example".parse().unwrap();
    tracker.block(&bobs, Scope::AllKinds, "office", None).await.unwrap();
    for message in [message(&["ann@a.example"]), bob()] {
        let result = mailer.send(message).await;
        assert!(matches!(result, Err(TrackedError::Settled(Status::Blocked))));
    }
    assert_eq!(mailer.inner().given().len(), 1);
    assert_eq!(evidence(&store, "bob@b.example").await.status(), Status::Blocked);
}

#[tokio::test]
async fn a_message_that_names_nothing_is_its_own_broadcast_and_gets_a_message_id() {
    let store = Arc::new(Leaving::default());
    let mailer = tracked(&store, AsyncStubTransport::new_ok(), OnStoreFailure::Refuse);
    let envelope =
        Envelope::new(Some(address("o@school.example")), vec![address("ann@a.example")]).unwrap();
    for _ in 0..2 {
        mailer.send_raw(&envelope, b"Subject: Hi\r\n\r\nHi\r\n").await.unwrap();
    }
    let given = mailer.inner().given();
    let [first, second] = &given[..] else { panic!("two mails") };
    assert!(first.message.starts_with("Message-ID: <"));
    assert_ne!(first.message, second.message);

    let events = store.stream(StreamId::delivery(
        path().read(&keys(), first.envelope.from().unwrap().as_ref()).unwrap().delivery,
    ));
    let Ok(Event::Queued(queued)) = events.await.unwrap()[0].fact().map(|fact| fact.event) else {
        panic!("its first event plans it");
    };
    assert_eq!(queued.row.kind.as_str(), "transactional");
    assert_eq!(queued.row.contact.as_str(), "ann@a.example");
}

#[tokio::test]
async fn one_broadcast_has_one_kind() {
    let store = Arc::new(Leaving::default());
    let mailer = tracked(&store, AsyncStubTransport::new_ok(), OnStoreFailure::Refuse);
    mailer.send(message(&["ann@a.example"])).await.unwrap();
    let other = message_with("Mailtrail-Kind: emergency\r\n", &["bob@b.example"]);
    let result = mailer.send(other).await;
    assert!(matches!(result, Err(TrackedError::Headers(HeaderError::AnotherKind { .. }))));
    assert_eq!(mailer.inner().given().len(), 1);
}

#[test]
fn a_blocking_transport_has_a_trail_too() {
    let store = Arc::new(Leaving::default());
    let tracker = Tracker::shared(Arc::clone(&store) as Arc<dyn EventStore>).open();
    let stub = StubTransport::new_ok();
    let mailer =
        TrackedTransport::open(stub.clone(), tracker, keys(), OnStoreFailure::Refuse).unwrap();
    let mail = message(&["ann@a.example", "ANN@A.example", "bob@b.example"]);
    Transport::send_raw(&mailer, &mail.envelope, &mail.bytes).unwrap();
    assert_eq!(stub.messages().len(), 2);
    for address in ["ann@a.example", "bob@b.example"] {
        let evidence = futures_executor::block_on(evidence(&store, address));
        assert_eq!(evidence.status(), Status::Sent);
    }
}
