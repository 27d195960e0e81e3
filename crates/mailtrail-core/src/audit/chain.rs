//! The walk along the hash chain.

use crate::event::Envelope;
use crate::store::{Head, Position, record};

/// Checks a log record by record, in order of position: each against the one before.
///
/// # What it proves
/// That no field of a record was changed, and none was taken out, put in or moved between the first and
/// the last. That nothing is missing *behind* the last is proven only by a [head](Head) that was kept
/// elsewhere: compare it with [`head`](Self::head).
///
/// # Example
/// ```
/// # futures_executor::block_on(async {
/// use mailtrail_core::audit::ChainCheck;
/// use mailtrail_core::store::{EventStore, Filter, Position};
/// let store = mailtrail_memory::MemoryStore::new();
/// let mut check = ChainCheck::default();
/// for envelope in store.read_all(&Filter::all(), Position::START, 100).await?.events {
///     check.record(&envelope)?;
/// }
/// assert_eq!(check.head(), store.head().await?);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct ChainCheck {
    head: Head,
    records: u64,
    omitted: u64,
}

impl ChainCheck {
    /// A walk that begins after this record, which is taken on trust.
    pub fn after(head: Head) -> Self {
        Self { head, records: 0, omitted: 0 }
    }

    /// Checks the next record.
    ///
    /// # Errors
    /// [`Altered`] says where, and what does not fit.
    pub fn record(&mut self, envelope: &Envelope) -> Result<(), Altered> {
        let altered = |what| Altered { position: envelope.position, what };
        self.must_follow(envelope.position)?;
        if let Some(private) = &envelope.event.private {
            let hash = envelope.salt.map(|salt| salt.hash(private));
            if hash.is_none() || hash != envelope.private_hash {
                return Err(altered("its private part is not the one that was stored"));
            }
        }
        if record::chain_hash(self.head.hash, envelope) != envelope.hash {
            return Err(altered("its hash does not follow from its fields and the record before"));
        }
        self.head = Head::new(envelope.position, envelope.hash);
        self.records = self.records.saturating_add(1);
        Ok(())
    }

    /// Takes a record whose content was left out: its hash is taken on trust.
    ///
    /// # Errors
    /// [`Altered`] if it doesn't follow in position.
    pub fn omitted(&mut self, record: Head) -> Result<(), Altered> {
        self.must_follow(record.position)?;
        self.head = record;
        self.omitted = self.omitted.saturating_add(1);
        Ok(())
    }

    /// The last record, as it must be in any copy of this log.
    pub fn head(&self) -> Head {
        self.head
    }

    /// How many records were checked.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// How many records were left out.
    pub fn left_out(&self) -> u64 {
        self.omitted
    }

    fn must_follow(&self, position: Position) -> Result<(), Altered> {
        if position > self.head.position {
            return Ok(());
        }
        Err(Altered { position, what: "it does not come after the record before" })
    }
}

/// A record is not the one that was stored, or not in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the record at position {position} was altered: {what}")]
#[non_exhaustive]
pub struct Altered {
    /// Where.
    pub position: Position,
    /// What does not fit.
    pub what: &'static str,
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;
    use crate::event::{ChainHash, NewEvent, Salt, Source};
    use crate::store::Version;
    use crate::{DeliveryId, EventId, StreamId};

    fn log(length: u8) -> Vec<Envelope> {
        let mut previous = ChainHash::default();
        let record = |number: u8| {
            let id = EventId::from_bytes([number; 16]);
            let data = Bytes::from(format!("{{\"number\":{number}}}"));
            let mut event =
                NewEvent::from_bytes(id, "custom".into(), 1, data, Source::known("test"));
            event.private =
                number.is_multiple_of(2).then(|| Bytes::from(format!("person {number}")));
            let stream = StreamId::delivery(DeliveryId::from_bytes([1; 16]));
            let place = (Position::new(number.into()), stream, Version::new(number.into()));
            let salt = Salt::from_bytes([number; 16]);
            let sealed = Envelope::seal(place, DateTime::UNIX_EPOCH, event, salt, previous);
            previous = sealed.hash;
            sealed
        };
        (1..=length).map(record).collect()
    }

    fn walk<'a>(log: impl IntoIterator<Item = &'a Envelope>) -> Result<ChainCheck, Altered> {
        let mut check = ChainCheck::default();
        log.into_iter().try_for_each(|envelope| check.record(envelope))?;
        Ok(check)
    }

    proptest! {
        #[test]
        fn every_change_is_found_where_it_is(at in 0_usize..8, change in 0_u8..7) {
            let mut log = log(8);
            prop_assert_eq!(walk(&log).unwrap().records(), 8);
            let record = &mut log[at];
            let position = record.position;
            match change {
                0 => record.recorded_at = DateTime::from_timestamp(0, 1).unwrap(),
                1 => record.event.data = Bytes::from_static(b"{}"),
                2 => record.event.schema ^= 1,
                3 => record.event.actor = Some("mallory".into()),
                4 => record.version = record.version.next(),
                5 => record.event.event_id = EventId::from_bytes([0xff; 16]),
                _ => {
                    let private = record.event.private.is_some();
                    record.event.private = private.then(|| Bytes::from_static(b"someone else"));
                    prop_assume!(private);
                }
            }
            prop_assert_eq!(walk(&log).unwrap_err().position, position);
        }

        #[test]
        fn a_record_that_is_missing_or_moved_is_found(at in 0_usize..7) {
            let whole = log(8);
            let mut missing = whole.clone();
            missing.remove(at);
            prop_assert_eq!(walk(&missing).unwrap_err().position, missing[at].position);
            let mut moved = whole.clone();
            moved[at..].rotate_left(1);
            prop_assert!(walk(&moved).is_err());
        }
    }

    #[test]
    fn an_erased_person_leaves_the_chain_whole_and_a_cut_tail_shows_in_the_head() {
        let mut log = log(8);
        let whole = walk(&log).unwrap().head();
        for record in &mut log {
            (record.event.private, record.salt) = (None, None);
        }
        assert_eq!(walk(&log).unwrap().head(), whole);
        assert_ne!(walk(&log[..7]).unwrap().head(), whole);
    }

    #[test]
    fn records_that_were_left_out_are_counted_and_the_rest_is_proven() {
        let log = log(4);
        let mut check = ChainCheck::default();
        check.omitted(Head::new(log[0].position, log[0].hash)).unwrap();
        check.record(&log[1]).unwrap();
        check.omitted(Head::new(log[2].position, log[2].hash)).unwrap();
        check.record(&log[3]).unwrap();
        assert_eq!((check.records(), check.left_out()), (2, 2));
        assert!(check.omitted(Head::new(log[2].position, log[2].hash)).is_err());
    }
}
