//! Hand-made histories: good ones pass, each bad one is caught by the rule that it breaks.

use mailtrail_core::event::{ChainHash, Salt};
use mailtrail_core::{Expected, NewEvent};

use super::*;
use crate::conformance::events::{event, id, stream};

/// A log of events by number, each on a stream by number, in order.
fn log(events: &[(u32, u8)]) -> Vec<Envelope> {
    let mut versions: HashMap<u8, u64> = HashMap::new();
    let seal = |(index, (number, of)): (usize, &(u32, u8))| {
        let version = versions.entry(*of).or_default();
        let place = (Position::new(index as u64 + 1), stream(*of), Version::new(*version));
        *version += 1;
        let (salt, chain) = (Salt::from_bytes([0; 16]), ChainHash::default());
        Envelope::seal(place, chrono::DateTime::UNIX_EPOCH, event(*number), salt, chain)
    };
    events.iter().enumerate().map(seal).collect()
}

fn append(at: (u64, u64), expected: Expected, events: &[(u32, u8)], places: &[(u64, u64)]) -> Call {
    let add = |batch: AppendBatch, (number, of): &(u32, u8)| {
        let new: NewEvent = event(*number);
        batch.write(stream(*of), expected, vec![new])
    };
    let batch = events.iter().fold(AppendBatch::new(), add);
    let place = |((number, of), (version, position)): (&(u32, u8), &(u64, u64))| {
        let (version, position) = (Version::new(*version), Position::new(*position));
        StoredAt::new(id(*number), stream(*of), version, position, Known::No)
    };
    let places = events.iter().zip(places).map(place).collect();
    Call::new(at.0, at.1, What::Appended { batch, places })
}

fn head(at: (u64, u64), position: u64) -> Call {
    Call::new(at.0, at.1, What::Head { position: Position::new(position) })
}

fn page(at: (u64, u64), events: &[(u64, u32)], scanned_to: u64, head: u64) -> Call {
    let events = events.iter().map(|(at, number)| (Position::new(*at), id(*number))).collect();
    let (scanned_to, head) = (Position::new(scanned_to), Position::new(head));
    Call::new(at.0, at.1, What::Log { after: Position::START, events, scanned_to, head })
}

fn rule(calls: &[Call], log: &[Envelope]) -> &'static str {
    check(calls, log).map_or_else(|violation| violation.rule, |()| "none")
}

#[test]
fn a_good_history_breaks_no_rule() {
    let calls = [
        append((0, 3), Expected::Any, &[(1, 1)], &[(0, 1)]),
        append((1, 2), Expected::NoStream, &[(2, 2)], &[(0, 2)]),
        // While both run, either may be seen.
        head((0, 1), 0),
        head((1, 3), 2),
        page((4, 5), &[(1, 1), (2, 2)], 2, 2),
        append((6, 7), Expected::Exact(Version::FIRST), &[(3, 1)], &[(1, 3)]),
    ];
    assert_eq!(check(&calls, &log(&[(1, 1), (2, 2), (3, 1)])), Ok(()));
}

#[test]
fn what_is_not_where_it_was_said_is_caught() {
    let lost = append((0, 1), Expected::Any, &[(1, 1)], &[(0, 1)]);
    assert_eq!(rule(std::slice::from_ref(&lost), &log(&[])), Violation::ACKNOWLEDGED);
    assert_eq!(rule(&[lost], &log(&[(2, 2), (1, 1)])), Violation::ACKNOWLEDGED);
}

#[test]
fn a_gap_in_versions_is_caught() {
    let mut gap = log(&[(1, 1), (2, 1)]);
    gap[1].version = Version::new(2);
    assert_eq!(rule(&[], &gap), Violation::COUNTED);
    let mut reordered = log(&[(1, 1), (2, 2)]);
    reordered.swap(0, 1);
    assert_eq!(rule(&[], &reordered), Violation::COUNTED);
}

#[test]
fn a_batch_before_one_that_was_acknowledged_before_it_began_is_caught() {
    let calls = [
        append((0, 1), Expected::Any, &[(1, 1)], &[(0, 2)]),
        append((2, 3), Expected::Any, &[(2, 2)], &[(0, 1)]),
    ];
    assert_eq!(rule(&calls, &log(&[(2, 2), (1, 1)])), Violation::REAL_TIME);
}

#[test]
fn an_expectation_that_did_not_hold_is_caught() {
    let calls = [
        append((0, 1), Expected::Any, &[(1, 1)], &[(0, 1)]),
        append((2, 3), Expected::NoStream, &[(2, 1)], &[(1, 2)]),
    ];
    assert_eq!(rule(&calls, &log(&[(1, 1), (2, 1)])), Violation::EXPECTED);
}

#[test]
fn a_conflict_that_was_never_true_is_caught() {
    let stored = append((0, 1), Expected::Any, &[(1, 1)], &[(0, 1)]);
    let conflict = |actual: Option<u64>| {
        let actual = actual.map(Version::new);
        let streams = vec![Mismatch::new(stream(1), Expected::NoStream, actual)];
        Call::new(2, 3, What::Conflict { streams })
    };
    let log = log(&[(1, 1)]);
    assert_eq!(rule(&[stored.clone(), conflict(Some(0))], &log), "none");
    assert_eq!(rule(&[stored.clone(), conflict(Some(1))], &log), Violation::CONFLICT);
    assert_eq!(rule(&[stored, conflict(None)], &log), Violation::CONFLICT);
}

#[test]
fn a_reader_that_misses_what_was_acknowledged_is_caught() {
    let stored = append((0, 1), Expected::Any, &[(1, 1)], &[(0, 1)]);
    let log = log(&[(1, 1)]);
    assert_eq!(rule(&[stored.clone(), head((2, 3), 0)], &log), Violation::PREFIX);
    let stream_read = |last: Option<Version>, events| {
        let what = What::Stream { stream: stream(1), from: Version::FIRST, events, last };
        Call::new(2, 3, what)
    };
    assert_eq!(rule(&[stored.clone(), stream_read(None, vec![])], &log), Violation::PREFIX);
    let other = stream_read(Some(Version::FIRST), vec![(Version::FIRST, id(9))]);
    assert_eq!(rule(&[stored, other], &log), Violation::PREFIX);
}

#[test]
fn a_reader_that_sees_what_had_not_begun_is_caught() {
    let stored = append((4, 5), Expected::Any, &[(1, 1)], &[(0, 1)]);
    assert_eq!(rule(&[head((0, 1), 1), stored], &log(&[(1, 1)])), Violation::PREFIX);
}

#[test]
fn an_event_below_a_position_that_was_passed_is_caught() {
    let calls = [
        append((0, 9), Expected::Any, &[(1, 1)], &[(0, 1)]),
        append((1, 2), Expected::Any, &[(2, 2)], &[(0, 2)]),
        page((3, 4), &[(2, 2)], 2, 2),
    ];
    assert_eq!(rule(&calls, &log(&[(1, 1), (2, 2)])), Violation::PASSED);
}

#[test]
fn a_head_within_a_batch_is_caught() {
    let calls =
        [append((0, 5), Expected::Any, &[(1, 1), (2, 2)], &[(0, 1), (0, 2)]), head((1, 2), 1)];
    assert_eq!(rule(&calls, &log(&[(1, 1), (2, 2)])), Violation::WHOLE);
}

#[test]
fn a_head_that_goes_back_is_caught() {
    let calls =
        [append((0, 9), Expected::Any, &[(1, 1)], &[(0, 1)]), head((1, 2), 1), head((3, 4), 0)];
    assert_eq!(rule(&calls, &log(&[(1, 1)])), Violation::GROWING);
}
