//! The same fact twice is one event, in every mode.

use std::sync::Arc;

use bytes::Bytes;
use futures_executor::block_on;
use mailtrail_core::store::{AppendError, Known, Outcome};
use mailtrail_core::{AppendBatch, EventId, EventStore, EventStoreExt, Expected};

use super::events::{event, id, stream, typed};
use super::{Failure, expect};

/// All ids known: `AlreadyStored` with the first positions, whatever the batch expects, and however long
/// ago it was.
#[expect(clippy::missing_errors_doc, reason = "each case fails by its name")]
pub fn a_known_batch_is_already_stored(store: &Arc<dyn EventStore>) -> Result<(), Failure> {
    block_on(async {
        let batch = AppendBatch::new()
            .write(stream(1), Expected::NoStream, vec![event(1), event(2)])
            .write(stream(2), Expected::NoStream, vec![event(3)]);
        let first = store.append(batch.clone()).await?;
        expect(first.new_events() == 3, || "three new events".into())?;
        for number in 10..200 {
            let between = AppendBatch::new().write(stream(1), Expected::Any, vec![event(number)]);
            store.append(between).await?;
        }
        for again in [batch.clone(), batch.skip_known()] {
            let second = store.append(again).await?;
            expect(second.outcome == Outcome::AlreadyStored, || "AlreadyStored".into())?;
            let places = |appended: &mailtrail_core::store::Appended| -> Vec<_> {
                appended
                    .events
                    .iter()
                    .map(|e| (e.event_id, e.stream, e.version, e.position))
                    .collect()
            };
            expect(places(&first) == places(&second), || "the first positions".into())?;
        }
        Ok(())
    })
}

/// Some ids known, some new: refused with all known ids, and nothing is written.
#[expect(clippy::missing_errors_doc, reason = "each case fails by its name")]
pub fn a_partly_known_batch_is_refused(store: &Arc<dyn EventStore>) -> Result<(), Failure> {
    block_on(async {
        let batch = AppendBatch::new().write(stream(1), Expected::Any, vec![event(1), event(2)]);
        store.append(batch).await?;
        let partly = AppendBatch::new().write(
            stream(1),
            Expected::NoStream,
            vec![event(1), event(3), event(2)],
        );
        let Err(AppendError::PartialDuplicate { events }) = store.append(partly).await else {
            return Err(Failure::new("PartialDuplicate, before any look at versions"));
        };
        let named: Vec<EventId> = events.iter().map(|event| event.event_id).collect();
        expect(named == [id(1), id(2)], || format!("all known ids, not {named:?}"))?;
        expect(store.stream(stream(1)).await?.len() == 2, || "nothing is written".into())
    })
}

/// An id on another stream or with another type names no such fact: refused with its place.
#[expect(clippy::missing_errors_doc, reason = "each case fails by its name")]
pub fn a_reused_id_is_refused(store: &Arc<dyn EventStore>) -> Result<(), Failure> {
    block_on(async {
        let batch = AppendBatch::new().write(stream(1), Expected::Any, vec![event(1)]);
        store.append(batch).await?;
        let elsewhere = AppendBatch::new().write(stream(2), Expected::Any, vec![event(1)]);
        let other_type =
            AppendBatch::new().write(stream(1), Expected::Any, vec![typed(1, "another")]);
        for reused in [elsewhere, other_type] {
            let Err(AppendError::IdReused { events }) = store.append(reused.clone()).await else {
                return Err(Failure::new(format!("IdReused for {reused:?}")));
            };
            let place = events.first().map(|event| event.stream);
            expect(place == Some(stream(1)), || "the place where it is".into())?;
            let skipped = store.append(reused.skip_known()).await?;
            let known = skipped.events.first().map(|event| event.known);
            expect(known == Some(Known::Elsewhere), || format!("Elsewhere, not {known:?}"))?;
        }
        expect(store.stream(stream(2)).await?.is_empty(), || "nothing is written".into())
    })
}

/// One id twice in a strict batch is a mistake; with `skip_known` the second one is known.
#[expect(clippy::missing_errors_doc, reason = "each case fails by its name")]
pub fn a_repeated_id_is_refused(store: &Arc<dyn EventStore>) -> Result<(), Failure> {
    block_on(async {
        let twice = AppendBatch::new().write(stream(1), Expected::Any, vec![event(1), event(1)]);
        let answer = store.append(twice.clone()).await;
        expect(matches!(answer, Err(AppendError::RepeatedId { .. })), || "RepeatedId".into())?;
        let appended = store.append(twice.skip_known()).await?;
        let known: Vec<Known> = appended.events.iter().map(|event| event.known).collect();
        expect(known == [Known::No, Known::Here], || format!("{known:?}"))?;
        expect(store.stream(stream(1)).await?.len() == 1, || "one event".into())
    })
}

/// `skip_known` stores what is new, says which was which, and checks versions of new events only.
#[expect(clippy::missing_errors_doc, reason = "each case fails by its name")]
pub fn skip_known_stores_the_rest(store: &Arc<dyn EventStore>) -> Result<(), Failure> {
    block_on(async {
        let batch = AppendBatch::new().write(stream(1), Expected::Any, vec![event(1), event(2)]);
        store.append(batch).await?;
        let mixed = AppendBatch::new()
            .write(stream(1), Expected::NoStream, vec![event(1)])
            .write(stream(3), Expected::Any, vec![event(2)])
            .write(stream(2), Expected::NoStream, vec![event(3), event(4)])
            .skip_known();
        let appended = store.append(mixed).await?;
        let known: Vec<Known> = appended.events.iter().map(|event| event.known).collect();
        let expected = [Known::Here, Known::Elsewhere, Known::No, Known::No];
        expect(known == expected, || format!("{expected:?}, not {known:?}"))?;
        expect(appended.outcome == Outcome::New, || "New".into())?;
        expect(store.stream(stream(2)).await?.len() == 2, || "what is new is stored".into())?;
        let late = AppendBatch::new()
            .write(stream(1), Expected::NoStream, vec![event(1), event(5)])
            .skip_known();
        let answer = store.append(late).await;
        expect(matches!(answer, Err(AppendError::Conflict { .. })), || {
            "a stream that gets a new event is compared".into()
        })
    })
}

/// The same id with other data: what was stored first stays.
#[expect(clippy::missing_errors_doc, reason = "each case fails by its name")]
pub fn the_first_stored_form_stands(store: &Arc<dyn EventStore>) -> Result<(), Failure> {
    block_on(async {
        let batch = AppendBatch::new().write(stream(1), Expected::Any, vec![event(1)]);
        store.append(batch).await?;
        let mut changed = event(1);
        changed.data = Bytes::from_static(b"another reading");
        let again = AppendBatch::new().write(stream(1), Expected::Any, vec![changed]);
        let appended = store.append(again).await?;
        expect(appended.outcome == Outcome::AlreadyStored, || "AlreadyStored".into())?;
        let stored = store.stream(stream(1)).await?;
        let data = stored.first().map(|envelope| envelope.event.data.clone());
        expect(data == Some(event(1).data), || "the first data".into())
    })
}
