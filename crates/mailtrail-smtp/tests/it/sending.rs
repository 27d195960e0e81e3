//! What the server answers becomes events, and what was settled is not sent again.

use chrono::TimeDelta;
use mailtrail_core::event::{AddressBlocked, BlockCause, Source};
use mailtrail_core::evidence::OnDoubt;
use mailtrail_core::reason::Reason;
use mailtrail_core::suppression::Scope;
use mailtrail_core::{
    EventId, EventStore, EventStoreExt, Fact, NewEvent, Private, Status, StreamId,
};
use mailtrail_smtp::return_path::ReturnPath;
use mailtrail_smtp::send::{Outcome, Relay, SendError, Sender, TalksTo};
use mailtrail_smtp::sink::{Script, Sink};

use super::planned::{Planned, keys};

struct Bench {
    planned: Planned,
    sink: Sink,
}

async fn bench(addresses: &[&str]) -> Bench {
    let script = |reply: &str| Script::refuse(reply).unwrap();
    let sink = Sink::builder()
        .on("gone@a.example", script("550 5.1.1 no such user"))
        .on("grey@a.example", script("450 4.7.1 greylisted, come back").then_accept())
        .on("never@a.example", script("450 4.7.1 greylisted, come back"))
        .on("lost@a.example", Script::hang_up().then_accept())
        .start()
        .await
        .unwrap();
    Bench { planned: Planned::new(addresses).await, sink }
}

impl Bench {
    fn sender(&self, talks_to: TalksTo) -> Sender {
        let addr = self.sink.addr();
        let relay = Relay::new(addr.ip().to_string(), addr.port()).talks_to(talks_to);
        self.planned.sender(relay)
    }

    async fn deliver(&self, sender: &Sender, number: usize) -> Outcome {
        self.planned.deliver(sender, number).await.unwrap()
    }
}

#[tokio::test]
async fn replies_become_events_and_settled_rows_are_not_sent_again() {
    let bench = bench(&["ok@a.example", "gone@a.example"]).await;
    let sender = bench.sender(TalksTo::Relay);
    assert_eq!(bench.deliver(&sender, 0).await, Outcome::Sent);
    assert_eq!(bench.deliver(&sender, 1).await, Outcome::Bounced);
    for number in [0, 1] {
        assert_eq!(bench.deliver(&sender, number).await, Outcome::Settled);
    }
    let failed = bench.planned.evidence(1).await;
    assert_eq!(failed.status(), Status::Failed);
    assert_eq!(failed.why().unwrap().reason, Some(Reason::UserUnknown));
    assert_eq!(failed.why().unwrap().reply_code.unwrap().get(), 550);

    let taken = bench.sink.messages();
    assert_eq!(taken.iter().filter(|message| message.is_accepted()).count(), 1);
    let message = &taken[0];
    let path = ReturnPath::new("bounces.school.example");
    let token = path.read(&keys(), &message.envelope.mail_from).unwrap();
    assert_eq!(token.delivery, bench.planned.rows[0].delivery);
    let recipient = &message.envelope.recipients[0];
    assert!(recipient.notify.is_some(), "the sink offers DSN");
    let text = String::from_utf8_lossy(&message.bytes);
    assert!(text.contains("\r\n.one dot") && text.contains("\r\n..two"), "dots are undone: {text}");
}

#[tokio::test]
async fn the_recipients_own_server_delivers() {
    let bench = bench(&["ok@a.example"]).await;
    let sender = bench.sender(TalksTo::Mx);
    assert_eq!(bench.deliver(&sender, 0).await, Outcome::Delivered);
    assert_eq!(bench.planned.evidence(0).await.status(), Status::Delivered);
}

