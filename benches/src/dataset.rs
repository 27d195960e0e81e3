//! Ten million events on an embedded store, with the kept states of their reports: built once, kept outside `target/`.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_executor::block_on;
use mailtrail::projection::Runner;
use mailtrail::report::{BroadcastSummary, EmailLog};
use mailtrail_core::event::{ChainHash, Envelope, Salt};
use mailtrail_core::projection::StateStore;
use mailtrail_core::store::record;
use mailtrail_core::store::writer::Restore;
use mailtrail_core::{EventStore, Namespace, Position, StreamId, Version};
use mailtrail_fjall::{FjallStates, FjallStore};
use mailtrail_sled::{SledStates, SledStore};

use crate::history::broadcast;

/// Deliveries of one broadcast.
pub const BROADCAST: u64 = 100_000;

/// Which embedded store it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a bench names both")]
pub enum Engine {
    /// `mailtrail-fjall`.
    Fjall,
    /// `mailtrail-sled`.
    Sled,
}

/// A data set on disk.
#[derive(Debug, Clone)]
pub struct Dataset {
    engine: Engine,
    folder: PathBuf,
    broadcasts: u64,
}

impl Dataset {
    /// That of ten million events, or of as many broadcasts of 430,000 events as `MAILTRAIL_BENCH_BROADCASTS` says.
    /// It is built if it isn't there, in `MAILTRAIL_BENCH_DATA`, else in the user's cache.
    ///
    /// # Panics
    /// If it can't be built.
    pub fn open(engine: Engine) -> Self {
        let broadcasts = std::env::var_os("MAILTRAIL_BENCH_BROADCASTS");
        Self::of(engine, broadcasts.map_or(24, |text| text.to_str().unwrap().parse().unwrap()))
    }

    /// That of so many broadcasts.
    ///
    /// # Panics
    /// If it can't be built.
    pub fn of(engine: Engine, broadcasts: u64) -> Self {
        let folder = place().join(format!("3-{}-{broadcasts}", engine.name()));
        let set = Self { engine, folder, broadcasts };
        if !set.folder.exists() {
            set.build();
        }
        set
    }

    /// The store that it is on.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The store's folder.
    pub fn store(&self) -> PathBuf {
        self.folder.join("trail")
    }

    /// All records as the store holds them, one behind the other, each behind its length.
    pub fn records(&self) -> PathBuf {
        self.folder.join("records")
    }

    /// Visits all events, in order.
    ///
    /// # Panics
    /// If they can't be read.
    pub fn each(&self, mut visit: impl FnMut(&Envelope)) {
        let file = fs::File::open(self.records()).unwrap();
        let mut file = std::io::BufReader::with_capacity(1 << 20, file);
        let mut length = [0; 4];
        while file.read_exact(&mut length).is_ok() {
            let mut record = vec![0; u32::from_be_bytes(length) as usize];
            file.read_exact(&mut record).unwrap();
            visit(&record::decode(&record.into()).unwrap());
        }
    }

    /// How many deliveries there are.
    pub fn deliveries(&self) -> u64 {
        self.broadcasts * BROADCAST
    }

    fn build(&self) {
        eprintln!("building {} broadcasts in {} …", self.broadcasts, self.folder.display());
        let new = self.folder.with_extension("new");
        fs::remove_dir_all(&new).ok();
        fs::create_dir_all(&new).unwrap();
        self.write(&new);
        self.engine.keep_states(&new.join("trail"));
        fs::rename(&new, &self.folder).unwrap();
    }

    fn write(&self, folder: &Path) {
        let namespace = Namespace::from_bytes([7; 16]);
        let mut restore = self.engine.restore(&folder.join("trail"), namespace);
        let mut records =
            std::io::BufWriter::new(fs::File::create(folder.join("records")).unwrap());
        let mut log = Sealing::default();
        for number in 0..self.broadcasts {
            // A broadcast's streams are no other's.
            log.versions.clear();
            for events in broadcast(number, BROADCAST).chunks(2_000) {
                let sealed: Vec<Envelope> = events.iter().map(|event| log.seal(event)).collect();
                for envelope in &sealed {
                    let bytes = record::encode(envelope);
                    let length = u32::try_from(bytes.len()).unwrap();
                    std::io::Write::write_all(&mut records, &length.to_be_bytes()).unwrap();
                    std::io::Write::write_all(&mut records, &bytes).unwrap();
                }
                restore.append(&sealed).unwrap();
            }
            eprintln!("broadcast {} of {}", number + 1, self.broadcasts);
        }
    }
}

/// Events of a broadcast become records of one log.
#[derive(Default)]
struct Sealing {
    versions: HashMap<StreamId, u64>,
    position: u64,
    previous: ChainHash,
}

impl Sealing {
    fn seal(&mut self, (stream, event): &(StreamId, mailtrail_core::NewEvent)) -> Envelope {
        let version = self.versions.entry(*stream).or_default();
        self.position += 1;
        let place = (Position::new(self.position), *stream, Version::new(*version));
        *version += 1;
        let at = event.occurred_at.unwrap_or_default();
        let sealed =
            Envelope::seal(place, at, event.clone(), Salt::from_bytes([3; 16]), self.previous);
        self.previous = sealed.hash;
        sealed
    }
}

impl Engine {
    /// Its name, as the command line has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fjall => "fjall",
            Self::Sled => "sled",
        }
    }

    /// That of a name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Fjall, Self::Sled].into_iter().find(|engine| engine.name() == name)
    }

    /// The store with a cache of one gibibyte.
    ///
    /// # Panics
    /// If it can't be opened.
    pub fn open(self, trail: &Path) -> Arc<dyn EventStore> {
        match self {
            Self::Fjall => {
                Arc::new(FjallStore::options().cache_bytes(1 << 30).open(trail).unwrap())
            }
            Self::Sled => Arc::new(SledStore::options().cache_bytes(1 << 30).open(trail).unwrap()),
        }
    }

    /// The states that are kept beside a store.
    ///
    /// # Panics
    /// If they can't be opened.
    pub fn states(self, trail: &Path) -> Arc<dyn StateStore> {
        let folder = trail.join("projections");
        match self {
            Self::Fjall => Arc::new(FjallStates::open(folder).unwrap()),
            Self::Sled => Arc::new(SledStates::open(folder).unwrap()),
        }
    }

    fn restore(self, trail: &Path, namespace: Namespace) -> Restore {
        match self {
            Self::Fjall => FjallStore::restore(trail, namespace).unwrap(),
            Self::Sled => SledStore::restore(trail, namespace).unwrap(),
        }
    }

    fn keep_states(self, trail: &Path) {
        let since = std::time::Instant::now();
        let (store, states) = (self.open(trail), self.states(trail));
        let summary = Runner::parted(Arc::clone(&store), Arc::clone(&states), BroadcastSummary);
        block_on(summary.catch_up(&mut |_| ())).unwrap();
        eprintln!("kept the broadcast summary after {:?}", since.elapsed());
        block_on(Runner::parted(store, states, EmailLog).catch_up(&mut |_| ())).unwrap();
        eprintln!("kept the Email Log after {:?}", since.elapsed());
    }
}

/// Where what is large and kept is: `MAILTRAIL_BENCH_DATA`, else in the user's cache.
pub fn place() -> PathBuf {
    if let Some(place) = std::env::var_os("MAILTRAIL_BENCH_DATA") {
        return place.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    cache.or_else(home).unwrap_or_else(std::env::temp_dir).join("mailtrail-benches")
}
