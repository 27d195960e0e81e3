//! A store of your own, on SQLite, held to every promise by the test kit.
//!
//! `cargo run -p mailtrail --example custom_store`; its tests are `cargo test -p mailtrail --example custom_store`.
//! `docs/write-a-store.md` goes through it. A toy: it reads its whole log when it is opened.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use mailtrail::core::audit::ChainCheck;
use mailtrail::core::event::{ChainHash, Envelope, Salt};
use mailtrail::core::store::writer::{Engine, Found, Writer, WriterOptions};
use mailtrail::core::store::{
    AppendError, Appended, BoxError, Capabilities, Durability, Filter, Head, ImportError,
    OpenError, Page, ReadError, RedactError, StreamPage, record,
};
use mailtrail::core::{AppendBatch, EventId, EventStore, Namespace, Position, StreamId, Version};
use rusqlite::{Connection, OptionalExtension, Params};

/// An event store in a folder with an SQLite database.
#[derive(Debug)]
struct SqliteStore {
    // Dropped first: its thread ends before the folder is let go.
    writer: Writer,
    reads: Mutex<Connection>,
    namespace: Namespace,
    _lock: File,
}

impl SqliteStore {
    fn open(folder: impl AsRef<Path>) -> Result<Self, OpenError> {
        let folder = folder.as_ref();
        make(folder).map_err(OpenError::Io)?;
        let lock = options().open(folder.join("lock")).map_err(OpenError::Io)?;
        lock.try_lock().map_err(|_| OpenError::InUse { owner: None })?;
        let witness = options().open(folder.join("head")).map_err(OpenError::Io)?;
        let corrupt = |cause: BoxError| OpenError::Corrupt { cause };
        let (connect, path) = (|path: &Path| connect(path), folder.join("events.db"));
        let (writes, reads) = connect(&path)
            .and_then(|writes| Ok((writes, connect(&path)?)))
            .map_err(|error| corrupt(error.into()))?;
        let namespace = namespace(&writes).map_err(|error| corrupt(error.into()))?;
        let check = verify(&writes).map_err(corrupt)?;
        compare(&witness, namespace, &check, &writes)?;
        let head = check.head();
        let engine = SqliteEngine { writes, witness, namespace };
        engine.witness(head).map_err(OpenError::Io)?;
        // Synced once: what is written over it later is there as a whole or not at all, as it is within one sector.
        let synced = engine.witness.sync_all().and_then(|()| File::open(folder)?.sync_all());
        synced.map_err(OpenError::Io)?;
        #[expect(
            clippy::disallowed_methods,
            reason = "a real store would take its clock as an argument"
        )]
        let options = WriterOptions::new(head, Arc::new(chrono::Utc::now), Box::new(salt));
        let writer = Writer::start(engine, options).map_err(OpenError::Io)?;
        Ok(Self { writer, reads: Mutex::new(reads), namespace, _lock: lock })
    }

    fn reads(&self) -> MutexGuard<'_, Connection> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is behind the head is not durable yet: nobody may see it.
    fn visible(&self) -> Position {
        self.writer.watch().head().position
    }
}

/// The writer's side: only its thread calls it.
struct SqliteEngine {
    writes: Connection,
    witness: File,
    namespace: Namespace,
}

impl Engine for SqliteEngine {
    fn find(&self, id: EventId) -> Result<Option<Found>, ReadError> {
        let found = one(&self.writes, "SELECT record FROM events WHERE id = ?1", [id.as_bytes()])?;
        Ok(found.as_ref().map(Found::from))
    }

    fn last_version(&self, stream: StreamId) -> Result<Option<Version>, ReadError> {
        last_version(&self.writes, stream, Position::new(u64::MAX >> 1))
    }

    /// `synchronous = FULL` and a write-ahead log: the commit returns when the log is on the disk.
    fn commit(&mut self, group: &[Envelope]) -> Result<(), BoxError> {
        let transaction = self.writes.transaction()?;
        for envelope in group {
            transaction.prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(
                (
                    number(envelope.position.get()),
                    envelope.event.event_id.as_bytes(),
                    envelope.stream.to_bytes(),
                    number(envelope.version.get()),
                    record::encode(envelope),
                ),
            )?;
        }
        transaction.commit()?;
        let last = group.last().map(|last| Head::new(last.position, last.hash));
        Ok(self.witness(last.unwrap_or_default())?)
    }

