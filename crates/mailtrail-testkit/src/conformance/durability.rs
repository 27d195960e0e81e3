//! Durability: what is acknowledged is there afterwards.

use std::sync::Arc;

use futures_executor::block_on;
use mailtrail_core::store::Outcome;
use mailtrail_core::{AppendBatch, EventStore, Expected};

use super::events::{event, stream};
use super::{Failure, expect};

/// What was acknowledged is there after a crash, and is still known. `crash` ends a store without closing it
/// and opens what is left: by killing a process, by cutting a disk, or by dropping what was not synced.
///
/// Not part of [`conformance!`](macro@crate::conformance), as every store crashes in its own way.
#[expect(clippy::missing_errors_doc, reason = "each case fails by its name")]
pub fn what_is_acknowledged_survives<S: EventStore + 'static>(
    store: S,
    crash: impl FnOnce(S) -> S,
) -> Result<(), Failure> {
    let batch = |number| {
        let of = stream(u8::try_from(number % 5).unwrap_or(0));
        AppendBatch::new().write(of, Expected::Any, vec![event(number)])
    };
    block_on(async {
        let mut places = Vec::new();
        for number in 0..40 {
            places.push(store.append(batch(number)).await?.events);
        }
        let store: Arc<dyn EventStore> = Arc::new(crash(store));
        for (number, acknowledged) in (0..40).zip(places) {
            let again = store.append(batch(number)).await?;
            let places = again.events.iter().zip(&acknowledged);
            let same = again.outcome == Outcome::AlreadyStored
                && again.events.len() == 1
                && places.into_iter().all(|(now, then)| now.position == then.position);
            expect(same, || format!("event {number} was acknowledged, and is not there"))?;
        }
        Ok(())
    })
}
