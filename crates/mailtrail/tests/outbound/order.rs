//! Whatever the receiver answers and however often the sender is started again.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use mailtrail::core::fold::Fold;
use mailtrail::core::{DeliveryId, Envelope, EventStoreExt, Evidence, Status};
use mailtrail::outbound::{HttpPoster, Wanted};
use mailtrail::webhook::outbound::Schedule;
use mailtrail_testkit::Feeder;
use mailtrail_testkit::strategy::{Shape, history};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::receiver::{Came, Receiver, Reply};
use crate::world::{World, loopback, poster, subscriber};

/// What every delivery has to be told, by the fold of the whole log, event by event.
fn expected(events: &[Envelope]) -> BTreeMap<String, Vec<(String, String, String)>> {
    let shown = |evidence: &Evidence| {
        if evidence.planned().is_some() { evidence.status() } else { Status::Unsent }
    };
    let (mut fold, mut told) = (Fold::default(), BTreeMap::<_, Vec<_>>::new());
    let mut statuses = BTreeMap::<DeliveryId, Status>::new();
    for envelope in events {
        fold.add(envelope);
        for delivery in fold.concerned(envelope.stream) {
            let now = shown(&fold.evidence(delivery));
            let before = statuses.insert(delivery, now).unwrap_or(Status::Unsent);
            if before != now {
                let event = envelope.event.event_id.to_string();
                let change = (before.code().to_owned(), now.code().to_owned(), event);
                told.entry(delivery.to_string()).or_default().push(change);
            }
        }
    }
    told
}

/// What was taken for the first time, by deliveries, in order.
fn told(came: &[Came]) -> BTreeMap<String, Vec<(String, String, String)>> {
    let (mut seen, mut told) = (BTreeMap::new(), BTreeMap::<_, Vec<_>>::new());
    for came in came {
        let text = |name: &str| came.body["data"][name].as_str().unwrap().to_owned();
        match seen.insert(came.id.clone(), came.bytes.clone()) {
            Some(before) => assert_eq!(before, came.bytes, "an id means one message"),
            None if came.body["type"] == "status_changed" => {
                let change = (text("from"), text("to"), text("event"));
                told.entry(text("delivery")).or_default().push(change);
            }
            None => {}
        }
    }
    told
}

/// One after the other of a delivery: nothing comes before what is older was taken.
fn assert_no_overtaking(came: &[Came]) {
    let mut taken = BTreeMap::<&str, bool>::new();
    let mut last = BTreeMap::<&str, &str>::new();
    for came in came.iter().filter(|came| came.body["type"] == "status_changed") {
        let delivery = came.body["data"]["delivery"].as_str().unwrap();
        let before = last.insert(delivery, &came.id);
        if let Some(before) = before.filter(|before| *before != came.id) {
            assert!(taken[before], "{} overtook {before}", came.id);
        }
        *taken.entry(&came.id).or_default() |= came.taken;
    }
}

/// Answers by chance.
fn by_chance(seed: u64) -> impl FnMut(&serde_json::Value) -> Reply + Send {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    move |_| match random.random_range(0..20) {
        0..3 => Reply::Status(503),
        3..5 => Reply::Status(429),
        5 => Reply::Status(404),
        6 => Reply::TakeAndHang,
        _ => Reply::Status(204),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn each_delivery_is_told_its_folded_statuses_in_order_whatever_fails(
        h in history(Shape::adversarial().events(1..=30)), order: u64, seed: u64,
    ) {
        let world = World::new();
        let receiver = Receiver::start(by_chance(seed));
        let often = Schedule::new([Duration::ZERO, Duration::from_millis(1)].into_iter().cycle().take(200));
        let to = |receiver: &Receiver| {
            let poster: HttpPoster = poster(&receiver.url(), loopback());
            subscriber(poster.timeout(Duration::from_millis(60)))
                .schedule(often.clone())
                .wanted(["status_changed", "bounced", "custom"].into_iter().collect::<Wanted>())
        };
        let fed = Feeder::new(&h).shuffled_by(order).batched(1..=4);
        let all = fed.events().to_vec();
        let (first, rest) = all.split_at(all.len() / 2);

        let record = |events: &[_]| {
            pollster::block_on(world.tracker.store().record(events.to_vec())).unwrap();
        };
        record(first);
        let outbound = world.start(to(&receiver));
        world.through(&outbound);
        drop(outbound);
        // As after a crash: what was kept is older than what was sent.
        let kept = fs::read(world.kept("crm")).unwrap();
        record(rest);
        world.through(&world.start(to(&receiver)));
        fs::write(world.kept("crm"), &kept).unwrap();
        world.through(&world.start(to(&receiver)));

        let events = world.events();
        prop_assert_eq!(told(&receiver.taken()), expected(&events));
        let bounced = events.iter().filter(|event| event.event.event_type.as_str() == "bounced");
        for event in bounced {
            let id = event.event.event_id.to_string();
            let came = receiver.taken().into_iter();
            let mut of = came.filter(|came| came.body["type"] == "bounced" && came.body["data"]["event_id"] == *id);
            prop_assert!(of.next().is_some(), "event {} is lost", id);
        }
        let head = pollster::block_on(world.tracker.store().head()).unwrap();
        prop_assert_eq!(world.folder_of("crm").kept().unwrap().unwrap().position, head.position);
    }
}

#[test]
fn a_message_never_overtakes_an_older_one_of_its_delivery() {
    let world = World::new();
    let deliveries = world.plan("snow-day", &["ann", "bob", "eve", "joe"]);
    for delivery in &deliveries {
        world.bounced(*delivery);
        world.delivered(*delivery);
    }
    for seed in 0..8 {
        let receiver = Receiver::start(by_chance(seed));
        let often = Schedule::new([Duration::ZERO; 100]);
        let poster = poster(&receiver.url(), loopback()).timeout(Duration::from_millis(60));
        let name = format!("crm{seed}");
        let crm = mailtrail::outbound::Subscriber::new(&name, poster).unwrap().schedule(often);
        world.through(&world.start(crm));
        let came = receiver.came();
        assert_no_overtaking(&came);
        assert_eq!(told(&came).values().map(Vec::len).sum::<usize>(), 8);
    }
}
