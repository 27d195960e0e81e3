//! What every projection promises, one check a promise.
//!
//! An event that can't be applied is skipped, as an operator may choose to; so each check fails for
//! its own law only.
//!
//! The examples hold this projection to them:
//!
//! ```
#![doc = include_str!("confirmed.rs")]
//! ```

use std::collections::HashMap;
use std::fmt::Debug;

use mailtrail_core::event::{Envelope, EventType};
use mailtrail_core::projection::{AsOf, Projection};
use mailtrail_core::store::{Position, Version};
use mailtrail_core::{Join, StreamId};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::strategy::{Shape, history};

/// The same log gives the same state, however often the same projection reads it.
///
/// ```
/// # mod confirmed { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/law/confirmed.rs")); }
/// # use confirmed::Confirmed;
/// use mailtrail_testkit::law::projection as law;
/// law::examine(|log, _, _| law::deterministic(&Confirmed, log))?;
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// The two states.
pub fn deterministic<P: Projection>(
    projection: &P,
    envelopes: &[Envelope],
) -> Result<(), TestCaseError>
where
    P::State: PartialEq + Debug,
{
    let (first, second) = (build(projection, envelopes), build(projection, envelopes));
    prop_assert_eq!(first, second, "law broken: applying is deterministic");
    Ok(())
}

/// Going on from a kept state, in batches of any size, gives the same as building it anew.
///
/// ```
/// # mod confirmed { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/law/confirmed.rs")); }
/// # use confirmed::Confirmed;
/// use mailtrail_testkit::law::projection as law;
/// law::examine(|log, number, _| law::batches(|| Confirmed, log, number))?;
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// The two states.
pub fn batches<P: Projection>(
    new: impl Fn() -> P,
    envelopes: &[Envelope],
    size: usize,
) -> Result<(), TestCaseError>
where
    P::State: PartialEq + Debug + Clone,
{
    let rebuilt = build(&new(), envelopes);
    let projection = new();
    let mut kept = P::State::default();
    for batch in envelopes.chunks(size.max(1)) {
        let mut resumed = kept.clone();
        extend(&projection, &mut resumed, batch);
        kept = resumed;
    }
    prop_assert_eq!(kept, rebuilt, "law broken: rebuilt = incremental, in batches of {}", size);
    Ok(())
}

/// What the filter excludes never changes the state: a log without those events gives the same.
/// (So a state holds no positions; its checkpoint does.)
///
/// ```
/// # mod confirmed { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/law/confirmed.rs")); }
/// # use confirmed::Confirmed;
/// use mailtrail_testkit::law::projection as law;
/// law::examine(|log, _, _| law::filter(|| Confirmed, log))?;
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// The two states.
pub fn filter<P: Projection>(
    new: impl Fn() -> P,
    envelopes: &[Envelope],
) -> Result<(), TestCaseError>
where
    P::State: PartialEq + Debug,
{
    let wanted = new().filter();
    let mut alone: Vec<Envelope> = envelopes.to_vec();
    alone.retain(|envelope| wanted.matches(envelope.stream, &envelope.event.event_type));
    let mut lengths: HashMap<StreamId, u64> = HashMap::new();
    for (envelope, position) in alone.iter_mut().zip(1..) {
        let length = lengths.entry(envelope.stream).or_default();
        (envelope.position, envelope.version) = (Position::new(position), Version::new(*length));
        *length += 1;
    }
    let (with, without) = (build(&new(), envelopes), build(&new(), &alone));
    prop_assert_eq!(with, without, "law broken: what the filter excludes changes nothing");
    Ok(())
}

/// Bounded by a position, it gives what the log gave when it ended there: also if the same
/// projection has read what came later.
///
/// ```
/// # mod confirmed { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/law/confirmed.rs")); }
/// # use confirmed::Confirmed;
/// use mailtrail_testkit::law::projection as law;
/// law::examine(|log, number, _| law::as_of(|| Confirmed, log, number))?;
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// The two states.
pub fn as_of<P: Projection>(
    new: impl Fn() -> P,
    envelopes: &[Envelope],
    at: usize,
) -> Result<(), TestCaseError>
where
    P::State: PartialEq + Debug,
{
    let shorter = envelopes.get(..at).unwrap_or(envelopes);
    let bound = AsOf::Position(shorter.last().map_or(Position::default(), |last| last.position));
    let then = build(&new(), shorter);
    let projection = new();
    build(&projection, envelopes);
    let admitted: Vec<_> = envelopes.iter().filter(|e| bound.admits(e)).cloned().collect();
    let now = build(&projection, &admitted);
    prop_assert_eq!(now, then, "law broken: as of {:?} = the log that ended there", bound);
    Ok(())
}