#[tokio::test]
async fn a_deferral_waits_for_its_time_and_ends_with_the_schedule() {
    let bench = bench(&["grey@a.example", "never@a.example"]).await;
    let sender = bench.sender(TalksTo::Relay);
    assert!(matches!(bench.deliver(&sender, 0).await, Outcome::Deferred(_)));
    assert!(matches!(bench.deliver(&sender, 0).await, Outcome::NotDue(_)));
    assert_eq!(bench.planned.evidence(0).await.status(), Status::SoftBounced);
    bench.planned.clock.advance(TimeDelta::minutes(1));
    // Another sender, after a restart: the next attempt follows from the events.
    let sender = bench.sender(TalksTo::Relay);
    assert_eq!(bench.deliver(&sender, 0).await, Outcome::Sent);
    assert_eq!(bench.planned.evidence(0).await.attempts(), 2);

    for expected_last in [false, false, true] {
        let outcome = bench.deliver(&sender, 1).await;
        assert_eq!(outcome == Outcome::Bounced, expected_last, "{outcome:?}");
        bench.planned.clock.advance(TimeDelta::minutes(5));
    }
    let given_up = bench.planned.evidence(1).await;
    assert_eq!(given_up.status(), Status::Bounced);
    assert_eq!(given_up.why().unwrap().reason, Some(Reason::Expired));
}

#[tokio::test]
async fn a_lost_reply_leaves_the_attempt_in_doubt() {
    let bench = bench(&["lost@a.example"]).await;
    let sender = bench.sender(TalksTo::Relay);
    assert_eq!(bench.deliver(&sender, 0).await, Outcome::InDoubt);
    assert_eq!(bench.deliver(&sender, 0).await, Outcome::InDoubt, "held");
    assert_eq!(bench.planned.evidence(0).await.in_doubt().collect::<Vec<_>>(), [1]);
    assert_eq!(bench.planned.evidence(0).await.status(), Status::Unsent);
    let sender = bench.sender(TalksTo::Relay).on_doubt(OnDoubt::Resend);
    assert_eq!(bench.deliver(&sender, 0).await, Outcome::Sent);
}

#[tokio::test]
async fn an_address_blocked_after_planning_is_not_sent_to() {
    let bench = bench(&["ok@a.example"]).await;
    let address = &"ok@a.example".parse().unwrap();
    let fact = Fact::new(AddressBlocked::new(Scope::AllKinds, BlockCause::Manual).into());
    let id = EventId::from_bytes([9; 16]);
    let event = NewEvent::new(id, &fact, &Private::default(), Source::known("cli")).unwrap();
    let stream = StreamId::address(&bench.planned.store.namespace(), address);
    bench.planned.store.record(vec![(stream, event)]).await.unwrap();
    let sender = bench.sender(TalksTo::Relay);
    assert_eq!(bench.deliver(&sender, 0).await, Outcome::Blocked);
    assert_eq!(bench.planned.evidence(0).await.status(), Status::Blocked);
    assert!(bench.sink.messages().is_empty());
}

#[tokio::test]
async fn two_senders_never_take_the_same_attempt() {
    let bench = bench(&["ok@a.example"]).await;
    let (one, two) = (bench.sender(TalksTo::Relay), bench.sender(TalksTo::Relay));
    let (a, b) = tokio::join!(bench.deliver(&one, 0), bench.deliver(&two, 0));
    let sent = [a, b].into_iter().filter(|outcome| *outcome == Outcome::Sent).count();
    assert_eq!(sent, 1, "{a:?} {b:?}");
    assert_eq!(bench.sink.messages().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_costs_no_attempt() {
    let bench = bench(&["ok@a.example"]).await;
    let sender = bench.sender(TalksTo::Relay);
    let Bench { sink, planned } = bench;
    sink.stop().await;
    let answer = planned.deliver(&sender, 0).await;
    assert!(matches!(answer, Err(SendError::Connect(_))));
    assert!(planned.is_untouched(0).await);
}

#[tokio::test]
async fn a_connection_that_the_server_ended_while_idle_costs_no_attempt() {
    let mut bench = bench(&["ok@a.example", "other@a.example"]).await;
    let mut limits = mailtrail_smtp::server::Limits::default();
    limits.command_timeout = std::time::Duration::from_millis(500);
    bench.sink = Sink::builder().limits(limits).start().await.unwrap();
    let sender = bench.sender(TalksTo::Relay);
    assert_eq!(bench.deliver(&sender, 0).await, Outcome::Sent);
    // The server's own idle time passes: there is nothing to wait for but that.
    tokio::time::sleep(std::time::Duration::from_millis(900)).await;
    assert_eq!(bench.deliver(&sender, 1).await, Outcome::Sent);
    assert_eq!(bench.planned.evidence(1).await.deferrals(), 0);
    assert_eq!(bench.sink.messages().len(), 2);
}
