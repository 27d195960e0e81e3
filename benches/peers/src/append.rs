//! The race for durable events: all stores in each round, with one writer.

use mailtrail_benches::{Figure, Wanted};

use crate::bare::Bare;
use crate::evento::Evento;
use crate::ours::Ours;
use crate::peer::{Peer, append_rate, median};
use crate::postgres_es::PostgresEs;
use crate::sqlite::Sqlite;
use crate::stage::Stage;

/// Durable events a second, in commits of one and of a hundred.
pub fn append(stage: &Stage, wanted: &Wanted) {
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
            Some((name, best)) if place == 0 => {
                let figure = figure.against(name, best);
                // Only of batches more is asked than that they are measured.
                if index == 1 { figure.at_least(1.0).print() } else { figure.print() }
            }
            _ => figure.print(),
        }
    }
}

impl Stage {
    fn race(&self, peer: impl Peer, batch: usize) -> f64 {
        append_rate(peer, &self.events, batch)
    }
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

const ROUNDS: usize = 3;
/// So many of the contenders are ours.
const OURS: usize = 2;

const CONTENDERS: [Contender; 8] = [
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
        name: "evento, SyncData",
        figures: ["peers.append1.evento_data", "peers.append100.evento_data"],
        promise: "events/s, on the disk: SyncData (fdatasync) at each write, if so told",
        durable: true,
        rate: |stage, batch| Some(stage.race(Evento::data_synced(&stage.place("evento")), batch)),
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
        rate: |stage, batch| Some(stage.race(Sqlite::open(&stage.place("sqlite")), batch)),
    },
    Contender {
        name: "evento, unsynced",
        figures: ["peers.append1.evento_unsynced", "peers.append100.evento_unsynced"],
        promise: "events/s, NOT on the disk: PersistMode::Buffer, lost when the power goes",
        durable: false,
        rate: |stage, batch| Some(stage.race(Evento::unsynced(&stage.place("evento")), batch)),
    },
    Contender {
        name: "a bare loop",
        figures: ["peers.append1.raw", "peers.append100.raw"],
        promise: "events' bytes/s, written over zeros + fdatasync: no store, what the disk can do",
        durable: false,
        rate: |stage, batch| Some(stage.race(Bare::open(&stage.place("bare")), batch)),
    },
];
