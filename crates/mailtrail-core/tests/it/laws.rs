//! The laws of evidence, status and fold (design, section 1).

use mailtrail_core::event::Envelope;
use mailtrail_core::fold::Fold;
use mailtrail_core::{Event, Evidence, Fact, Join, Status};
use mailtrail_testkit::proptest::prelude::*;
use mailtrail_testkit::strategy::{History, Shape, fact, history};
use mailtrail_testkit::{Feeder, law};

fn fold(envelopes: &[Envelope]) -> Fold {
    let mut fold = Fold::default();
    for envelope in envelopes {
        fold.add(envelope);
    }
    fold
}

/// Evidence of some of a history's events, as if all were of one delivery.
fn evidence(history: &History, pick: u64) -> Evidence {
    let mut evidence = Evidence::default();
    for (index, envelope) in Feeder::new(history).envelopes().iter().enumerate() {
        if pick >> (index % 64) & 1 == 1 {
            evidence.add_envelope(envelope);
        }
    }
    evidence
}

fn statuses(fold: &Fold, history: &History) -> Vec<Status> {
    history.planned.iter().map(|delivery| fold.evidence(*delivery).status()).collect()
}

proptest! {
    /// Law 1.
    #[test]
    fn join_of_evidence_is_a_semilattice(
        h in history(Shape::adversarial()), a: u64, b: u64, c: u64,
    ) {
        law::join(&evidence(&h, a), &evidence(&h, b), &evidence(&h, c))?;
    }

    /// Law 1, of whole folds.
    #[test]
    fn join_of_folds_is_a_semilattice(h in history(Shape::adversarial()), cut: (usize, usize)) {
        let envelopes = Feeder::new(&h).envelopes();
        let at = |n: usize| n % (envelopes.len() + 1);
        let (a, b) = (fold(&envelopes[..at(cut.0)]), fold(&envelopes[at(cut.1)..]));
        law::join(&a, &b, &fold(&envelopes))?;
    }

    /// Law 2.
    #[test]
    fn status_is_a_homomorphism(h in history(Shape::adversarial()), a: u64, b: u64) {
        law::homomorphism(Evidence::status, &evidence(&h, a), &evidence(&h, b))?;
    }

    /// Law 2: the floor is a function of type and data alone.
    #[test]
    fn a_floor_survives_storage(fact in fact(Vec::new(), Vec::new())) {
        let data = fact.encode().unwrap();
        let again = Fact::decode(&fact.event.type_name().into(), Fact::SCHEMA, &data).unwrap();
        prop_assert_eq!(again.floor(), fact.floor());
        prop_assert_eq!(again, fact);
    }

    /// Law 3.
    #[test]
    fn order_and_repetition_do_not_matter(h in history(Shape::adversarial()), seed: u64) {
        let straight = fold(&Feeder::new(&h).envelopes());
        let shuffled = fold(&Feeder::new(&h).repeated(1..=4).shuffled_by(seed).envelopes());
        prop_assert_eq!(shuffled, straight);
    }

    /// Law 4.
    #[test]
    fn logs_fold_apart_and_join(h in history(Shape::adversarial()), side: u64, both: u64) {
        let all = Feeder::new(&h).envelopes();
        let bit = |mask: u64, index: usize| mask >> (index % 64) & 1 == 1;
        let part = |mask: u64| {
            let chosen = all.iter().enumerate().filter(|(i, _)| bit(mask, *i) || bit(both, *i));
            fold(&chosen.map(|(_, envelope)| envelope.clone()).collect::<Vec<_>>())
        };
        let mut joined = part(side);
        joined.join(part(!side));
        prop_assert_eq!(joined, fold(&all));
    }

    /// Laws 2 and 5: as events come in, evidence grows and no status moves back.
    #[test]
    fn evidence_only_grows(h in history(Shape::adversarial()), seed: u64) {
        let mut fold = Fold::default();
        let mut before = statuses(&fold, &h);
        for envelope in Feeder::new(&h).shuffled_by(seed).envelopes() {
            let known: Vec<Evidence> = h.planned.iter().map(|id| fold.evidence(*id)).collect();
            fold.add(&envelope);
            for (id, known) in h.planned.iter().zip(known) {
                let now = fold.evidence(*id);
                let mut joined = known.clone();
                joined.join(now.clone());
                prop_assert_eq!(&joined, &now, "what was known is still in it");
                prop_assert!(now.attempts() >= known.attempts());
                prop_assert!(now.contradictions().len() >= known.contradictions().len());
            }
            let after = statuses(&fold, &h);
            prop_assert!(before.iter().zip(&after).all(|(before, after)| before <= after));
            before = after;
        }
    }

    /// Law 6.
    #[test]
    fn the_rows_add_up_at_every_moment(h in history(Shape::adversarial()), seed: u64) {
        let mut fold = Fold::default();
        let mut planned = 0;
        for envelope in Feeder::new(&h).shuffled_by(seed).envelopes() {
            fold.add(&envelope);
            planned += usize::from(envelope.fact().is_ok_and(|fact| fact.event.row().is_some()));
            let rows: Vec<Evidence> = fold
                .deliveries()
                .map(|delivery| fold.evidence(delivery))
                .filter(|evidence| evidence.planned().is_some())
                .collect();
            let count = |status| rows.iter().filter(|row| row.status() == status).count();
            prop_assert_eq!(Status::ALL.into_iter().map(count).sum::<usize>(), planned);
        }
    }

    /// Law 7.
    #[test]
    fn unknown_types_raise_nothing_and_are_counted(h in history(Shape::realistic()), at: prop::sample::Index) {
        let envelopes = Feeder::new(&h).envelopes();
        let mut stranger = envelopes[at.index(envelopes.len())].clone();
        stranger.event.event_id = mailtrail_core::EventId::from_bytes([0xee; 16]);
        stranger.event.event_type = "from_the_future".into();
        let known = fold(&envelopes);
        let mut more = known.clone();
        more.add(&stranger);
        prop_assert_eq!(statuses(&more, &h), statuses(&known, &h));
        let foreign = |fold: &Fold| {
            let concerned = more.concerned(stranger.stream);
            concerned.iter().map(|id| fold.evidence(*id).foreign()).sum::<usize>()
        };
        prop_assert_eq!(foreign(&more), foreign(&known) + more.concerned(stranger.stream).len());
    }

    /// A newer version's reasons and agents are read as far as they can be.
    #[test]
    fn newer_words_break_nothing(word in "[a-z_]{1,20}") {
        prop_assume!(mailtrail_core::reason::Reason::from_name(&word) == mailtrail_core::reason::Reason::Foreign);
        let data = format!(r#"{{"diagnosis":{{"reason":"{word}","fault":"{word}"}}}}"#);
        let bounced = Fact::decode(&"bounced".into(), 1, data.as_bytes()).unwrap();
        prop_assert_eq!(bounced.floor(), Some(Status::Bounced));
        let id = mailtrail_core::EventId::from_bytes([1; 16]);
        prop_assert_eq!(Evidence::of(id, None, &bounced).foreign(), 1);

        let data = format!(r#"{{"agent":"{word}_"}}"#);
        let opened = Fact::decode(&"opened".into(), 1, data.as_bytes()).unwrap();
        prop_assert_eq!(opened.floor(), None);
        prop_assert_eq!(Evidence::of(id, None, &opened).foreign(), 1);
    }
}

#[test]
fn an_open_without_a_recipient_raises_nobody() {
    use mailtrail_core::correlation::Attribution;
    let opened: Event = mailtrail_core::event::Opened::default().into();
    assert_eq!(Fact::new(opened.clone()).floor(), Some(Status::Opened));
    assert_eq!(Fact::new(opened).attributed(Attribution::Message).floor(), None);
}
