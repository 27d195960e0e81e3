//! All events read back and folded.

use mailtrail_benches::{Figure, Wanted};
use mailtrail_core::{DeliveryId, Status};

use crate::duckdb::{DuckDb, Rows};
use crate::evento::Evento;
use crate::ours::Ours;
use crate::peer::{Counts, Peer, fill, time};
use crate::postgres_es::PostgresEs;
use crate::sqlite::Sqlite;
use crate::stage::Stage;

/// All events read back: beside those who keep a log, and beside who answers from columns.
pub fn replay(stage: &Stage, wanted: &Wanted) {
    let asked = ["replay.evento", "replay.postgres_es", "replay.sqlite", "replay.duckdb"];
    if !asked.iter().any(|name| wanted.has(name)) {
        return;
    }
    let mut ours = Ours::fjall(&stage.place("fjall"));
    fill(&mut ours, &stage.events);
    let (seconds, counts) = time(|| ours.replay());
    let rates = Rates { events: stage.events.len() as f64, ours: seconds, counts };
    if wanted.has("replay.evento") {
        let peer = Evento::open(&stage.place("evento"));
        let figure = rates.beside(peer, stage, "replay.evento", "evento, its log by pages");
        figure.at_least(5.0).print();
    }
    if let Some(server) = stage.postgres.as_ref().filter(|_| wanted.has("replay.postgres_es")) {
        let (peer, against) = (PostgresEs::open(server), "postgres-es, QueryReplay");
        rates.beside(peer, stage, "replay.postgres_es", against).at_least(5.0).print();
    }
    if wanted.has("replay.sqlite") {
        let peer = Sqlite::open(&stage.place("sqlite"));
        rates.beside(peer, stage, "replay.sqlite", "SQLite, the same records").print();
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
    fn beside(
        &self,
        mut peer: impl Peer,
        stage: &Stage,
        name: &'static str,
        against: &'static str,
    ) -> Figure {
        fill(&mut peer, &stage.events);
        let (theirs, counts) = time(|| peer.replay());
        assert_eq!(counts, self.counts, "{name} has other statuses");
        let unit = "events/s from mailtrail-fjall, one core: read, checked, decoded, folded";
        Figure::new(name, self.events / self.ours, unit).against(against, self.events / theirs)
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
