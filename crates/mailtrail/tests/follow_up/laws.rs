//! Of any history: the rows are exactly those, each once, and planning again adds nothing.

use std::collections::BTreeSet;

use futures_executor::block_on;
use mailtrail::core::Status;
use mailtrail::core::event::Event;
use mailtrail::core::evidence::{OnDoubt, Planned};
use mailtrail::core::fold::Fold;
use mailtrail::core::id::Destination;
use mailtrail::core::plan::Broadcast;
use mailtrail::core::store::Filter;
use mailtrail::core::{DeliveryId, EmailAddress, Evidence, Position};
use mailtrail::{FollowUp, FollowUpReport};
use mailtrail_testkit::Feeder;
use mailtrail_testkit::proptest::prelude::*;
use mailtrail_testkit::proptest::sample::{Index, select, subsequence};
use mailtrail_testkit::strategy::{Shape, contacts, history};

use super::world::{Fate, World, id};

/// What the follow-up must come to: said of the whole log at once, not row by row.
struct Expected {
    rows: BTreeSet<DeliveryId>,
    in_doubt: u64,
    erased: u64,
}

async fn expected(world: &World, old: &str, statuses: &[Status], on_doubt: OnDoubt) -> Expected {
    let store = world.tracker.store();
    let log = store.read_all(&Filter::all(), Position::START, usize::MAX).await.unwrap().events;
    let mut fold = Fold::default();
    for envelope in &log {
        fold.add(envelope);
    }
    let counts_as = |delivery| {
        let evidence: Evidence = fold.evidence(delivery);
        match evidence.planned() {
            Some(Planned::Duplicated(of)) if evidence.status() == Status::Duplicate => {
                fold.evidence(of)
            }
            _ => evidence,
        }
    };
    let mut expected = Expected { rows: BTreeSet::new(), in_doubt: 0, erased: 0 };
    for envelope in &log {
        let Ok(fact) = envelope.fact() else { continue };
        let Some(row) = fact.event.row().filter(|row| row.broadcast == id(old)) else { continue };
        let evidence = counts_as(row.delivery);
        if !statuses.contains(&evidence.status()) {
            continue;
        }
        let open = matches!(evidence.status(), Status::Unsent | Status::SoftBounced)
            && evidence.planned() == Some(Planned::Queued)
            && !evidence.is_sent();
        if on_doubt == OnDoubt::Hold && open && evidence.in_doubt().count() > 0 {
            expected.in_doubt += 1;
            continue;
        }
        if envelope.is_erased() {
            expected.erased += 1;
            continue;
        }
        let text = envelope.private().address.unwrap_or_default();
        let address = EmailAddress::parse(&text);
        let destination = match (&fact.event, &address) {
            (Event::NotSelected(_), _) => Destination::None,
            (_, Ok(address)) => Destination::Address(address),
            (_, Err(_)) => Destination::Unparsed(&text),
        };
        let new = id("new");
        let delivery = DeliveryId::derive(&store.namespace(), &new, &row.contact, destination);
        assert!(expected.rows.insert(delivery), "each once");
    }
    expected
}

async fn follows_the_law(world: &World, old: &str, statuses: &[Status], on_doubt: OnDoubt) {
    let expected = expected(world, old, statuses, on_doubt).await;
    let follow_up = FollowUp::new(id("new"), id(old)).on_doubt(on_doubt);
    let follow_up = statuses.iter().fold(follow_up, |f, status| f.status(*status));
    let report = world.plan(&follow_up).await;
    let rows = world.rows("new").await;
    let planned: Vec<_> = rows.iter().map(|(event, _)| event.row().unwrap().delivery).collect();
    assert_eq!(planned.len(), expected.rows.len());
    assert_eq!(planned.into_iter().collect::<BTreeSet<_>>(), expected.rows);
    assert_eq!((report.in_doubt, report.erased), (expected.in_doubt, expected.erased));
    assert_eq!(report.plan.added(), expected.rows.len() as u64);

    let head = world.tracker.store().head().await.unwrap();
    let again = world.plan(&follow_up).await;
    assert_eq!(world.tracker.store().head().await.unwrap(), head);
    let mut unchanged = FollowUpReport::default();
    unchanged.plan.unchanged = report.plan.added();
    (unchanged.in_doubt, unchanged.erased) = (report.in_doubt, report.erased);
    unchanged.still_waiting = report.still_waiting;
    assert_eq!(again, unchanged);
}

fn statuses() -> impl Strategy<Value = Vec<Status>> {
    let asked = Status::ALL.into_iter().filter(|status| *status != Status::Duplicate);
    subsequence(asked.collect::<Vec<_>>(), 0..=9)
}

fn on_doubt() -> impl Strategy<Value = OnDoubt> {
    select(vec![OnDoubt::Hold, OnDoubt::Resend])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Of histories as they come: contradictory, late, forged, of types that nobody knows.
    #[test]
    fn of_any_history(
        mut history in history(Shape::adversarial().deliveries(0..=12).broadcasts(2)),
        attempted in any::<bool>(),
        erased in proptest::collection::vec(any::<Index>(), 0..=3),
        statuses in statuses(),
        on_doubt in on_doubt(),
    ) {
        // Each delivery of a history has an attempt in doubt.
        history.events.retain(|(_, event)| attempted || event.event_type.as_str() != "attempted");
        block_on(async {
            let world = World::new();
            for name in ["history", "history-1"] {
                let broadcast = Broadcast::new(id(name), "general".parse().unwrap());
                world.tracker.plan(broadcast, []).await.unwrap();
            }
            Feeder::new(&history).shuffled().into_store(&**world.tracker.store()).await.unwrap();
            let rows = world.rows("history").await;
            for index in erased.iter().filter(|_| !rows.is_empty()) {
                let row = index.get(&rows).0.row().unwrap();
                world.erase(row.contact.as_str()).await;
            }
            follows_the_law(&world, "history", &statuses, on_doubt).await;
        });
    }

    /// Of what the planner planned: with duplicates, and texts that are no address.
    #[test]
    fn of_any_plan(
        people in contacts(0..=12),
        fates in proptest::collection::vec(select(Fate::ALL.to_vec()), 48),
        erased in proptest::collection::vec(any::<Index>(), 0..=3),
        statuses in statuses(),
        on_doubt in on_doubt(),
    ) {
        block_on(async {
            let world = World::planned(people.clone()).await;
            let rows = world.rows("old").await;
            let queued = rows.iter().filter(|(event, _)| matches!(event, Event::Queued(_)));
            for ((event, _), fate) in queued.zip(fates) {
                world.happens(event.row().unwrap().delivery, fate).await;
            }
            for index in erased.iter().filter(|_| !people.is_empty()) {
                world.erase(index.get(&people).id.as_str()).await;
            }
            follows_the_law(&world, "old", &statuses, on_doubt).await;
        });
    }
}
