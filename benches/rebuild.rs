//! How much memory does a rebuild of "status and counts" take for each delivery, while it runs and afterwards?
//!
//! By the system's allocator, which gives back what is freed: mimalloc keeps some of it, which would be counted.
//!
//! The events are made as they are read, so that nothing but the rebuild is in memory. A process for each figure, as
//! the peak only ever grows.

use std::hint::black_box;
use std::num::NonZero;
use std::process::Command;

use async_trait::async_trait;
use mailtrail::projection::build;
use mailtrail::report::BroadcastSummary;
use mailtrail_benches::{Figure, Wanted, broadcast, keyed, peak_bytes, resident_bytes};
use mailtrail_core::event::{ChainHash, Envelope, NewEvent, Salt};
use mailtrail_core::projection::AsOf;
use mailtrail_core::store::{
    AppendError, Appended, Capabilities, Durability, Filter, Head, ImportError, Page, ReadError,
    RedactError, StreamPage,
};
use mailtrail_core::{AppendBatch, EventId, EventStore, Namespace, Position, StreamId, Version};

const CHILD: &str = "MAILTRAIL_BENCH_CHILD";
/// Deliveries of one broadcast, which is made again and again with other ids.
const EACH: u64 = 10_000;
const BROADCASTS: u64 = 200;

fn main() {
    if let Some(job) = std::env::var_os(CHILD) {
        return child(job == "keys");
    }
    if !Wanted::from_args().has("rebuild.bytes_per_delivery") {
        return;
    }
    let [resident, peak] = ask("tokens");
    Figure::new("rebuild.bytes_per_delivery", resident, "bytes resident").at_most(64.0).print();
    Figure::new("rebuild.bytes_per_delivery.peak", peak, "bytes at the peak")
        .at_most(100.0)
        .print();
    let [resident, peak] = ask("keys");
    Figure::new(
        "rebuild.bytes_per_delivery.keys",
        resident,
        "bytes resident, with a provider's key each",
    )
    .print();
    Figure::new("rebuild.bytes_per_delivery.keys_peak", peak, "bytes at the peak").print();
}

fn ask(job: &str) -> [f64; 2] {
    let output = Command::new(std::env::current_exe().unwrap()).env(CHILD, job).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    numbers
        .try_into()
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn child(keys: bool) {
    let made = Made::new(keys);
    let deliveries = (EACH * BROADCASTS) as f64;
    let before = resident_bytes();
    let threads = NonZero::new(2).unwrap();
    let (state, _) = build(&made, &BroadcastSummary, AsOf::Now, threads, &|_| ()).unwrap();
    let (resident, peak) = (resident_bytes(), peak_bytes());
    assert_eq!(state.of_all().unwrap().rows(), EACH * BROADCASTS);
    black_box(&state);
    let each = |bytes: u64| bytes.saturating_sub(before) as f64 / deliveries;
    println!("{} {}", each(resident), each(peak));
}

/// A log whose events are made when they are read: those of one broadcast, with other ids for each.
#[derive(Debug)]
struct Made {
    events: Vec<(StreamId, NewEvent)>,
}

impl Made {
    fn new(keys: bool) -> Self {
        let events = broadcast(0, EACH);
        Self { events: if keys { keyed(events) } else { events } }
    }

    fn event(&self, position: u64) -> Envelope {
        let length = self.events.len() as u64;
        let (round, index) = ((position - 1) / length, (position - 1) % length);
        let (stream, event) = &self.events[index as usize];
        let mut event = event.clone();
        let id = other(*event.event_id.as_bytes(), round);
        event.event_id = EventId::from_bytes(id);
        let from = |id: &[u8; 16]| uuid_text(id);
        // The ids within the facts are other ones too: the row's and the keys'.
        if round > 0
            && let Ok(text) = std::str::from_utf8(&event.data)
        {
            let mut text = text.to_owned();
            for old in ids_in(&text) {
                let new = from(&other(old, round));
                text = text.replace(&from(&old), &new);
            }
            event.data = text.into();
        }
        let stream = StreamId::from_parts(stream.category(), other(*stream.id(), round));
        let place = (Position::new(position), stream, Version::FIRST);
        let at = event.occurred_at.unwrap_or_default();
        let (data, private) = (event.data.clone(), event.private.take());
        black_box((data, private));
        Envelope::seal(place, at, event, Salt::default(), ChainHash::default())
    }

    fn last(&self) -> Position {
        Position::new(self.events.len() as u64 * BROADCASTS)
    }
}

fn other(mut id: [u8; 16], round: u64) -> [u8; 16] {
    let mix = round.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
    id.iter_mut().zip(mix.iter().cycle()).for_each(|(byte, mix)| *byte ^= mix);
    id
}

fn uuid_text(id: &[u8; 16]) -> String {
    EventId::from_bytes(*id).to_string()
}

/// The ids in a text of JSON.
fn ids_in(text: &str) -> Vec<[u8; 16]> {
    let words = text.split(['"', '/']).filter(|word| word.len() == 36);
    words.filter_map(|word| word.parse::<EventId>().ok()).map(|id| *id.as_bytes()).collect()
}

#[async_trait]
impl EventStore for Made {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Durability::Volatile)
    }

    fn namespace(&self) -> Namespace {
        Namespace::from_bytes([1; 16])
    }

    async fn append(&self, _: AppendBatch) -> Result<Appended, AppendError> {
        Err(AppendError::Unsupported { capability: "append" })
    }

    async fn read_stream(
        &self,
        _: StreamId,
        from: Version,
        _: usize,
    ) -> Result<StreamPage, ReadError> {
        Ok(StreamPage::new(Vec::new(), from, None))
    }

    async fn read_all(&self, _: &Filter, after: Position, limit: usize) -> Result<Page, ReadError> {
        let last = self.last().get().min(after.get() + limit as u64);
        let events = (after.get() + 1..=last).map(|position| self.event(position)).collect();
        Ok(Page::new(events, Position::new(last), self.last()))
    }

    async fn changed(&self, _: Position) -> Result<Position, ReadError> {
        Ok(self.last())
    }

    async fn head(&self) -> Result<Head, ReadError> {
        Ok(Head::new(self.last(), ChainHash::default()))
    }

    async fn redact(&self, _: &[EventId]) -> Result<(), RedactError> {
        Err(RedactError::Unsupported)
    }

    async fn import(&self, _: AppendBatch) -> Result<Appended, ImportError> {
        Err(ImportError::Unsupported)
    }
}
