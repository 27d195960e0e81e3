//! A property test with the test kit: is a report of your own right whatever the order of events?
//!
//! `cargo run -p mailtrail --example property_test`; in your project it is a `#[test]`.

use mailtrail::core::event::Envelope;
use mailtrail::core::fold::Fold;
use mailtrail::core::{DeliveryId, Status};
use mailtrail_testkit::proptest::prelude::*;
use mailtrail_testkit::strategy::{Shape, history};
use mailtrail_testkit::{Feeder, law};

/// The report: how many deliveries reached their recipient.
fn reached(envelopes: &[Envelope], deliveries: &[DeliveryId]) -> usize {
    let mut fold = Fold::default();
    for envelope in envelopes {
        fold.add(envelope);
    }
    deliveries.iter().filter(|id| fold.evidence(**id).status() >= Status::Delivered).count()
}

fn main() {
    // A test keeps what failed in a file beside it; an example has no such place.
    let config = || ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() };
    proptest!(config(), |(h in history(Shape::adversarial()), seed: u64)| {
        let straight = Feeder::new(&h).envelopes();
        let shuffled = Feeder::new(&h).repeated(1..=4).shuffled(seed).envelopes();
        prop_assert_eq!(reached(&straight, &h.planned), reached(&shuffled, &h.planned));

        let mut before = 0;
        for step in 0..shuffled.len() {
            let now = reached(&shuffled[..step], &h.planned);
            prop_assert!(now >= before, "it never goes back");
            before = now;
        }
    });
    proptest!(config(), |(a in 0_usize..10, b in 0_usize..10)| {
        law::homomorphism(|status: &Status| *status, &Status::ALL[a], &Status::ALL[b])?;
    });
}
