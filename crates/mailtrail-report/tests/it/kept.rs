//! Kept states: whatever the steps in which they were saved, they are what the events give.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::DateTime;
use data_encoding::HEXLOWER;
use mailtrail_core::correlation::CorrelationKey;
use mailtrail_core::event::{
    Agent, Attempted, Bounced, BroadcastCreated, ChainHash, Complained, Delivered, Envelope,
    NotSelected, Opened, Queued, Row, Salt, Sent, Source,
};
use mailtrail_core::id::{Endpoint, Kind};
use mailtrail_core::projection::{
    Checkpoint, Entry, KeptState, Pages, Parted, Projection, StateDigest, StateError, StateId,
    StateStore,
};
use mailtrail_core::reason::Reason;
use mailtrail_core::{
    BroadcastId, DeliveryId, Event, EventId, Fact, Namespace, NewEvent, Position, Private, Status,
    StreamId, Version,
};
use mailtrail_memory::MemoryStates;
use mailtrail_report::{
    BroadcastSummary, BroadcastSummaryState, EmailLog, EmailLogRow, EmailLogState, OverTime, Query,
    Trails, TrailsState, UnmatchedFeedback,
};
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

/// The rows as they are visited, which is in no order.
fn visited(state: &EmailLogState, query: &Query) -> Vec<EmailLogRow> {
    let mut rows = Vec::new();
    let each = |row| {
        rows.push(row);
        Ok::<_, StateError>(())
    };
    state.visit_rows(query, each).unwrap();
    in_order(rows)
}

