//! A projection for tests: counts events by type, and refuses some as it is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use mailtrail::core::event::{Custom, Delivered, Source};
use mailtrail::core::projection::{ApplyError, Projection};
use mailtrail::core::store::Filter;
use mailtrail::core::{
    DeliveryId, Envelope, Event, EventId, EventStore, EventStoreExt, Fact, NewEvent, Private,
    StreamId,
};

/// What it does with a `custom` event.
pub(crate) const APPLIES: u8 = 0;
pub(crate) const REFUSES: u8 = 1;
pub(crate) const PANICS: u8 = 2;

/// Counts events by their type.
#[derive(Debug, Clone)]
pub(crate) struct Counting {
    pub(crate) revision: u32,
    pub(crate) custom: Arc<AtomicU8>,
}

impl Counting {
    pub(crate) fn new(custom: u8) -> Self {
        Self { revision: 1, custom: Arc::new(AtomicU8::new(custom)) }
    }

    pub(crate) fn will(&self, custom: u8) {
        self.custom.store(custom, Ordering::Release);
    }
}

pub(crate) type Counts = BTreeMap<String, u64>;

impl Projection for Counting {
    type State = Counts;

    fn name(&self) -> &'static str {
        "counting"
    }

    fn revision(&self) -> u32 {
        self.revision
    }

    fn filter(&self) -> Filter {
        Filter::all()
    }

    fn apply(&self, envelope: &Envelope, state: &mut Counts) -> Result<(), ApplyError> {
        let name = envelope.event.event_type.as_str();
        // The state is changed before it fails: nobody may see that.
        *state.entry(name.to_owned()).or_default() += 1;
        match (name, self.custom.load(Ordering::Acquire)) {
            ("custom", REFUSES) => Err(ApplyError::new("this one is beyond me")),
            ("custom", PANICS) => panic!("this one is beyond me"),
            _ => Ok(()),
        }
    }
}

/// Records so many events, numbered from one on; every number in `custom` is of that type.
pub(crate) async fn record(store: &dyn EventStore, numbers: std::ops::Range<u32>, custom: &[u32]) {
    let event = |number: u32| {
        let mut id = [7; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        let event: Event = if custom.contains(&number) {
            Custom::default().into()
        } else {
            Delivered::default().into()
        };
        let stream = StreamId::delivery(DeliveryId::from_bytes([(number % 5) as u8; 16]));
        let (fact, private) = (Fact::new(event), Private::default());
        let new = NewEvent::new(EventId::from_bytes(id), &fact, &private, Source::known("test"));
        (stream, new.unwrap())
    };
    store.record(numbers.map(event).collect()).await.unwrap();
}

pub(crate) fn counts(delivered: u64, custom: u64) -> Counts {
    let all = [("delivered", delivered), ("custom", custom)];
    all.into_iter().filter(|(_, n)| *n > 0).map(|(name, n)| (name.to_owned(), n)).collect()
}
