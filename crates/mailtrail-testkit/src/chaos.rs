//! A store that misbehaves as the contract allows.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use async_trait::async_trait;
use mailtrail_core::store::{
    AppendError, Appended, Capabilities, Filter, Head, ImportError, Page, ReadError, RedactError,
    StreamPage,
};
use mailtrail_core::{AppendBatch, EventId, EventStore, Namespace, Position, StreamId, Version};

/// How a [`ChaosStore`] misbehaves: shares of all calls, from a seed.
///
/// ```
/// use mailtrail_testkit::Chaos;
/// let chaos = Chaos::seeded(7).outcome_unknown(0.2).unavailable(0.1).short_pages(0.5).delays(8);
/// # let _ = chaos;
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Chaos {
    /// Where its randomness begins: the same calls meet the same fate.
    pub seed: u64,
    /// How many appends end in `OutcomeUnknown`; of half of them the batch is stored.
    pub outcome_unknown: f64,
    /// How many calls end in `Unavailable`, with nothing done.
    pub unavailable: f64,
    /// How many pages hold fewer events than there are and were asked for.
    pub short_pages: f64,
    /// How often others are let run, at most, before and after a call.
    pub delays: u32,
}

impl Chaos {
    /// None yet.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, outcome_unknown: 0.0, unavailable: 0.0, short_pages: 0.0, delays: 0 }
    }

    /// With this share of appends of which the outcome is unknown.
    pub fn outcome_unknown(mut self, share: f64) -> Self {
        self.outcome_unknown = share;
        self
    }

    /// With this share of calls that find the store unavailable.
    pub fn unavailable(mut self, share: f64) -> Self {
        self.unavailable = share;
        self
    }

    /// With this share of short pages.
    pub fn short_pages(mut self, share: f64) -> Self {
        self.short_pages = share;
        self
    }

    /// With others let run so often, at most.
    pub fn delays(mut self, most: u32) -> Self {
        self.delays = most;
        self
    }
}

/// A store around another one that fails, stutters and dawdles, and never lies.
///
/// What it does is what every store may do: say that it is not available, not say whether a batch was stored, give a
/// page of fewer events, take its time. It makes up no `Conflict`, as none would be true. At most two calls in a row
/// fail, so that who tries three times gets through.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use futures_executor::block_on;
/// use mailtrail_core::store::{Advice, EventStore, EventStoreExt};
/// use mailtrail_testkit::{Chaos, ChaosStore, crash};
///
/// let chaos = Chaos::seeded(3).outcome_unknown(0.4).unavailable(0.2);
/// let store = ChaosStore::new(Arc::new(mailtrail_memory::MemoryStore::new()), chaos);
/// for number in 0..50 {
///     // Your own code: it tries again with the same ids, as it is advised.
///     while let Err(error) = block_on(store.record(vec![crash::event(number)])) {
///         assert!(matches!(error.advice(), Advice::Later | Advice::SameBatchAgain));
///     }
/// }
/// assert_eq!(block_on(store.inner().head())?.position.get(), 50);      // each event once
/// # Ok::<(), mailtrail_core::store::ReadError>(())
/// ```
#[derive(Debug)]
pub struct ChaosStore {
    inner: Arc<dyn EventStore>,
    chaos: Chaos,
    fate: Mutex<Fate>,
}

#[derive(Debug)]
struct Fate {
    random: u64,
    failed: u32,
}

/// What becomes of an append.
enum Append {
    Stored,
    Unavailable,
    /// Nobody is told whether it was stored.
    Unknown {
        stored: bool,
    },
}

impl ChaosStore {
    /// Around this store.
    pub fn new(inner: Arc<dyn EventStore>, chaos: Chaos) -> Self {
        Self { inner, chaos, fate: Mutex::new(Fate { random: chaos.seed, failed: 0 }) }
    }

    /// The store within, which does what it is told.
    pub fn inner(&self) -> &Arc<dyn EventStore> {
        &self.inner
    }

