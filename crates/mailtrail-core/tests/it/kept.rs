//! What is known of deliveries, kept in pages: a fold, with the same answers.

use std::collections::BTreeMap;

use mailtrail_core::event::Envelope;
use mailtrail_core::fold::Fold;
use mailtrail_core::projection::{Deliveries, Table, TableValue};
use mailtrail_core::{DeliveryId, Evidence, StreamId};
use mailtrail_testkit::Feeder;
use mailtrail_testkit::proptest::prelude::*;
use mailtrail_testkit::strategy::{Shape, history};

fn both(envelopes: &[Envelope]) -> (Fold, Deliveries<Evidence>) {
    let (mut fold, mut deliveries) = (Fold::default(), Deliveries::default());
    for envelope in envelopes {
        fold.add(envelope);
        deliveries.add(envelope, envelope.fact().ok().as_ref()).unwrap();
    }
    (fold, deliveries)
}

proptest! {
    #[test]
    fn deliveries_know_what_a_fold_knows(h in history(Shape::adversarial()), seed: u64) {
        let envelopes = Feeder::new(&h).shuffled_by(seed).envelopes();
        let (fold, deliveries) = both(&envelopes);
        for delivery in fold.deliveries() {
            prop_assert_eq!(deliveries.of(delivery).unwrap(), fold.evidence(delivery));
        }
        for stream in envelopes.iter().map(|envelope| envelope.stream) {
            prop_assert_eq!(deliveries.concerned(stream).unwrap(), fold.concerned(stream));
        }
        let unmatched = deliveries.unmatched(|evidence| evidence.planned().is_some()).unwrap();
        prop_assert_eq!(unmatched, fold.unmatched().count() as u64);
    }

    #[test]
    fn a_change_tells_what_an_event_changed(h in history(Shape::adversarial()), seed: u64) {
        let planned = |evidence: &Evidence| evidence.planned().is_some();
        let (mut told, mut plain) = (Deliveries::<Evidence>::default(), Deliveries::default());
        let of = |deliveries: &Deliveries<Evidence>, ids: &[DeliveryId]| {
            ids.iter().map(|id| deliveries.of(*id).unwrap()).collect::<Vec<_>>()
        };
        for envelope in Feeder::new(&h).shuffled_by(seed).envelopes() {
            let fact = envelope.fact().ok();
            let unmatched = plain.unmatched(planned).unwrap();
            let concerned = plain.concerned(envelope.stream).unwrap();
            let before = of(&plain, &concerned);
            plain.add(&envelope, fact.as_ref()).unwrap();
            let change = told.change(&envelope, fact.as_ref(), planned).unwrap();
            prop_assert_eq!(&told, &plain);
            let differ = before.into_iter().zip(of(&plain, &concerned));
            let known: Vec<_> = differ.filter(|(before, after)| before != after).collect();
            let unmatched_after = unmatched.checked_add_signed(change.unmatched());
            prop_assert_eq!(unmatched_after, Some(plain.unmatched(planned).unwrap()));
            prop_assert_eq!(change.into_known().collect::<Vec<_>>(), known);
        }
    }

    #[test]
    fn kept_evidence_is_the_same_evidence(h in history(Shape::adversarial()), seed: u64) {
        let (fold, _) = both(&Feeder::new(&h).shuffled_by(seed).envelopes());
        for delivery in fold.deliveries() {
            let evidence = fold.evidence(delivery);
            let bytes = evidence.encode().unwrap();
            prop_assert_eq!(Evidence::decode(&bytes).unwrap(), evidence);
            // Cut or longer, it is nothing else.
            if let Some((_, cut)) = bytes.split_last() {
                prop_assert!(Evidence::decode(cut).is_err() || cut.is_empty());
            }
        }
    }

    #[test]
    fn streams_come_back_from_their_bytes(id: [u8; 16], category in "[a-z]{1,15}") {
        let stream = StreamId::from_parts(mailtrail_core::id::Category::new(&category).unwrap(), id);
        prop_assert_eq!(StreamId::from_bytes(&stream.to_bytes()), Some(stream));
    }

    #[test]
    fn a_table_is_a_map(writes in prop::collection::vec((0_u8..40, 0_u64..9), 0..200)) {
        let (mut table, mut map) = (Table::<DeliveryId, u64>::new(b't'), BTreeMap::new());
        for (key, value) in writes {
            let key = DeliveryId::from_bytes([key; 16]);
            *table.get_mut(&key).unwrap() += value;
            *map.entry(key).or_insert(0) += value;
        }
        prop_assert_eq!(table.in_memory(), map.len());
        for key in (0..40).map(|key| DeliveryId::from_bytes([key; 16])) {
            let held = table.get(&key).unwrap().map(|value| *value);
            prop_assert_eq!(held, map.get(&key).copied());
        }
    }
}

/// Whoever changes this form raises the revision of every projection that keeps evidence: kept states of an older
/// form must not be read as the new one.
#[test]
fn the_kept_form_of_evidence_is_known() {
    use mailtrail_core::event::{Agent, Attempted, Bounced, Opened};
    use mailtrail_core::reason::Reason;
    use mailtrail_core::{Event, EventId, Fact};
    let mut evidence = Evidence::default();
    let mut opened = Opened::default();
    opened.agent = Agent::Human;
    let mut attempted = Attempted::default();
    attempted.attempt = 2;
    let events: [Event; 3] =
        [attempted.into(), Bounced::because(Reason::MailboxFull).into(), opened.into()];
    for (number, event) in (0_u8..).zip(events) {
        let at = chrono::DateTime::from_timestamp(1_700_000_000 + i64::from(number), 5);
        evidence.add(EventId::from_bytes([number; 16]), at, &Fact::new(event));
    }
    let hex = data_encoding::HEXLOWER.encode(&evidence.encode().unwrap());
    insta::assert_snapshot!(hex);
}
