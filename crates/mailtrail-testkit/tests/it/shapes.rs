//! A shape gives what it says: at a share of nothing, and at a share of everything.

use mailtrail_core::event::{Authenticity, Envelope};
use mailtrail_core::fold::Fold;
use mailtrail_testkit::Feeder;
use mailtrail_testkit::proptest::prelude::*;
use mailtrail_testkit::strategy::{Shape, history};

/// What is neither planning nor the attempt that comes with it.
fn feedback(envelopes: &[Envelope]) -> impl Iterator<Item = &Envelope> {
    envelopes.iter().filter(|e| e.event.occurred_at.is_some())
}

proptest! {
    #[test]
    fn a_share_of_nothing_gives_none(h in history(Shape::realistic())) {
        for envelope in Feeder::new(&h).envelopes() {
            prop_assert!(envelope.fact().is_ok());
            prop_assert_eq!(envelope.event.provenance.authenticity, Authenticity::Observed);
        }
    }

    #[test]
    fn a_share_of_everything_gives_all(
        h in history(Shape::realistic().forged(1.0).lying_clocks(1.0).unknown(1.0).late(1.0).events(1..=4)),
    ) {
        let envelopes = Feeder::new(&h).envelopes();
        prop_assert!(feedback(&envelopes).count() > 0);
        for envelope in feedback(&envelopes) {
            prop_assert!(!envelope.event.provenance.authenticity.is_authenticated());
            prop_assert!(envelope.fact().is_err(), "nobody knows it");
            let at = envelope.event.occurred_at.unwrap().timestamp();
            prop_assert!([978_307_200, 2_556_144_000].contains(&at));
        }
        let first = envelopes.iter().position(|e| e.event.occurred_at.is_some()).unwrap();
        prop_assert!(feedback(&envelopes[first..]).count() == envelopes.len() - first, "late comes last");
    }

    #[test]
    fn what_is_repeated_comes_so_often(h in history(Shape::realistic().repeats(3..=3))) {
        prop_assert_eq!(Feeder::new(&h).envelopes().len(), 3 * h.events.len());
        prop_assert_eq!(Feeder::new(&h).stored().len(), h.events.len());
    }

    #[test]
    fn erased_events_say_the_same(h in history(Shape::adversarial())) {
        let fold = |feeder: Feeder| {
            feeder.into_fold(Fold::default(), |fold, envelope| { fold.add(envelope); }).state()
        };
        let erased = Feeder::new(&h).erased();
        prop_assert!(erased.envelopes().iter().any(Envelope::is_erased));
        prop_assert_eq!(fold(erased)?, fold(Feeder::new(&h))?);
    }
}
