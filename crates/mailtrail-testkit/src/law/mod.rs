//! The laws, as checks that anyone can call on their own types.

pub mod projection;

use std::fmt::Debug;

use mailtrail_core::event::Envelope;
use mailtrail_core::projection::Projection;
use mailtrail_core::{Join, Status};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

/// Join is commutative, associative and idempotent, `Default` is its identity, and its answer says
/// whether it grew.
///
/// ```
/// use mailtrail_core::Status;
/// use mailtrail_testkit::law;
/// law::join(&Status::Sent, &Status::Bounced, &Status::Opened)?;
/// # Ok::<(), mailtrail_testkit::proptest::test_runner::TestCaseError>(())
/// ```
///
/// # Errors
/// The law that does not hold, with the values.
pub fn join<T: Join + Clone + PartialEq + Debug>(a: &T, b: &T, c: &T) -> Result<(), TestCaseError> {
    prop_assert_eq!(joined(a, b), joined(b, a), "commutative");
    prop_assert_eq!(joined(&joined(a, b), c), joined(a, &joined(b, c)), "associative");
    prop_assert_eq!(&joined(a, a), a, "idempotent");
    prop_assert_eq!(&joined(a, &T::default()), a, "identity");
    prop_assert_eq!(&joined(&T::default(), a), a, "identity");
    let mut grown = a.clone();
    let grew = grown.join(b.clone());
    prop_assert_eq!(grew, &grown != a, "the answer says whether it grew");
    Ok(())
}

/// A status is a homomorphism of the join, and so it is monotone.
///
/// ```
/// use mailtrail_core::Status;
/// use mailtrail_testkit::law;
/// law::homomorphism(|status: &Status| *status, &Status::Delivered, &Status::Bounced)?;
/// let backwards = |status: &Status| if *status == Status::Opened { Status::Sent } else { *status };
/// assert!(law::homomorphism(backwards, &Status::Delivered, &Status::Opened).is_err());
/// # Ok::<(), mailtrail_testkit::proptest::test_runner::TestCaseError>(())
/// ```
///
/// # Errors
/// The values for which it is none.
pub fn homomorphism<T: Join + Clone + Debug>(
    status: impl Fn(&T) -> Status,
    a: &T,
    b: &T,
) -> Result<(), TestCaseError> {
    let both = status(&joined(a, b));
    prop_assert_eq!(both, status(a).max(status(b)), "{:?} and {:?}", a, b);
    Ok(())
}

/// Any split into batches, and starting over, give the same state.
///
/// With the `Confirmed` of the [laws of a projection](mod@self::projection):
///
/// ```
/// # mod confirmed { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/law/confirmed.rs")); }
/// # use confirmed::Confirmed;
/// use mailtrail_testkit::law;
/// law::projection::examine(|log, number, _| law::projection(&Confirmed, log, number))?;
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// The split for which they don't, or the event that can't be applied.
pub fn projection<P: Projection>(
    projection: &P,
    envelopes: &[Envelope],
    split_at: usize,
) -> Result<(), TestCaseError>
where
    P::State: PartialEq + Debug + Clone,
{
    let filter = projection.filter();
    let apply = |state: &mut P::State, events: &[Envelope]| {
        for envelope in events {
            if filter.matches(envelope.stream, &envelope.event.event_type) {
                let applied = projection.apply(envelope, state);
                applied.map_err(|error| TestCaseError::fail(error.to_string()))?;
            }
        }
        Ok::<(), TestCaseError>(())
    };
    let mut rebuilt = P::State::default();
    apply(&mut rebuilt, envelopes)?;
    let (early, late) = envelopes.split_at(split_at.min(envelopes.len()));
    let mut incremental = P::State::default();
    apply(&mut incremental, early)?;
    let mut resumed = incremental.clone();
    apply(&mut resumed, late)?;
    prop_assert_eq!(resumed, rebuilt, "incremental = rebuilt, split at {}", split_at);
    Ok(())
}

fn joined<T: Join + Clone>(a: &T, b: &T) -> T {
    let mut both = a.clone();
    both.join(b.clone());
    both
}