    fn redact(&mut self, _: &[EventId]) -> Result<(), RedactError> {
        Err(RedactError::Unsupported)
    }
}

impl SqliteEngine {
    /// Keeps the head in a file of its own: a database that was cut or is missing can't say so itself.
    fn witness(&self, head: Head) -> std::io::Result<()> {
        let text = format!("{:020} {} {}\n", head.position.get(), head.hash, hex(self.namespace));
        self.witness.write_all_at(text.as_bytes(), 0)
    }
}

#[async_trait]
impl EventStore for SqliteStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Durability::PowerLoss).imports()
    }

    fn namespace(&self) -> Namespace {
        self.namespace
    }

    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        self.writer.append(batch).await
    }

    async fn read_stream(
        &self,
        stream: StreamId,
        from: Version,
        limit: usize,
    ) -> Result<StreamPage, ReadError> {
        let (reads, visible) = (self.reads(), self.visible());
        let sql = "SELECT record FROM events WHERE stream = ?1 AND version >= ?2 AND position <= ?3 \
                   ORDER BY version LIMIT ?4";
        let bounds = (stream.to_bytes(), number(from.get()), number(visible.get()), limit.max(1));
        let events = many(&reads, sql, bounds)?;
        Ok(StreamPage::new(events, from, last_version(&reads, stream, visible)?))
    }

    async fn read_all(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
    ) -> Result<Page, ReadError> {
        let (reads, visible) = (self.reads(), self.visible());
        let (mut events, mut scanned_to) = (Vec::new(), after.min(visible));
        while events.len() < limit.max(1) && scanned_to < visible {
            let sql = "SELECT record FROM events WHERE position > ?1 AND position <= ?2 \
                       ORDER BY position LIMIT 256";
            let bounds = (number(scanned_to.get()), number(visible.get()));
            for envelope in many(&reads, sql, bounds)? {
                if events.len() == limit.max(1) {
                    break;
                }
                scanned_to = envelope.position;
                if filter.matches(envelope.stream, &envelope.event.event_type) {
                    events.push(envelope);
                }
            }
        }
        Ok(Page::new(events, scanned_to, visible))
    }

    async fn changed(&self, past: Position) -> Result<Position, ReadError> {
        Ok(self.writer.watch().changed(past).await)
    }

    async fn head(&self) -> Result<Head, ReadError> {
        Ok(self.writer.watch().head())
    }

    async fn redact(&self, _: &[EventId]) -> Result<(), RedactError> {
        Err(RedactError::Unsupported)
    }

    async fn import(&self, batch: AppendBatch) -> Result<Appended, ImportError> {
        self.writer.import(batch).await.map_err(ImportError::Append)
    }
}

/// Makes the folder, and its own name durable: a power cut would take it away with everything in it.
fn make(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    folder.canonicalize()?.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS events (position INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, \
         stream BLOB NOT NULL, version INTEGER NOT NULL, record BLOB NOT NULL, UNIQUE (stream, version)); \
         CREATE TABLE IF NOT EXISTS store (namespace BLOB NOT NULL)",
    )?;
    Ok(connection)
}

fn namespace(connection: &Connection) -> rusqlite::Result<Namespace> {
    let read = "SELECT namespace FROM store";
    if let Some(bytes) = connection.query_row(read, [], |row| row.get(0)).optional()? {
        return Ok(Namespace::from_bytes(bytes));
    }
    let new = Namespace::from_random(random());
    connection.execute("INSERT INTO store VALUES (?1)", [new.as_bytes()])?;
    Ok(new)
}

/// Walks everything: SQLite's own checks, each record's checksum, the chain, and that the indexes lead to it.
fn verify(connection: &Connection) -> Result<ChainCheck, BoxError> {
    let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if sound != "ok" {
        return Err(sound.into());
    }
    let mut check = ChainCheck::default();
    let mut rows = connection.prepare("SELECT * FROM events ORDER BY position")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let envelope = record::decode(&Bytes::from(row.get::<_, Vec<u8>>(4)?))?;
        check.record(&envelope)?;
        let indexed = number(envelope.position.get()) == row.get::<_, i64>(0)?
            && *envelope.event.event_id.as_bytes() == row.get::<_, [u8; 16]>(1)?
            && envelope.stream.to_bytes() == row.get::<_, [u8; 31]>(2)?
            && number(envelope.version.get()) == row.get::<_, i64>(3)?;
        if !indexed || check.records() != envelope.position.get() {
            return Err("a row is not that of its record".into());
        }
    }
    Ok(check)
}

