//! A whole broadcast at once: nobody is skipped, nobody is held up, nobody is mailed twice unnamed.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use mailtrail_core::clock::Clock;
use mailtrail_core::event::{Private, Sent, Source};
use mailtrail_core::evidence::OnDoubt;
use mailtrail_core::reason::Reason;
use mailtrail_core::store::{BoxError, Filter};
use mailtrail_core::{
    EventId, EventStore, EventStoreExt, Fact, NewEvent, Position, Status, StreamId,
};
use mailtrail_memory::MemoryStore;
use mailtrail_smtp::message::{Compose, Letter, Message};
use mailtrail_smtp::send::{
    Direct, Dispatcher, Happening, Limits, Mx, Outcome, Relay, ResolveError, Resolver, Route,
    Schedule, SendError, Sender,
};
use mailtrail_smtp::sink::{Script, Sink};
use tokio::net::TcpListener;

use super::planned::Planned;

/// It goes as fast as the time that a run sleeps.
#[derive(Debug)]
struct Ticking(Instant);

impl Clock for Ticking {
    fn now(&self) -> DateTime<Utc> {
        let begun = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        begun + TimeDelta::from_std(self.0.elapsed()).unwrap()
    }
}

fn sender(planned: &Planned, route: impl Into<Route>) -> Sender {
    planned.sender_by(Arc::new(Ticking(Instant::now())), route)
}

fn relay(sink: &Sink) -> Relay {
    Relay::new(sink.addr().ip().to_string(), sink.addr().port())
}

fn message() -> Message {
    Message::new("office@school.example", "Closed", "Stay at home.")
}

async fn planned(count: usize) -> Planned {
    let addresses: Vec<_> = (0..count).map(|n| format!("p{n}@a.example")).collect();
    let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
    Planned::new(&addresses).await
}

