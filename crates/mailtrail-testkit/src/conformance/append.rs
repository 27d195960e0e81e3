//! Appending: whole batches, expectations, limits.

use std::sync::Arc;

use futures_executor::block_on;
use mailtrail_core::store::{AppendError, ImportError, Known, Outcome, RedactError};
use mailtrail_core::{AppendBatch, EventStore, EventStoreExt, Expected, Position, Version};

use super::events::{event, id, stream};
use super::{Failure, expect};

/// A batch over several streams is stored whole; one that is refused leaves nothing behind.
#[expect(clippy::missing_errors_doc, reason = "each case fails by its name")]
pub fn a_batch_is_stored_whole_or_not_at_all(store: &Arc<dyn EventStore>) -> Result<(), Failure> {
    block_on(async {
        let batch = AppendBatch::new()
            .write(stream(1), Expected::NoStream, vec![event(1), event(2)])
            .write(stream(2), Expected::Any, vec![event(3)]);
        let appended = store.append(batch).await?;
        expect(appended.outcome == Outcome::New, || "a new batch is New".into())?;
        expect(appended.events.iter().all(|e| e.known == Known::No), || {
            "nothing was known".into()
        })?;
        let refused = AppendBatch::new()
            .write(stream(3), Expected::NoStream, vec![event(4)])
            .write(stream(1), Expected::NoStream, vec![event(5)]);
        let answer = store.append(refused).await;
        expect(matches!(answer, Err(AppendError::Conflict { .. })), || {
            format!("a conflict, not {answer:?}")
        })?;
        expect(store.stream(stream(3)).await?.is_empty(), || "nothing of a refused batch".into())?;
        expect(store.stream(stream(1)).await?.len() == 2, || {
            "two events on the first stream".into()
        })
    })
}

/// `Any`, `NoStream`, `Exists`, `Exact`, for streams that are written and streams that are required.
#[expect(clippy::missing_errors_doc, reason = "each case fails by its name")]
pub fn every_expectation_is_checked(store: &Arc<dyn EventStore>) -> Result<(), Failure> {
    block_on(async {
        let first = AppendBatch::new().write(stream(1), Expected::Any, vec![event(1)]);
        store.append(first).await?;
        let exact = Expected::Exact(Version::FIRST);
        let wrong = Expected::Exact(Version::new(7));
        let cases = [
            (stream(1), Expected::Any, true),
            (stream(1), Expected::NoStream, false),
            (stream(1), Expected::Exists, true),
            (stream(1), exact, true),
            (stream(1), wrong, false),
            (stream(2), Expected::Any, true),
            (stream(2), Expected::NoStream, true),
            (stream(2), Expected::Exists, false),
            (stream(2), exact, false),
        ];
        let mut number = 100;
        for (target, expected, holds) in cases {
            number += 1;
            let other = stream(u8::try_from(number).unwrap_or(0));
            let required = AppendBatch::new()
                .write(other, Expected::Any, vec![event(number)])
                .require(target, expected);
            let stored = store.append(required).await.is_ok();
            expect(stored == holds, || format!("{expected:?} required of {target}: {holds}"))?;
            if !holds {
                let write = AppendBatch::new().write(target, expected, vec![event(number + 500)]);
                let answer = store.append(write).await;
                expect(matches!(answer, Err(AppendError::Conflict { .. })), || {
                    format!("{expected:?} written to {target} conflicts, not {answer:?}")
                })?;
            }
        }
        Ok(())
    })
}

