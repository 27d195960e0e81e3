//! Other stores beside ours, in the same run, with the same events: how many a second become durable, and how many are
//! read back and folded. What each promises stands beside its number; only equal durability is compared.
//!
//! Run by `cargo xtask bench peers`. Where a rival is absent, that is said, and no figure printed.

mod duckdb;
mod evento;
mod events;
mod ours;
mod peer;
mod postgres_es;
mod sqlite;

use std::fs;
use std::path::{Path, PathBuf};

use mailtrail_benches::postgres::Postgres;
use mailtrail_benches::{Figure, Wanted};
use mailtrail_core::event::Envelope;
use mailtrail_core::{DeliveryId, Status};
use tempfile::TempDir;

use crate::duckdb::{DuckDb, Rows};
use crate::evento::Evento;
use crate::ours::Ours;
use crate::peer::{Counts, Peer, append_rate, fill, median, time};
use crate::postgres_es::PostgresEs;
use crate::sqlite::Sqlite;

fn main() {
    let wanted = Wanted::from_args();
    let stage = Stage::set();
    eprintln!("{} events of {DELIVERIES} deliveries", stage.events.len());
    append(&stage, &wanted);
    replay(&stage, &wanted);
}

/// What all of them are given.
struct Stage {
    // Dropped first: the server ends before its folder.
    postgres: Option<Postgres>,
    events: Vec<Envelope>,
    folder: TempDir,
}

impl Stage {
    fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        readable_by_all(folder.path());
        let postgres = Postgres::start_durable(&folder.path().join("postgres"));
        if postgres.is_none() {
            eprintln!("postgres-es: skipped: there is no PostgreSQL");
        }
        Self { postgres, events: events::events(DELIVERIES), folder }
    }

    /// A place that nothing is in yet.
    fn place(&self, name: &str) -> PathBuf {
        let place = self.folder.path().join(name);
        fs::remove_dir_all(&place).ok();
        fs::remove_file(&place).ok();
        place
    }
}

