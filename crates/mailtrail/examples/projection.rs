//! A projection of your own: which reasons do failures have?
//!
//! `cargo run -p mailtrail --example projection`

use std::collections::BTreeMap;

use mailtrail::core::event::{Bounced, Envelope, Source};
use mailtrail::core::projection::{ApplyError, AsOf, Checkpoint, Projection, replay};
use mailtrail::core::reason::Reason;
use mailtrail::core::store::Filter;
use mailtrail::core::{
    DeliveryId, Event, EventId, EventStoreExt, Fact, NewEvent, Private, StreamId,
};
use mailtrail::memory::MemoryStore;

/// Counts final failures by their reason.
struct FailuresByReason;

impl Projection for FailuresByReason {
    type State = BTreeMap<&'static str, u64>;

    fn name(&self) -> &'static str {
        "failures_by_reason"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn filter(&self) -> Filter {
        Filter::all().event_type("bounced")
    }

    fn apply(&self, envelope: &Envelope, state: &mut Self::State) -> Result<(), ApplyError> {
        let fact = envelope.fact().map_err(|error| ApplyError::new(error.to_string()))?;
        if let Event::Bounced(bounced) = fact.event {
            *state.entry(bounced.diagnosis.reason.name()).or_default() += 1;
        }
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = MemoryStore::new();
    for (number, reason) in
        [Reason::MailboxFull, Reason::UserUnknown, Reason::MailboxFull].iter().enumerate()
    {
        let number = u8::try_from(number)?;
        let fact = Fact::new(Bounced::because(*reason).into());
        let id = EventId::from_bytes([number; 16]);
        let event = NewEvent::new(id, &fact, &Private::default(), Source::known("example"))?;
        let stream = StreamId::delivery(DeliveryId::from_bytes([number; 16]));
        store.record(vec![(stream, event)]).await?;
    }

    let mut failures = BTreeMap::new();
    replay(&store, &FailuresByReason, &mut failures, Checkpoint::default(), &AsOf::Now).await?;
    assert_eq!(failures, BTreeMap::from([("mailbox_full", 2), ("user_unknown", 1)]));
    Ok(())
}
