//! Plain SQLite: a table with what an event store needs.

use std::fs;
use std::path::Path;

use mailtrail_core::event::Envelope;
use mailtrail_core::fold::Fold;
use mailtrail_core::store::record;
use rusqlite::{Connection, params};

use crate::ours::statuses;
use crate::peer::{Counts, Peer};

/// A database.
pub struct Sqlite(Connection);

/// The columns of an event.
pub struct Row {
    position: i64,
    id: [u8; 16],
    stream: [u8; 31],
    version: i64,
    record: Vec<u8>,
}

impl Sqlite {
    /// With a write-ahead log that is synced at every commit.
    pub fn open(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let connection = Connection::open(folder.join("events.db")).unwrap();
        connection.execute_batch(SETUP).unwrap();
        connection.set_prepared_statement_cache_capacity(8);
        Self(connection)
    }
}

impl Peer for Sqlite {
    type Ready = Row;

    fn ready(event: &Envelope) -> Row {
        Row {
            position: event.position.get().try_into().unwrap(),
            id: *event.event.event_id.as_bytes(),
            stream: event.stream.to_bytes(),
            version: event.version.get().try_into().unwrap(),
            record: record::encode(event),
        }
    }

    fn append(&mut self, batch: Vec<Row>) {
        let transaction = self.0.transaction().unwrap();
        let insert = "INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5)";
        let mut statement = transaction.prepare_cached(insert).unwrap();
        for row in batch {
            let columns = params![row.position, row.id, row.stream, row.version, row.record];
            statement.execute(columns).unwrap();
        }
        drop(statement);
        transaction.commit().unwrap();
    }

    fn replay(&self) -> Counts {
        let mut statement = self.0.prepare("SELECT record FROM events ORDER BY position").unwrap();
        let mut rows = statement.query([]).unwrap();
        let mut fold = Fold::default();
        while let Some(row) = rows.next().unwrap() {
            let record: Vec<u8> = row.get(0).unwrap();
            fold.add(&record::decode(&record.into()).unwrap());
        }
        statuses(&fold)
    }
}

const SETUP: &str = "PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE events (
        position INTEGER PRIMARY KEY,
        id BLOB NOT NULL UNIQUE,
        stream BLOB NOT NULL,
        version INTEGER NOT NULL,
        record BLOB NOT NULL,
        UNIQUE (stream, version)
    );";