/// Another user's server has its folder in here.
fn readable_by_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A store in the race for durable events.
struct Contender {
    name: &'static str,
    /// Its figures: for commits of one event, and of a hundred.
    figures: [&'static str; 2],
    promise: &'static str,
    /// Whether an answer means that the events are on the disk, as with ours.
    durable: bool,
    /// Events a second, so many a commit; none where it is absent.
    rate: fn(&Stage, usize) -> Option<f64>,
}

const CONTENDERS: [Contender; 6] = [
    Contender {
        name: "mailtrail-fjall",
        figures: ["peers.append1", "peers.append100"],
        promise: "events/s, on the disk: fdatasync before each answer",
        durable: true,
        rate: |stage, batch| Some(stage.race(Ours::fjall(&stage.place("fjall")), batch)),
    },
    Contender {
        name: "mailtrail-sled",
        figures: ["peers.append1.sled", "peers.append100.sled"],
        promise: "events/s, on the disk: fdatasync before each answer",
        durable: true,
        rate: |stage, batch| Some(stage.race(Ours::sled(&stage.place("sled")), batch)),
    },
    Contender {
        name: "evento",
        figures: ["peers.append1.evento", "peers.append100.evento"],
        promise: "events/s, on the disk: SyncAll (fsync) at each write, its default",
        durable: true,
        rate: |stage, batch| Some(stage.race(Evento::open(&stage.place("evento")), batch)),
    },
    Contender {
        name: "postgres-es",
        figures: ["peers.append1.postgres_es", "peers.append100.postgres_es"],
        promise: "events/s, on the disk: fdatasync of the WAL at each commit",
        durable: true,
        rate: |stage, batch| {
            let server = stage.postgres.as_ref()?;
            Some(stage.race(PostgresEs::open(server), batch))
        },
    },
    Contender {
        name: "SQLite",
        figures: ["peers.append1.sqlite", "peers.append100.sqlite"],
        promise: "events/s, on the disk: WAL, synchronous=FULL",
        durable: true,
        rate: |stage, batch| {
            let place = stage.place("sqlite");
            fs::create_dir(&place).unwrap();
            Some(stage.race(Sqlite::open(&place.join("events.db")), batch))
        },
    },
    Contender {
        name: "evento, unsynced",
        figures: ["peers.append1.evento_unsynced", "peers.append100.evento_unsynced"],
        promise: "events/s, NOT on the disk: PersistMode::Buffer, lost when the power goes",
        durable: false,
        rate: |stage, batch| Some(stage.race(Evento::unsynced(&stage.place("evento")), batch)),
    },
];

impl Stage {
    fn race(&self, peer: impl Peer, batch: usize) -> f64 {
        append_rate(peer, &self.events, batch)
    }
}

fn append(stage: &Stage, wanted: &Wanted) {
    for (index, batch) in [1, 100].into_iter().enumerate() {
        if CONTENDERS.iter().any(|contender| wanted.has(contender.figures[index])) {
            print_race(&race(stage, batch), index);
        }
    }
}

/// The middle rate of each, of rounds in which all take part.
fn race(stage: &Stage, batch: usize) -> Vec<Option<f64>> {
    let mut rates = vec![Vec::new(); CONTENDERS.len()];
    for _ in 0..ROUNDS {
        for (contender, rates) in CONTENDERS.iter().zip(&mut rates) {
            rates.extend((contender.rate)(stage, batch));
        }
    }
    rates.into_iter().map(|rates| (!rates.is_empty()).then(|| median(rates))).collect()
}

fn print_race(rates: &[Option<f64>], index: usize) {
    let rivals = CONTENDERS.iter().zip(rates).skip(OURS).filter(|(rival, _)| rival.durable);
    let rivals = rivals.filter_map(|(rival, rate)| Some((rival.name, (*rate)?)));
    let best = rivals.max_by(|one, other| one.1.total_cmp(&other.1));
    for (place, (contender, rate)) in CONTENDERS.iter().zip(rates).enumerate() {
        let Some(rate) = *rate else { continue };
        let figure = Figure::new(contender.figures[index], rate, contender.promise);
        match best {
            Some((name, best)) if place == 0 => figure.against(name, best).at_least(1.0).print(),
            _ => figure.print(),
        }
    }
}

fn replay(stage: &Stage, wanted: &Wanted) {
    let asked = ["replay.evento", "replay.postgres_es", "replay.sqlite", "replay.duckdb"];
    if !asked.iter().any(|name| wanted.has(name)) {
        return;
    }
    let mut ours = Ours::fjall(&stage.place("fjall"));
    fill(&mut ours, &stage.events);
    let (seconds, counts) = time(|| ours.replay());
    let rates = Rates { events: stage.events.len() as f64, ours: seconds, counts };
    if wanted.has("replay.evento") {
        let evento = Evento::open(&stage.place("evento"));
        rates.beside(evento, stage, "replay.evento", "evento, its log in pages of 4,096", 5.0);
    }
    if let Some(server) = stage.postgres.as_ref().filter(|_| wanted.has("replay.postgres_es")) {
        let peer = PostgresEs::open(server);
        rates.beside(peer, stage, "replay.postgres_es", "postgres-es, QueryReplay::replay_all", 5.0);
    }
    if wanted.has("replay.sqlite") {
        let place = stage.place("sqlite");
        fs::create_dir(&place).unwrap();
        let peer = Sqlite::open(&place.join("events.db"));
        rates.beside(peer, stage, "replay.sqlite", "SQLite, the same records", 0.0);
    }
    if wanted.has("replay.duckdb") {
        duckdb(stage, &ours);
    }
}

/// Ours, to hold others against.
struct Rates {
    events: f64,
    ours: f64,
    counts: Counts,
}

impl Rates {
    fn beside<P: Peer>(
        &self,
        mut peer: P,
        stage: &Stage,
        name: &'static str,
        against: &'static str,
        wanted: f64,
    ) {
        fill(&mut peer, &stage.events);
        let (theirs, counts) = time(|| peer.replay());
        assert_eq!(counts, self.counts, "{name} has other statuses");
        let unit = "events/s from mailtrail-fjall, one core: read, checked, decoded, folded";
        let figure = Figure::new(name, self.events / self.ours, unit);
        let figure = figure.against(against, self.events / theirs);
        if wanted > 0.0 { figure.at_least(wanted).print() } else { figure.print() }
    }
}

/// The current row of each delivery, from all events.
fn duckdb(stage: &Stage, ours: &Ours) {
    let Some(duck) = DuckDb::open(&stage.place("duckdb"), &stage.events) else {
        eprintln!("replay.duckdb: skipped: MAILTRAIL_DUCKDB names no Python with DuckDB");
        return;
    };
    eprintln!("DuckDB {}", duck.version());
    let (seconds, rows) = time(|| current(ours));
    let rows = written(&rows);
    let rate = |seconds: f64| rows.len() as f64 / seconds;
    let unit = "current rows/s from all events in mailtrail-fjall, one core";
    for (name, against, threads) in [
        ("replay.duckdb", "DuckDB over Parquet, one thread", 1),
        ("replay.duckdb.two", "DuckDB over Parquet, two threads", 2),
    ] {
        let (theirs, same) = duck.rows(threads);
        assert!(rows == same, "DuckDB has other rows");
        let figure = Figure::new(name, rate(seconds), unit).against(against, rate(theirs));
        if threads == 1 { figure.at_least(1.0).print() } else { figure.print() }
    }
}

/// A delivery, its status, and the microsecond at which it came to that.
type Row = (DeliveryId, Status, i64);

fn current(ours: &Ours) -> Vec<Row> {
    let fold = ours.fold();
    let row = |delivery| {
        let evidence = fold.evidence(delivery);
        let at = evidence.decided_by().and_then(|moment| moment.at);
        (delivery, evidence.status(), at.unwrap_or_default().timestamp_micros())
    };
    fold.deliveries().map(row).collect()
}

fn written(rows: &[Row]) -> Rows {
    let place = |status| Status::ALL.iter().position(|one| *one == status).unwrap();
    let line = |(delivery, status, at): &Row| format!("{delivery},{},{at}", place(*status));
    let mut lines: Rows = rows.iter().map(line).collect();
    lines.sort_unstable();
    lines
}

const DELIVERIES: u64 = 100_000;
const ROUNDS: usize = 3;
/// So many of the contenders are ours.
const OURS: usize = 2;