/// An event of a type that nobody knows can be applied.
///
/// ```
/// # mod confirmed { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/law/confirmed.rs")); }
/// # use confirmed::Confirmed;
/// use mailtrail_testkit::law::projection as law;
/// law::examine(|log, _, _| law::unknown_types(&Confirmed, log))?;
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// The event that can't.
pub fn unknown_types<P: Projection>(
    projection: &P,
    envelopes: &[Envelope],
) -> Result<(), TestCaseError> {
    let mut state = P::State::default();
    for envelope in envelopes {
        let mut newer = envelope.clone();
        newer.event.event_type = EventType::from("from_the_future");
        // A projection that asks for named types never gets this one.
        if projection.filter().matches(newer.stream, &newer.event.event_type)
            && let Err(error) = projection.apply(&newer, &mut state)
        {
            return Err(TestCaseError::fail(format!(
                "law broken: unknown types break nothing: {error}"
            )));
        }
    }
    Ok(())
}

/// An event that can't be applied leaves the state as it was.
///
/// ```
/// # mod confirmed { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/law/confirmed.rs")); }
/// # use confirmed::Confirmed;
/// use mailtrail_testkit::law::projection as law;
/// law::examine(|log, _, _| law::refusal(&Confirmed, log))?;
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// The two states.
pub fn refusal<P: Projection>(projection: &P, envelopes: &[Envelope]) -> Result<(), TestCaseError>
where
    P::State: PartialEq + Debug + Clone,
{
    let mut state = P::State::default();
    for envelope in wanted(projection, envelopes) {
        let before = state.clone();
        if projection.apply(envelope, &mut state).is_err() {
            let of = &envelope.event.event_type;
            prop_assert_eq!(&state, &before, "law broken: a refused {} changes nothing", of);
        }
    }
    Ok(())
}

/// Two orders of the same events, with repetitions, give the same state.
///
/// ```
/// # mod confirmed { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/law/confirmed.rs")); }
/// # use confirmed::Confirmed;
/// use mailtrail_testkit::law::projection as law;
/// law::examine(|log, _, shuffled| law::order_free(|| Confirmed, log, shuffled))?;
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// The two states.
pub fn order_free<P: Projection>(
    new: impl Fn() -> P,
    straight: &[Envelope],
    shuffled: &[Envelope],
) -> Result<(), TestCaseError>
where
    P::State: PartialEq + Debug,
{
    let (one, other) = (build(&new(), straight), build(&new(), shuffled));
    prop_assert_eq!(one, other, "law broken: order and repetition do not matter");
    Ok(())
}

/// Partitioned by stream and joined, it gives what one fold gives.
///
/// ```
/// # mod confirmed { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/law/confirmed.rs")); }
/// # use confirmed::Confirmed;
/// use mailtrail_testkit::law::projection as law;
/// law::examine(|log, number, _| law::partitioned(|| Confirmed, log, number))?;
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// The two states.
pub fn partitioned<P: Projection>(
    new: impl Fn() -> P,
    envelopes: &[Envelope],
    parts: usize,
) -> Result<(), TestCaseError>
where
    P::State: PartialEq + Debug + Join,
{
    let whole = build(&new(), envelopes);
    let mut joined = P::State::default();
    for part in 0..parts.max(1) {
        let of_part = |e: &&Envelope| usize::from(e.stream.id()[0]) % parts.max(1) == part;
        let envelopes: Vec<_> = envelopes.iter().filter(of_part).cloned().collect();
        joined.join(build(&new(), &envelopes));
    }
    prop_assert_eq!(joined, whole, "law broken: partitioned and joined = one fold");
    Ok(())
}

fn build<P: Projection>(projection: &P, envelopes: &[Envelope]) -> P::State {
    let mut state = P::State::default();
    extend(projection, &mut state, envelopes);
    state
}

fn extend<P: Projection>(projection: &P, state: &mut P::State, envelopes: &[Envelope]) {
    for envelope in wanted(projection, envelopes) {
        // Refused events are skipped: `refusal` is the law that looks at them.
        let _skipped = projection.apply(envelope, state);
    }
}

fn wanted<'a, P: Projection>(
    projection: &P,
    envelopes: &'a [Envelope],
) -> impl Iterator<Item = &'a Envelope> {
    let filter = projection.filter();
    envelopes.iter().filter(move |e| filter.matches(e.stream, &e.event.event_type))
}