/// Compares the log with what the witness saw.
fn compare(
    witness: &File,
    namespace: Namespace,
    check: &ChainCheck,
    connection: &Connection,
) -> Result<(), OpenError> {
    let corrupt = |cause: &str| OpenError::Corrupt { cause: cause.into() };
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut &*witness, &mut bytes).map_err(OpenError::Io)?;
    let found = check.head();
    if bytes.is_empty() && found == Head::default() {
        return Ok(());
    }
    let text = String::from_utf8(bytes).map_err(|_| corrupt("the witness is unreadable"))?;
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [position, hash, of] = parts[..] else {
        return Err(corrupt("the witness is unreadable"));
    };
    let position = Position::new(position.parse().map_err(|_| corrupt("the witness"))?);
    let hash: ChainHash = hash.parse().map_err(|_| corrupt("the witness"))?;
    if of != hex(namespace) {
        return Err(corrupt("the files of two stores are mixed"));
    }
    if position > found.position {
        return Err(OpenError::Cut { witnessed: position, found: found.position });
    }
    let sql = "SELECT record FROM events WHERE position = ?1";
    let seen = one(connection, sql, [number(position.get())])
        .map_err(|error| OpenError::Corrupt { cause: error.into() })?;
    if seen.map_or(ChainHash::default(), |record| record.hash) == hash {
        Ok(())
    } else {
        Err(corrupt("the record at the witnessed position is another one"))
    }
}

fn last_version(
    connection: &Connection,
    stream: StreamId,
    visible: Position,
) -> Result<Option<Version>, ReadError> {
    let sql = "SELECT record FROM events WHERE stream = ?1 AND position <= ?2 \
               ORDER BY version DESC LIMIT 1";
    let last = one(connection, sql, (stream.to_bytes(), number(visible.get())))?;
    Ok(last.map(|envelope| envelope.version))
}

fn one(connection: &Connection, sql: &str, of: impl Params) -> Result<Option<Envelope>, ReadError> {
    Ok(many(connection, sql, of)?.pop())
}

fn many(connection: &Connection, sql: &str, of: impl Params) -> Result<Vec<Envelope>, ReadError> {
    let rows = || {
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map(of, |row| row.get::<_, Vec<u8>>(0))?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    let records = rows().map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            ReadError::Corrupt { position: None }
        }
        _ => ReadError::Unavailable { cause: error.into() },
    })?;
    records.into_iter().map(|bytes| record::decode(&bytes.into())).collect()
}

fn options() -> fs::OpenOptions {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    options
}

/// SQLite counts in i64, as far as any log will ever get.
fn number(of: u64) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}

fn hex(namespace: Namespace) -> String {
    data_encoding::HEXLOWER.encode(namespace.as_bytes())
}

fn salt() -> Salt {
    Salt::from_bytes(random())
}

#[expect(clippy::expect_used, reason = "nothing could be trusted without randomness")]
fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    use mailtrail::core::EventStoreExt;
    let folder = tempfile::tempdir()?;
    let event = mailtrail_testkit::crash::event(7);
    {
        let store = SqliteStore::open(folder.path())?;
        futures_executor::block_on(store.record(vec![event.clone()]))?;
    }
    // Opened again, it knows the fact: brought twice, it is one event.
    let store = SqliteStore::open(folder.path())?;
    let again = futures_executor::block_on(store.record(vec![event]))?;
    assert_eq!(again.new_events(), 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store in a new folder, which the system clears away with its other temporary ones.
    fn temporary() -> SqliteStore {
        let folder = tempfile::tempdir().unwrap();
        SqliteStore::open(folder.keep()).unwrap()
    }

    mailtrail_testkit::conformance!(
        sqlite,
        temporary,
        open = |folder: &Path| SqliteStore::open(folder),
        limits = mailtrail_testkit::crash::Limits::none().may_map(
            "events.db-shm",
            "SQLite makes the index of its write-ahead log anew when the first process opens the database"
        )
    );
}
