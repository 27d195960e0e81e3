//! A property test with the test kit: is a report of your own right whatever the order of events?
//!
//! `cargo run -p mailtrail --example property_test`; in your project it is a `#[test]`.

use mailtrail::core::Status;
use mailtrail::core::fold::Fold;
use mailtrail_testkit::Feeder;
use mailtrail_testkit::proptest::prelude::*;
use mailtrail_testkit::strategy::{History, Shape, history};

/// The report: how many of the planned deliveries reached their recipient.
fn reached(fold: &Fold, h: &History) -> usize {
    h.planned.iter().filter(|id| fold.evidence(**id).status() >= Status::Delivered).count()
}

fn main() {
    // A test keeps what failed in a file beside it; an example has no such place.
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() };
    proptest!(config, |(h in history(Shape::adversarial().late(0.05).repeats(1..=5)))| {
        let run = |feeder: Feeder| {
            feeder.into_fold(Fold::default(), |fold, envelope| { fold.add(envelope); })
        };
        let straight = reached(&run(Feeder::new(&h)).state()?, &h);
        run(Feeder::new(&h).shuffled()).assert_end(|end| reached(end, &h) == straight)?;
        // It never goes back.
        run(Feeder::new(&h).shuffled())
            .assert_each_step(|before, after| reached(after, &h) >= reached(before, &h))?;
    });
}
