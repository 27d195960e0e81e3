//! From hits to verdicts.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use futures_executor::block_on;
use mailtrail_core::correlation::Correlation;
use mailtrail_core::event::{Agent, Envelope};
use mailtrail_core::store::{EventStore, EventStoreExt, Filter, Position};
use mailtrail_core::token::{Key, Keys, Purpose};
use mailtrail_core::{DeliveryId, Event, EventId, Evidence, Feedback, Status};
use mailtrail_memory::MemoryStore;
use mailtrail_webhook::track::{HitRequest, Judge, Machines, SETTLE_SECONDS, hit, verdict_at_once};
use proptest::prelude::*;

use super::{keys, namespace};

const DELIVERY: DeliveryId = DeliveryId::from_bytes([2; 16]);

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

fn verdicts(events: &[Envelope], now: DateTime<Utc>) -> Vec<Feedback> {
    mailtrail_webhook::track::verdicts(&Machines::builtin(), events, now)
}

fn observed(n: u8, user_agent: Option<&str>) -> (EventId, Feedback) {
    let id = EventId::observed(at(0), [n; 10]);
    let token = keys().sign(Purpose::Open, DELIVERY);
    let request = HitRequest::pixel(&token, at(0)).user_agent(user_agent);
    (id, hit(&keys(), &request, id).unwrap())
}

/// A store with hits recorded at these times.
fn store(hits: &[(i64, &str)]) -> MemoryStore {
    let seconds = Arc::new(AtomicI64::new(0));
    let clock = Arc::clone(&seconds);
    let store = MemoryStore::with(namespace(), Arc::new(move || at(clock.load(Ordering::SeqCst))));
    for (n, (recorded_at, user_agent)) in (0..).zip(hits) {
        seconds.store(*recorded_at, Ordering::SeqCst);
        let (_, feedback) = observed(n, Some(user_agent));
        record(&store, vec![feedback]);
    }
    store
}

fn record(store: &MemoryStore, feedback: Vec<Feedback>) {
    let facts = feedback.into_iter().map(|one| one.into_event(&namespace()).unwrap()).collect();
    block_on(store.record(facts)).unwrap();
}

fn events(store: &MemoryStore) -> Vec<Envelope> {
    block_on(store.read_all(&Filter::all(), Position::START, 1_000)).unwrap().events
}

proptest! {
    #[test]
    fn verdicts_depend_on_nothing_but_the_hits(
        times in prop::collection::vec(0_i64..60, 1..12),
        now in 0_i64..90,
        order in any::<prop::sample::Index>(),
    ) {
        let mut times = times;
        times.sort_unstable();
        let agents = ["Mozilla/5.0", "Mozilla/5.0 (X11)", "x GoogleImageProxy"];
        let hits: Vec<_> = times.iter().zip(agents.iter().cycle()).map(|(t, a)| (*t, *a)).collect();
        let store = store(&hits);
        let all = events(&store);
        let due = verdicts(&all, at(now));
        prop_assert_eq!(due.len(), times.iter().filter(|t| **t + SETTLE_SECONDS <= now).count());

        let mut other = all.clone();
        other.rotate_left(order.index(all.len()));
        other.extend(all);
        prop_assert_eq!(&verdicts(&other, at(now)), &due);

        // Run now and later, or only later: the same events; and once judged, for ever judged.
        record(&store, due.clone());
        let later = verdicts(&events(&store), at(1_000));
        prop_assert_eq!(due.len() + later.len(), times.len());
        record(&store, later);
        prop_assert!(verdicts(&events(&store), at(1_000)).is_empty());
    }
}

#[test]
fn nobody_known_counts_as_a_person_a_machine_as_delivery() {
    for (user_agent, agent, status) in [
        ("Mozilla/5.0 (X11; Linux x86_64)", Agent::Unknown, Status::Opened),
        ("Mozilla/5.0", Agent::MailboxMachine, Status::Delivered),
        ("Mozilla/5.0 (via ggpht.com GoogleImageProxy)", Agent::Unknown, Status::Opened),
        ("YahooMailProxy; https://help.example/proxy", Agent::MailboxMachine, Status::Delivered),
    ] {
        let store = store(&[(0, user_agent)]);
        let due = verdicts(&events(&store), at(SETTLE_SECONDS));
        assert!(
            matches!(&due[0].fact.event, Event::Opened(opened) if opened.agent == agent),
            "{user_agent}: {due:?}"
        );
        record(&store, due);
        let mut evidence = Evidence::default();
        for envelope in events(&store) {
            evidence.add_envelope(&envelope);
        }
        assert_eq!(evidence.status(), status, "{user_agent}");
    }
}

#[test]
fn the_judge_goes_on_where_it_was_and_starts_again_without_harm() {
    let store = store(&[(0, "Mozilla/5.0 (X11)"), (5, "Mozilla/5.0"), (30, "Mozilla/5.0 (X11)")]);
    let mut judge = Judge::default();
    assert_eq!(block_on(judge.run(&store, at(9))).unwrap(), 0);
    assert_eq!(judge.next_due(), Some(at(10)));
    assert_eq!(block_on(judge.run(&store, at(12))).unwrap(), 1);
    assert_eq!(judge.next_due(), Some(at(15)));
    // After a restart everything is read again: what is judged stays judged.
    for (mut judge, new) in [(Judge::default(), 2), (judge, 0), (Judge::default(), 0)] {
        assert_eq!(block_on(judge.run(&store, at(60))).unwrap(), new);
        assert_eq!(judge.next_due(), None);
    }
    assert!(verdicts(&events(&store), at(60)).is_empty());
}

#[test]
fn a_verdict_at_once_is_the_judges_own() {
    let (id, machine) = observed(9, Some("Mozilla/5.0"));
    let verdict = verdict_at_once(&Machines::builtin(), &machine, id).unwrap();
    let store = store(&[]);
    record(&store, vec![machine]);
    assert_eq!(verdicts(&events(&store), at(100)), [verdict]);
    let (id, person) = observed(9, Some("Mozilla/5.0 (X11)"));
    assert_eq!(verdict_at_once(&Machines::builtin(), &person, id), None);
    let (id, silent) = observed(9, None);
    assert_eq!(verdict_at_once(&Machines::builtin(), &silent, id), None);
}

#[test]
fn a_retired_key_still_opens_and_says_so() {
    let token = keys().sign(Purpose::Open, DELIVERY);
    let rotated = Keys::new(Key::new(2, [8; 32])).and(Key::new(1, [7; 32]).retired());
    let id = EventId::observed(at(0), [1; 10]);
    let hit = hit(&rotated, &HitRequest::pixel(&token, at(0)), id).unwrap();
    assert!(matches!(&hit.fact.event, Event::Hit(hit) if hit.retired_key));
    assert!(matches!(hit.correlation, Correlation::Token { delivery: DELIVERY, key_id: 1, .. }));
}
