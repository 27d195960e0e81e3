//! Which attempt costs what, and when the next one is.

use chrono::{DateTime, TimeDelta, Utc};
use mailtrail_core::Status;
use mailtrail_core::clock::Clock;
use mailtrail_core::evidence::OnDoubt;
use mailtrail_core::reason::Reason;
use mailtrail_smtp::send::{Outcome, Relay, Schedule, Sender, Tls};
use mailtrail_smtp::sink::{Script, Sink};

use super::endpoint::{Encrypts, Endpoint, Rules};
use super::planned::Planned;

const CLOSING: &str = "421 4.3.2 going down, come again";
const WAITS: [TimeDelta; 2] = [TimeDelta::minutes(1), TimeDelta::minutes(5)];

async fn sink(address: &str, script: Script) -> Sink {
    Sink::builder().on(address, script).start().await.unwrap()
}

/// A new process: it knows what the store holds.
fn sender(planned: &Planned, sink: &Sink) -> Sender {
    planned.sender(Relay::new(sink.addr().ip().to_string(), sink.addr().port()))
}

/// When it is tried again.
fn due(outcome: Outcome) -> DateTime<Utc> {
    match outcome {
        Outcome::Deferred(at) | Outcome::NotDue(at) => at,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_connection_that_ends_between_messages_costs_nobody_an_attempt() {
    for ends_at in ["MAIL", "RCPT", "DATA"] {
        for last_words in ["", "421 4.3.2 going down\r\n", "42"] {
            let planned = Planned::new(&["ann@a.example", "bob@a.example", "eve@a.example"]).await;
            let mut rules = Rules::new(Encrypts::Never);
            (rules.ends_at, rules.last_words) = (ends_at, last_words);
            let endpoint = Endpoint::start(rules).await;
            // Whoever lost an attempt to it would have none left.
            let sender =
                planned.sender(endpoint.relay(Tls::None)).schedule("".parse::<Schedule>().unwrap());
            for number in 0..3 {
                let outcome = planned.deliver(&sender, number).await.unwrap();
                assert_eq!(outcome, Outcome::Sent, "{ends_at} {last_words:?}");
                let evidence = planned.evidence(number).await;
                assert_eq!((evidence.attempts(), evidence.deferrals()), (1, 0));
            }
            assert_eq!(endpoint.messages().len(), 3, "each once");
        }
    }
}

#[tokio::test]
async fn a_421_defers_the_recipient_that_got_it_and_no_other() {
    let planned = Planned::new(&["ann@a.example", "busy@a.example", "eve@a.example"]).await;
    let sink = sink("busy@a.example", Script::refuse(CLOSING).unwrap()).await;
    let sender = sender(&planned, &sink);
    assert_eq!(planned.deliver(&sender, 0).await.unwrap(), Outcome::Sent);
    // Also on a connection of its own.
    assert!(matches!(planned.deliver(&sender, 1).await.unwrap(), Outcome::Deferred(_)));
    assert_eq!(planned.deliver(&sender, 2).await.unwrap(), Outcome::Sent);
    for (number, deferrals) in [(0, 0), (1, 1), (2, 0)] {
        let evidence = planned.evidence(number).await;
        assert_eq!((evidence.attempts(), evidence.deferrals()), (1, deferrals), "{number}");
    }
}

/// Whatever ends an attempt for now: the schedule goes on from restart to restart, to the second.
#[tokio::test]
async fn each_restart_goes_on_exactly_there_until_the_schedule_ends() {
    let refused = |reply: &str| Script::refuse(reply).unwrap();
    let later = "451 4.3.0 later";
    for script in [refused(later), refused(CLOSING), Script::refuse_message(later).unwrap()] {
        let planned = Planned::new(&["busy@a.example"]).await;
        let sink = sink("busy@a.example", script).await;
        let mut begun = planned.clock.now();
        for (attempts, wait) in (1..).zip(WAITS) {
            let outcome = planned.deliver(&sender(&planned, &sink), 0).await.unwrap();
            assert_eq!(due(outcome), begun + wait);
            planned.clock.advance(wait - TimeDelta::seconds(1));
            let early = planned.deliver(&sender(&planned, &sink), 0).await.unwrap();
            assert_eq!(early, Outcome::NotDue(begun + wait));
            assert_eq!(planned.evidence(0).await.attempts(), attempts);
            planned.clock.advance(TimeDelta::seconds(1));
            begun += wait;
        }
        let last = planned.deliver(&sender(&planned, &sink), 0).await.unwrap();
        assert_eq!(last, Outcome::Bounced);
        let evidence = planned.evidence(0).await;
        assert_eq!((evidence.status(), evidence.attempts()), (Status::Bounced, 3));
        let why = evidence.why().unwrap();
        assert_eq!(why.reason, Some(Reason::Expired));
        assert!(why.reply_code.is_some(), "the last reply stays");
        let settled = planned.deliver(&sender(&planned, &sink), 0).await.unwrap();
        assert_eq!(settled, Outcome::Settled);
    }
}

#[tokio::test]
async fn an_attempt_in_doubt_is_one_of_the_schedules() {
    let planned = Planned::new(&["busy@a.example"]).await;
    let script = Script::refuse("451 4.3.0 later").unwrap().then_hang_up();
    let sink = sink("busy@a.example", script.then_refuse("451 4.3.0 later").unwrap()).await;
    let of = || sender(&planned, &sink).on_doubt(OnDoubt::Resend);
    assert!(matches!(planned.deliver(&of(), 0).await.unwrap(), Outcome::Deferred(_)));
    planned.clock.advance(WAITS[0]);
    assert_eq!(planned.deliver(&of(), 0).await.unwrap(), Outcome::InDoubt);
    assert_eq!(planned.deliver(&of(), 0).await.unwrap(), Outcome::Bounced);
    let evidence = planned.evidence(0).await;
    assert_eq!((evidence.attempts(), evidence.why().unwrap().reason), (3, Some(Reason::Expired)));
}