/// How often each address was taken.
fn taken(sinks: &[&Sink]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for message in sinks.iter().flat_map(|sink| sink.messages()) {
        if message.is_accepted() {
            let address = message.envelope.recipients[0].address.clone();
            *counts.entry(address).or_default() += 1;
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_is_sent_once_over_many_connections() {
    let (planned, sink) = (planned(500).await, Sink::builder().start().await.unwrap());
    let limits = Limits::default().connections(20).per_next_hop(15);
    let dispatcher = Dispatcher::new(sender(&planned, relay(&sink)), message()).limits(limits);
    let mut seen = HashSet::new();
    let dispatched = dispatcher
        .run(&"b".parse().unwrap(), |happening| {
            let Happening::Row { delivery, outcome, again } = happening else { return };
            assert!(outcome == Outcome::Sent && !again && seen.insert(delivery));
        })
        .await
        .unwrap();
    assert_eq!((dispatched.sent, seen.len()), (500, 500));
    let taken = taken(&[&sink]);
    assert!(taken.len() == 500 && taken.values().all(|count| *count == 1));
    // There is nothing left to do.
    let again = dispatcher.run(&"b".parse().unwrap(), |_| {}).await.unwrap();
    assert_eq!((again.sent, sink.messages().len()), (0, 500));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deferred_is_tried_again_when_it_is_due() {
    let planned = planned(40).await;
    let grey = Script::refuse("450 4.7.1 greylisted").unwrap().then_accept();
    let sink = Sink::builder().on("p1*@a.example", grey).start().await.unwrap();
    let sender = sender(&planned, relay(&sink)).schedule("1s,1s".parse::<Schedule>().unwrap());
    let (mut waited, mut again) = (false, 0);
    let dispatched = Dispatcher::new(sender, message())
        .run(&"b".parse().unwrap(), |happening| match happening {
            Happening::Waits { .. } => waited = true,
            Happening::Row { again: true, .. } => again += 1,
            _ => {}
        })
        .await
        .unwrap();
    // p1, p10 … p19.
    assert_eq!((dispatched.sent, dispatched.deferred, again, waited), (40, 11, 11, true));
}

/// A host for each domain, by the domain's first letter.
#[derive(Debug)]
struct Hosts(BTreeMap<char, &'static str>);

#[async_trait]
impl Resolver for Hosts {
    async fn mx(&self, domain: &str) -> Result<Vec<Mx>, ResolveError> {
        Ok(vec![Mx::new(10, domain)])
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let address = self.0.get(&host.chars().next().unwrap()).ok_or(ResolveError::NoSuchName)?;
        Ok(vec![address.parse().unwrap()])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sick_domains_hold_up_nobody_and_are_not_asked_for_each_row() {
    // More sick domains than there are connections, each with several rows; they come first.
    let sick = (0..12).flat_map(|d| (0..5).map(move |n| format!("p{n}@sick{d}.example")));
    let healthy = (0..10).flat_map(|d| (0..10).map(move |n| format!("p{n}@healthy{d}.example")));
    let addresses: Vec<_> = sick.chain(healthy).collect();
    let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
    let planned = Planned::new(&addresses).await;
    let sink = Sink::builder().start().await.unwrap();
    let port = sink.addr().port();
    // It takes connections, and never says a word.
    let mute = TcpListener::bind(("127.0.0.3", port)).await.unwrap();
    let asked = tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            tokio::select! {
                accepted = mute.accept() => open.push(accepted.unwrap()),
                () = tokio::time::sleep(Duration::from_secs(5)) => return open.len(),
            }
        }
    });
    let hosts = Hosts(BTreeMap::from([('s', "127.0.0.3"), ('h', "127.0.0.1")]));
    let wait = Duration::from_secs(4);
    let direct = Direct::new(hosts, "mail.school.example").port(port).timeouts(wait, wait);
    let sender = sender(&planned, Route::direct(direct)).schedule("".parse::<Schedule>().unwrap());
    let dispatcher = Dispatcher::new(sender, message())
        .limits(Limits::default().connections(10).per_next_hop(3));
    let mut order = Vec::new();
    let dispatched = dispatcher
        .run(&"b".parse().unwrap(), |happening| {
            if let Happening::Row { outcome, .. } = happening {
                order.push(outcome);
            }
        })
        .await
        .unwrap();
    assert_eq!((dispatched.delivered, dispatched.bounced), (100, 60));
    let first_sick = order.iter().position(|outcome| *outcome == Outcome::Bounced).unwrap();
    assert!(first_sick >= 95, "the healthy ones were done first: {first_sick}");
    assert_eq!(asked.await.unwrap(), 12, "each domain was asked once");
    for number in 0..60 {
        let evidence = planned.evidence(number).await;
        assert_eq!((evidence.status(), evidence.attempts()), (Status::Bounced, 1));
        assert_eq!(evidence.why().unwrap().reason, Some(Reason::Expired));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_few_connections_is_no_fault_of_any_row() {
    for direct in [false, true] {
        let planned = planned(300).await;
        let mut limits = mailtrail_smtp::server::Limits::default();
        limits.connections = 3;
        let sink = Sink::builder().limits(limits).start().await.unwrap();
        let route = if direct {
            let hosts = Hosts(BTreeMap::from([('a', "127.0.0.1")]));
            Route::direct(Direct::new(hosts, "mail.school.example").port(sink.addr().port()))
        } else {
            relay(&sink).into()
        };
        let dispatcher = Dispatcher::new(sender(&planned, route), message());
        let dispatched = dispatcher.run(&"b".parse().unwrap(), |_| {}).await.unwrap();
        assert_eq!(dispatched.sent + dispatched.delivered, 300, "{dispatched:?}");
        assert_eq!(dispatched.deferred, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_goes_away_is_waited_for() {
    let (planned, first) = (planned(300).await, Sink::builder().start().await.unwrap());
    let addr: SocketAddr = first.addr();
    let limits = Limits::default().connections(4).per_next_hop(4);
    let dispatcher = Dispatcher::new(sender(&planned, relay(&first)), message()).limits(limits);
    let (fails, mut failed) = tokio::sync::mpsc::unbounded_channel();
    let outage = async move {
        for _ in 0..50 {
            first.next_message().await;
        }
        let before = first.messages().len();
        let received: Vec<_> = first.messages();
        first.stop().await;
        failed.recv().await.unwrap();
        (before, received, Sink::builder().start_on(addr).await.unwrap())
    };
    let broadcast = "b".parse().unwrap();
    let run = dispatcher.run(&broadcast, |happening| {
        if let Happening::RelayFails { .. } = happening {
            fails.send(()).ok();
        }
    });
    let (dispatched, (_, _, second)) = tokio::join!(run, outage);
    let dispatched = dispatched.unwrap();
    assert_eq!(dispatched.sent + dispatched.in_doubt.len() as u64, 300, "{dispatched:?}");
    assert!(dispatched.in_doubt.len() <= 4, "at most those in flight: {dispatched:?}");
    assert!(taken(&[&second]).values().all(|count| *count == 1));
    for number in 0..300 {
        let evidence = planned.evidence(number).await;
        assert!(evidence.is_sent() || evidence.in_doubt().count() == 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_relay_serves_when_the_first_does_not() {
    let (planned, sink) = (planned(20).await, Sink::builder().start().await.unwrap());
    let route = Route::relays([Relay::new("127.0.0.1", 1), relay(&sink)]);
    let dispatched = Dispatcher::new(sender(&planned, route), message())
        .run(&"b".parse().unwrap(), |_| {})
        .await
        .unwrap();
    assert_eq!((dispatched.sent, dispatched.deferred), (20, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_never_served_ends_the_run_and_touches_nobody() {
    let planned = planned(20).await;
    let dispatcher = Dispatcher::new(sender(&planned, Relay::new("127.0.0.1", 1)), message());
    let ended = dispatcher.run(&"b".parse().unwrap(), |_| {}).await;
    assert!(matches!(ended, Err(SendError::Connect(_))), "{ended:?}");
    for number in 0..20 {
        assert!(planned.is_untouched(number).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_written_keeps_nobody_else_back() {
    let (planned, sink) = (planned(20).await, Sink::builder().start().await.unwrap());
    let compose = |letter: &Letter<'_>| -> Result<Vec<u8>, BoxError> {
        if letter.address.as_given() == "p7@a.example" {
            return Err("p7 has no name".into());
        }
        message().compose(letter)
    };
    let dispatched = Dispatcher::new(sender(&planned, relay(&sink)), compose)
        .run(&"b".parse().unwrap(), |_| {})
        .await
        .unwrap();
    assert_eq!((dispatched.sent, dispatched.unwritten), (19, 1));
    assert!(dispatched.first_unwritten.is_some());
    assert!(planned.is_untouched(7).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_what_makes_a_message_is_of_its_row_alone() {
    let (planned, sink) = (planned(20).await, Sink::builder().start().await.unwrap());
    let compose = |letter: &Letter<'_>| {
        assert_ne!(letter.address.as_given(), "p7@a.example");
        message().compose(letter)
    };
    let dispatched = Dispatcher::new(sender(&planned, relay(&sink)), compose)
        .limits(Limits::default().per_next_hop(1))
        .run(&"b".parse().unwrap(), |_| {})
        .await
        .unwrap();
    assert_eq!((dispatched.sent, dispatched.unwritten), (19, 1));
    assert_eq!(count(&planned.store, "sent"), 19);
    assert!(planned.is_untouched(7).await);
}

/// One append for both, so that a message waits for the disk once; and before that message goes.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_row_came_to_is_stored_with_the_beginning_of_the_next() {
    let (planned, sink) = (planned(20).await, Sink::builder().start().await.unwrap());
    let (store, composed) = (Arc::clone(&planned.store), AtomicUsize::new(0));
    let compose = move |letter: &Letter<'_>| -> Result<Vec<u8>, BoxError> {
        let before = composed.fetch_add(1, Ordering::Relaxed);
        let (attempted, sent) = (count(&store, "attempted"), count(&store, "sent"));
        assert_eq!((attempted, sent), (before, before.saturating_sub(1)));
        message().compose(letter)
    };
    let mut seen = 0;
    let dispatched = Dispatcher::new(sender(&planned, relay(&sink)), compose)
        .limits(Limits::default().per_next_hop(1))
        .run(&"b".parse().unwrap(), |_| seen += 1)
        .await
        .unwrap();
    assert_eq!((dispatched.sent, seen, count(&planned.store, "sent")), (20, 20, 20));
}

/// How many events of a type are stored.
fn count(store: &MemoryStore, event_type: &str) -> usize {
    let filter = Filter::all().event_type(event_type);
    let page = futures_executor::block_on(store.read_all(&filter, Position::START, 1_000));
    page.unwrap().events.len()
}

/// A run goes on after rows that are settled, however few its connections are.
#[tokio::test(start_paused = true)]
async fn settled_rows_take_no_time_over_one_connection() {
    let planned = planned(500).await;
    let sent = Fact::new(Sent::default().into());
    for (number, row) in planned.rows.iter().enumerate() {
        let id = EventId::from_bytes(u128::try_from(number + 1).unwrap().to_be_bytes());
        let event = NewEvent::new(id, &sent, &Private::default(), Source::known("test")).unwrap();
        planned.store.record(vec![(StreamId::delivery(row.delivery), event)]).await.unwrap();
    }
    let nobody = Relay::new("127.0.0.1", 9);
    let dispatcher = Dispatcher::new(planned.sender(nobody), message());
    let dispatcher = dispatcher.limits(Limits::default().connections(1));
    let begun = tokio::time::Instant::now();
    let mut seen = 0;
    dispatcher.run(&"b".parse().unwrap(), |_| seen += 1).await.unwrap();
    assert_eq!(seen, 500);
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_runs_at_once_each_row_is_taken_by_one() {
    let (planned, sink) = (planned(300).await, Sink::builder().start().await.unwrap());
    let broadcast = "b".parse().unwrap();
    let run = || async {
        let dispatcher = Dispatcher::new(sender(&planned, relay(&sink)), message());
        dispatcher.run(&broadcast, |_| {}).await.unwrap()
    };
    let (one, other) = tokio::join!(run(), run());
    assert_eq!(one.sent + other.sent, 300);
    let taken = taken(&[&sink]);
    assert!(taken.len() == 300 && taken.values().all(|count| *count == 1));
    assert_eq!((count(&planned.store, "attempted"), count(&planned.store, "sent")), (300, 300));
}

/// The process ends at any moment: what the store holds is all that the next one knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_cut_off_anywhere_loses_nobody_and_names_those_in_doubt() {
    for cut in [1, 3, 20, 57, 110, 199] {
        let (planned, sink) = (planned(200).await, Sink::builder().start().await.unwrap());
        let limits = Limits::default().connections(8).per_next_hop(8);
        let broadcast = "b".parse().unwrap();
        let of = |on_doubt| {
            let sender = sender(&planned, relay(&sink)).on_doubt(on_doubt);
            Dispatcher::new(sender, message()).limits(limits)
        };
        let (sees, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let first = of(OnDoubt::Hold);
        tokio::select! {
            _ = first.run(&broadcast, |_| sees.send(()).unwrap_or_default()) => panic!("it was to be cut off"),
            () = async {
                for _ in 0..cut {
                    seen.recv().await;
                }
            } => {}
        }
        drop(first);
        // What was running just then goes on to where it waits next.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let held = of(OnDoubt::Hold).run(&broadcast, |_| {}).await.unwrap();
        assert!(held.in_doubt.len() <= 8, "at most one for each connection: {held:?}");
        let resent = of(OnDoubt::Resend).run(&broadcast, |_| {}).await.unwrap();
        assert_eq!(resent.sent, held.in_doubt.len() as u64);
        let taken = taken(&[&sink]);
        assert_eq!(taken.len(), 200, "nobody is lost");
        let twice = taken.values().filter(|count| **count > 1).count();
        assert!(twice <= held.in_doubt.len(), "only those that were named: {twice}");
        assert!(taken.values().all(|count| *count <= 2));
    }
}