/// A `#[test]` for each law that a projection has to keep; the name of a red one is the law.
///
/// The projection is an expression that makes one. Its state is `PartialEq + Debug + Clone`. Say
/// `order_free` if order and repetition of events must not matter to it, and `join` if, beside that,
/// its state is a [`Join`] whose parts may be built apart. Each use stands in a module of its own.
///
/// ```
/// use mailtrail_core::event::Envelope;
/// use mailtrail_core::projection::{ApplyError, Projection};
/// use mailtrail_core::store::Filter;
/// /// Counts complaints.
/// struct Complaints;
/// impl Projection for Complaints {
///     type State = u64;
///     fn name(&self) -> &'static str { "complaints" }
///     fn revision(&self) -> u32 { 1 }
///     fn filter(&self) -> Filter { Filter::all().event_type("complained") }
///     fn apply(&self, _: &Envelope, state: &mut u64) -> Result<(), ApplyError> {
///         *state += 1;
///         Ok(())
///     }
/// }
/// mod laws {
///     mailtrail_testkit::projection_laws!(super::Complaints);
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! projection_laws {
    ($projection:expr) => {
        $crate::projection_laws! { @test $projection,
            applying_is_deterministic: |e, _n, _s| $crate::law::projection::deterministic(&$projection, e);
            any_split_into_batches_gives_the_same: |e, n, _s| $crate::law::projection::batches(|| $projection, e, n);
            what_the_filter_excludes_changes_nothing: |e, _n, _s| $crate::law::projection::filter(|| $projection, e);
            as_of_is_the_shorter_log: |e, n, _s| $crate::law::projection::as_of(|| $projection, e, n);
            unknown_types_break_nothing: |e, _n, _s| $crate::law::projection::unknown_types(&$projection, e);
            a_refused_event_changes_nothing: |e, _n, _s| $crate::law::projection::refusal(&$projection, e);
        }
    };
    ($projection:expr, order_free) => {
        $crate::projection_laws!($projection);
        $crate::projection_laws! { @test $projection,
            order_and_repetition_do_not_matter: |e, _n, s| $crate::law::projection::order_free(|| $projection, e, s);
        }
    };
    ($projection:expr, join) => {
        $crate::projection_laws!($projection, order_free);
        $crate::projection_laws! { @test $projection,
            parts_join_to_the_whole: |e, n, _s| $crate::law::projection::partitioned(|| $projection, e, n);
        }
    };
    (@test $projection:expr, $($name:ident: |$e:pat_param, $n:pat_param, $s:pat_param| $check:expr;)+) => {
        $(
            #[test]
            fn $name() {
                $crate::law::projection::hold(|$e, $n, $s| $check);
            }
        )+
    };
}

/// Holds a check to generated histories: as stored, with a number, and shuffled with repetitions.
///
/// # Panics
/// With the law that is broken; the least history that breaks it is kept, see
/// [`reproduction`](crate::reproduction).
#[doc(hidden)]
#[expect(clippy::panic, reason = "the body of a test")]
pub fn hold(check: impl Fn(&[Envelope], usize, &[Envelope]) -> Result<(), TestCaseError>) {
    if let Err(failure) = examine(check) {
        panic!("{failure}");
    }
}

/// Holds a check to generated histories: as stored, with a number from 1 to 39, and shuffled with repetitions.
///
/// ```
/// use mailtrail_testkit::law::projection::examine;
/// use mailtrail_testkit::proptest::prelude::*;
/// examine(|log, number, shuffled| {
///     prop_assert!(number > 0 && shuffled.len() >= log.len());
///     Ok(())
/// })?;
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// The law that is broken, and where the history is.
pub fn examine(
    check: impl Fn(&[Envelope], usize, &[Envelope]) -> Result<(), TestCaseError>,
) -> Result<(), String> {
    crate::reproduction::begin();
    // Every run draws other histories; what fails is kept as a file, not as a seed.
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let inputs = (history(Shape::adversarial()), 1_usize..40);
    let outcome = runner.run(&inputs, |(history, number)| {
        let stored = crate::Feeder::new(&history).stored();
        let shuffled = crate::Feeder::new(&history).repeated(1..=3).envelopes();
        check(&stored, number, &shuffled).map_err(|error| {
            let kept = crate::reproduction::keep(&stored);
            TestCaseError::fail(format!("{error}\nseed {}, number {number}; {kept}", history.seed))
        })
    });
    outcome.map_err(|failure| match failure {
        proptest::test_runner::TestError::Fail(why, _) => why.to_string(),
        abort @ proptest::test_runner::TestError::Abort(_) => abort.to_string(),
    })
}
