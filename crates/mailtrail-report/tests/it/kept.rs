//! Kept states: whatever the steps in which they were saved, they are what the events give.

use std::sync::Arc;

use mailtrail_core::event::Envelope;
use mailtrail_core::projection::{
    Checkpoint, KeptState, Pages, Parted, Projection, StateDigest, StateId, StateStore,
};
use mailtrail_core::{BroadcastId, Status};
use mailtrail_memory::MemoryStates;
use mailtrail_report::{BroadcastSummary, BroadcastSummaryState, EmailLog, EmailLogState, Query};
use mailtrail_testkit::Feeder;
use mailtrail_testkit::proptest::prelude::*;
use mailtrail_testkit::strategy::{Shape, history};

fn whole<P: Projection>(projection: &P, envelopes: &[Envelope]) -> P::State {
    let mut state = P::State::default();
    for envelope in envelopes {
        projection.apply(envelope, &mut state).unwrap();
    }
    state
}

/// The state saved now and then, and attached again now and then.
fn in_steps<P: Projection>(projection: &P, envelopes: &[Envelope], steps: u64) -> Pages
where
    P::State: KeptState,
{
    let (states, id) = (Arc::new(MemoryStates::default()), StateId::new("kept", 1));
    let pages = Pages::new(Arc::clone(&states) as Arc<dyn StateStore>, id.clone());
    let mut state = P::State::attach(&pages).unwrap();
    let mut kept = None;
    for (number, envelope) in envelopes.iter().enumerate() {
        projection.apply(envelope, &mut state).unwrap();
        let last = number + 1 == envelopes.len();
        if last || (steps >> (number % 64)) & 1 == 1 {
            let mut entries = Vec::new();
            state
                .take_changes(&mut |entry| {
                    entries.push(entry);
                    Ok(())
                })
                .unwrap();
            let to = Checkpoint::at(envelope.position);
            states.save(&id, kept.as_ref(), entries, &to).unwrap();
            kept = Some(to);
        }
        if (steps >> (number % 61)) & 3 == 3
            && kept.as_ref().map(|k| k.position) == Some(envelope.position)
        {
            state = P::State::attach(&pages).unwrap();
        }
    }
    pages
}

fn parts<P: Projection>(projection: &P, envelopes: &[Envelope], count: usize) -> P::State
where
    P::State: Parted,
{
    let of_part = |part: usize| {
        let own = |envelope: &&Envelope| usize::from(envelope.stream.id()[15]) % count == part;
        whole(projection, &envelopes.iter().filter(own).cloned().collect::<Vec<_>>())
    };
    P::State::of_parts((0..count).map(of_part).collect()).unwrap()
}

fn shuffled(h: &mailtrail_testkit::strategy::History, seed: u64) -> Vec<Envelope> {
    Feeder::new(h).shuffled_by(seed).envelopes()
}

proptest! {
    #[test]
    fn a_state_kept_in_steps_is_the_one_built_in_one_go(h in history(Shape::adversarial()), seed: u64, steps: u64) {
        let envelopes = shuffled(&h, seed);
        let log = in_steps(&EmailLog, &envelopes, steps);
        let mut in_memory = whole(&EmailLog, &envelopes);
        let kept = EmailLogState::attach(&log).unwrap();
        let query = Query::default();
        prop_assert_eq!(kept.rows(&query).unwrap(), in_memory.rows(&query).unwrap());
        prop_assert_eq!(kept.unmatched().unwrap(), in_memory.unmatched().unwrap());
        let address = "person0@a.example";
        prop_assert_eq!(kept.deliveries_to(address).unwrap(), in_memory.deliveries_to(address).unwrap());
        prop_assert_eq!(log.digest().unwrap(), StateDigest::of(&mut in_memory).unwrap());

        let summary = in_steps(&BroadcastSummary, &envelopes, steps);
        let mut in_memory = whole(&BroadcastSummary, &envelopes);
        prop_assert_eq!(
            BroadcastSummaryState::attach(&summary).unwrap().of_all().unwrap(),
            in_memory.of_all().unwrap()
        );
        prop_assert_eq!(summary.digest().unwrap(), StateDigest::of(&mut in_memory).unwrap());
    }

    #[test]
    fn parts_of_the_streams_are_together_the_whole(h in history(Shape::adversarial()), seed: u64, count in 1_usize..5) {
        let envelopes = shuffled(&h, seed);
        let digest = StateDigest::of(&mut whole(&EmailLog, &envelopes)).unwrap();
        prop_assert_eq!(StateDigest::of(&mut parts(&EmailLog, &envelopes, count)).unwrap(), digest);
        let digest = StateDigest::of(&mut whole(&BroadcastSummary, &envelopes)).unwrap();
        prop_assert_eq!(StateDigest::of(&mut parts(&BroadcastSummary, &envelopes, count)).unwrap(), digest);
    }

    #[test]
    fn the_summary_counts_what_the_email_log_shows_at_every_step(h in history(Shape::adversarial()), seed: u64) {
        let (mut log, mut summary) = (EmailLogState::default(), BroadcastSummaryState::default());
        for envelope in shuffled(&h, seed) {
            EmailLog.apply(&envelope, &mut log).unwrap();
            BroadcastSummary.apply(&envelope, &mut summary).unwrap();
            let shown = log.summary(&Query::default()).unwrap();
            prop_assert_eq!(&summary.of_all().unwrap(), &shown);
            prop_assert_eq!(summary.unmatched().unwrap(), log.unmatched().unwrap());
        }
        let rows = log.rows(&Query::default()).unwrap();
        for row in &rows {
            prop_assert_eq!(summary.status(row.delivery).unwrap(), row.status);
        }
        for broadcast in summary.broadcasts().unwrap() {
            let shown = rows.iter().filter(|row| *row.broadcast == *broadcast.as_str()).count();
            prop_assert_eq!(summary.of(&broadcast).unwrap().rows(), shown as u64);
        }
    }
}

#[test]
fn a_broadcast_that_nobody_knows_has_no_rows() {
    let unknown: BroadcastId = "unknown".parse().unwrap();
    let state = BroadcastSummaryState::default();
    assert_eq!(state.of(&unknown).unwrap().of(Status::Opened), 0);
    assert!(state.broadcasts().unwrap().is_empty());
}