fn in_order(mut rows: Vec<EmailLogRow>) -> Vec<EmailLogRow> {
    rows.sort_unstable_by_key(|row| row.delivery);
    rows
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
        let rows = in_memory.rows(&query).unwrap();
        prop_assert_eq!(&kept.rows(&query).unwrap(), &rows);
        prop_assert_eq!(visited(&kept, &query), in_order(rows.clone()));
        prop_assert_eq!(visited(&in_memory, &query), in_order(rows));
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

        let trails = in_steps(&Trails, &envelopes, steps);
        let mut in_memory = whole(&Trails, &envelopes);
        prop_assert_eq!(
            UnmatchedFeedback::of(&kept, &TrailsState::attach(&trails).unwrap()).unwrap(),
            UnmatchedFeedback::of(&whole(&EmailLog, &envelopes), &in_memory).unwrap()
        );
        let attached = TrailsState::attach(&trails).unwrap();
        let now = DateTime::<chrono::Utc>::MAX_UTC;
        for broadcast in BroadcastSummaryState::attach(&summary).unwrap().broadcasts().unwrap() {
            let over_time = |trails| OverTime::of_broadcast(trails, &broadcast, 9, now).unwrap();
            prop_assert_eq!(over_time(&attached), over_time(&in_memory));
        }
        prop_assert_eq!(trails.digest().unwrap(), StateDigest::of(&mut in_memory).unwrap());
    }

    #[test]
    fn parts_of_the_streams_are_together_the_whole(h in history(Shape::adversarial()), seed: u64, count in 1_usize..5) {
        let envelopes = shuffled(&h, seed);
        let digest = StateDigest::of(&mut whole(&EmailLog, &envelopes)).unwrap();
        prop_assert_eq!(StateDigest::of(&mut parts(&EmailLog, &envelopes, count)).unwrap(), digest);
        let digest = StateDigest::of(&mut whole(&BroadcastSummary, &envelopes)).unwrap();
        prop_assert_eq!(StateDigest::of(&mut parts(&BroadcastSummary, &envelopes, count)).unwrap(), digest);
        let digest = StateDigest::of(&mut whole(&Trails, &envelopes)).unwrap();
        prop_assert_eq!(StateDigest::of(&mut parts(&Trails, &envelopes, count)).unwrap(), digest);
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

/// A log in which each part of both states has something: rows with and without an address, with labels and without, a
/// broadcast that follows another, evidence on a key's stream, of every rank, of nobody's
/// delivery, and of a type that is not known.
fn small_log() -> Vec<Envelope> {
    let [snow, again]: [BroadcastId; 2] = ["snow-day", "again"].map(|id| id.parse().unwrap());
    let kind: Kind = "emergency".parse().unwrap();
    let namespace = Namespace::from_bytes([7; 16]);
    let delivery = |number: u8| DeliveryId::from_bytes([number; 16]);
    let row = |number: u8, broadcast: &BroadcastId| {
        let contact = format!("c{number}").parse().unwrap();
        Row::new(delivery(number), broadcast.clone(), contact, kind.clone())
    };
    let key = |id: &str| {
        let endpoint = Endpoint::new("postmark").unwrap();
        StreamId::key(&namespace, &CorrelationKey::new(endpoint, id, "ann@a.example"))
    };
    let mut created = BroadcastCreated::new(again.clone(), kind.clone());
    created.follows = Some(snow.clone());
    let mut sent = Sent::default();
    sent.keys = vec![key("m-1")];
    let mut opened = Opened::default();
    opened.agent = Agent::Human;
    let mut attempted = Attempted::default();
    attempted.attempt = 2;
    let steps: Vec<(StreamId, Event)> = vec![
        (StreamId::broadcast(&namespace, &again), created.into()),
        (StreamId::delivery(delivery(1)), Queued::new(row(1, &snow)).into()),
        (StreamId::delivery(delivery(2)), NotSelected::new(row(2, &snow), 3).into()),
        (StreamId::delivery(delivery(3)), Queued::new(row(3, &again)).into()),
        (StreamId::delivery(delivery(1)), sent.into()),
        (key("m-1"), Delivered::default().into()),
        (key("m-1"), opened.into()),
        (key("m-1"), Bounced::because(Reason::MailboxFull).into()),
        (key("m-1"), Complained::default().into()),
        (StreamId::delivery(delivery(3)), attempted.into()),
        (StreamId::delivery(delivery(3)), Delivered::default().into()),
        (key("m-2"), Delivered::default().into()),
    ];
    let mut private = Private::default();
    private.name = Some("Ann".into());
    private.address = Some("Ann@a.example".into());
    private.normal_address = Some("ann@a.example".into());
    private.subject = Some("Closed today".into());
    private.labels = [("school".to_owned(), "North".to_owned())].into();
    let mut versions: BTreeMap<StreamId, u64> = BTreeMap::new();
    let mut previous = ChainHash::default();
    let sealed = |(number, (stream, event)): (u8, (StreamId, Event))| {
        let private = if number == 2 { private.clone() } else { Private::default() };
        let (id, source) = (EventId::from_bytes([number; 16]), Source::known("golden"));
        let at = DateTime::from_timestamp(1_700_000_000 + i64::from(number), 5).unwrap();
        let mut event = NewEvent::new(id, &Fact::new(event), &private, source).unwrap();
        event = event.occurred_at(Some(at));
        if number == 11 {
            event.event_type = "of_a_newer_version".into();
        }
        let version = versions.entry(stream).or_default();
        let place = (Position::new(number.into()), stream, Version::new(*version));
        *version += 1;
        let envelope = Envelope::seal(place, at, event, Salt::default(), previous);
        previous = envelope.hash;
        envelope
    };
    (1_u8..).zip(steps).map(sealed).collect()
}

/// The entries of a state of the small log, one a line, below its revision.
fn kept_form<P: Projection>(projection: &P) -> String
where
    P::State: KeptState,
{
    let mut entries = Vec::new();
    let mut take = |entry| {
        entries.push(entry);
        Ok(())
    };
    whole(projection, &small_log()).take_changes(&mut take).unwrap();
    entries.sort();
    let line = |entry: &Entry| {
        format!("{} {}\n", HEXLOWER.encode(&entry.key), HEXLOWER.encode(&entry.value))
    };
    let revision = format!("{}, revision {}\n", projection.name(), projection.revision());
    revision + &entries.iter().map(line).collect::<String>()
}

/// Whoever changes these forms raises the revision of the projection with them: kept states of an older form must not
/// be read as the new one.
#[test]
fn the_kept_form_of_the_email_log_is_known() {
    insta::assert_snapshot!(kept_form(&EmailLog));
}

/// As [`the_kept_form_of_the_email_log_is_known`].
#[test]
fn the_kept_form_of_the_broadcast_summary_is_known() {
    insta::assert_snapshot!(kept_form(&BroadcastSummary));
}

/// As [`the_kept_form_of_the_email_log_is_known`].
#[test]
fn the_kept_form_of_the_trails_is_known() {
    insta::assert_snapshot!(kept_form(&Trails));
}