    fn fate<T>(&self, draw: impl FnOnce(&mut Fate) -> T) -> T {
        draw(&mut self.fate.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn delay(&self) {
        let turns = self.fate(|fate| fate.below(self.chaos.delays.saturating_add(1)));
        (0..turns).for_each(|_| thread::yield_now());
    }

    fn append_fate(&self) -> Append {
        let chaos = self.chaos;
        self.fate(|fate| {
            if fate.fails(chaos.unavailable) {
                return Append::Unavailable;
            }
            if fate.fails(chaos.outcome_unknown) {
                return Append::Unknown { stored: fate.below(2) == 0 };
            }
            fate.failed = 0;
            Append::Stored
        })
    }

    /// Lets a read through, or not.
    fn read(&self) -> Result<(), ReadError> {
        self.delay();
        let fails = self.fate(|fate| {
            let fails = fate.fails(self.chaos.unavailable);
            if !fails {
                fate.failed = 0;
            }
            fails
        });
        if fails { Err(ReadError::Unavailable { cause: CHAOS.into() }) } else { Ok(()) }
    }

    /// At most so many events, sometimes fewer.
    fn limit(&self, limit: usize) -> usize {
        self.fate(|fate| {
            if limit > 1 && fate.chance(self.chaos.short_pages) {
                let limit = u32::try_from(limit).unwrap_or(u32::MAX);
                usize::try_from(1 + fate.below(limit - 1)).unwrap_or(1)
            } else {
                limit
            }
        })
    }

    async fn through<F: Future<Output = Result<Appended, E>>, E>(
        &self,
        call: F,
        error: impl FnOnce(AppendError) -> E,
    ) -> Result<Appended, E> {
        self.delay();
        let answer = match self.append_fate() {
            Append::Stored => call.await,
            Append::Unavailable => Err(error(AppendError::Unavailable { cause: CHAOS.into() })),
            Append::Unknown { stored } => {
                // What is refused is refused: only a batch that was taken may be one that nobody knows of.
                if stored && let refused @ Err(_) = call.await {
                    return refused;
                }
                Err(error(AppendError::OutcomeUnknown { cause: CHAOS.into() }))
            }
        };
        self.delay();
        answer
    }
}

impl Fate {
    /// `SplitMix64`: small, seeded, the same everywhere.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u32) -> u32 {
        u32::try_from(self.next() % u64::from(bound.max(1))).unwrap_or(0)
    }

    fn chance(&mut self, share: f64) -> bool {
        f64::from(self.below(1_000_000)) < share * 1e6
    }

    fn fails(&mut self, share: f64) -> bool {
        let fails = self.chance(share) && self.failed < IN_A_ROW;
        if fails {
            self.failed += 1;
        }
        fails
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl EventStore for ChaosStore {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn namespace(&self) -> Namespace {
        self.inner.namespace()
    }

    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        self.through(self.inner.append(batch), |error| error).await
    }

    async fn read_stream(
        &self,
        stream: StreamId,
        from: Version,
        limit: usize,
    ) -> Result<StreamPage, ReadError> {
        self.read()?;
        self.inner.read_stream(stream, from, self.limit(limit)).await
    }

    async fn read_all(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
    ) -> Result<Page, ReadError> {
        self.read()?;
        self.inner.read_all(filter, after, self.limit(limit)).await
    }

    async fn changed(&self, past: Position) -> Result<Position, ReadError> {
        self.read()?;
        self.inner.changed(past).await
    }

    async fn head(&self) -> Result<Head, ReadError> {
        self.read()?;
        self.inner.head().await
    }

    async fn redact(&self, ids: &[EventId]) -> Result<(), RedactError> {
        self.delay();
        self.inner.redact(ids).await
    }

    async fn import(&self, batch: AppendBatch) -> Result<Appended, ImportError> {
        self.through(self.inner.import(batch), ImportError::Append).await
    }
}

const CHAOS: &str = "chaos";
const IN_A_ROW: u32 = 2;