/// A planner mends a thousand rows in one go: a conflict names all that differ, with what is there.
#[expect(clippy::missing_errors_doc, reason = "each case fails by its name")]
pub fn a_conflict_names_every_stream(store: &Arc<dyn EventStore>) -> Result<(), Failure> {
    block_on(async {
        let first = AppendBatch::new().write(stream(1), Expected::Any, vec![event(1)]).write(
            stream(2),
            Expected::Any,
            vec![event(2), event(3)],
        );
        store.append(first).await?;
        let batch = AppendBatch::new()
            .write(stream(1), Expected::NoStream, vec![event(4)])
            .write(stream(2), Expected::NoStream, vec![event(5)])
            .write(stream(3), Expected::NoStream, vec![event(6)])
            .require(stream(4), Expected::Exists);
        let Err(AppendError::Conflict { streams }) = store.append(batch).await else {
            return Err(Failure::new("a conflict"));
        };
        let named: Vec<_> = streams.iter().map(|m| (m.stream, m.actual)).collect();
        let expected = vec![
            (stream(1), Some(Version::FIRST)),
            (stream(2), Some(Version::new(1))),
            (stream(4), None),
        ];
        expect(named == expected, || format!("{expected:?}, not {named:?}"))
    })
}

/// Versions count from 0 in every stream; several writes to one stream follow each other.
#[expect(clippy::missing_errors_doc, reason = "each case fails by its name")]
pub fn versions_count_without_gaps(store: &Arc<dyn EventStore>) -> Result<(), Failure> {
    block_on(async {
        for number in 0..20_u32 {
            let batch = AppendBatch::new()
                .write(stream(1), Expected::Any, vec![event(number * 10 + 1)])
                .write(stream(2), Expected::Any, vec![event(number * 10 + 2)])
                .write(stream(1), Expected::Any, vec![event(number * 10 + 3)]);
            store.append(batch).await?;
        }
        for (target, count) in [(stream(1), 40), (stream(2), 20)] {
            let versions: Vec<u64> =
                store.stream(target).await?.iter().map(|e| e.version.get()).collect();
            let expected: Vec<u64> = (0..count).collect();
            expect(versions == expected, || format!("{target}: {versions:?}"))?;
        }
        Ok(())
    })
}

/// A batch over a limit is refused with that limit, and nothing of it is stored.
#[expect(clippy::missing_errors_doc, reason = "each case fails by its name")]
pub fn too_large_a_batch_is_refused(store: &Arc<dyn EventStore>) -> Result<(), Failure> {
    block_on(async {
        let limit = store.capabilities().limits.batch_events;
        let count = u32::try_from(limit).unwrap_or(u32::MAX).saturating_add(1);
        let events = (0..count).map(event).collect();
        let answer = store.append(AppendBatch::new().write(stream(1), Expected::Any, events)).await;
        let refused = matches!(answer, Err(AppendError::TooLarge { limit: l, .. }) if l == limit);
        expect(refused, || "TooLarge with the limit".into())?;
        expect(store.head().await?.position == Position::START, || "nothing is stored".into())?;
        let facts = (0..count).map(|number| (stream(1), event(number))).collect();
        let recorded = store.record(facts).await?;
        expect(recorded.new_events() == limit + 1, || "record halves what is too large".into())
    })
}

/// What a store doesn't declare it refuses; what it declares works.
#[expect(clippy::missing_errors_doc, reason = "each case fails by its name")]
pub fn what_is_not_supported_is_refused(store: &Arc<dyn EventStore>) -> Result<(), Failure> {
    block_on(async {
        let batch = AppendBatch::new().write(stream(1), Expected::Any, vec![event(2)]);
        store.append(batch).await?;
        let redacted = store.redact(&[id(2)]).await;
        let after = store.stream(stream(1)).await?;
        let envelope = after.first().ok_or_else(|| Failure::new("the event is there"))?;
        if store.capabilities().redacts {
            redacted?;
            expect(envelope.is_erased() && envelope.salt.is_none(), || {
                "private and salt are gone".into()
            })?;
        } else {
            expect(matches!(redacted, Err(RedactError::Unsupported)), || "Unsupported".into())?;
            expect(!envelope.is_erased(), || "nothing is erased".into())?;
        }
        let import = AppendBatch::new().write(stream(2), Expected::Any, vec![event(4)]);
        let imported = store.import(import).await;
        if store.capabilities().imports {
            imported?;
            return Ok(());
        }
        expect(matches!(imported, Err(ImportError::Unsupported)), || "Unsupported".into())
    })
}
