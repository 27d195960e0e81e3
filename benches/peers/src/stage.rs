//! What all stores are given: the events, and a place of their own.

use std::fs;
use std::path::{Path, PathBuf};

use mailtrail_benches::postgres::Postgres;
use mailtrail_core::event::Envelope;
use tempfile::TempDir;

use crate::events;

/// What all of them are given.
pub struct Stage {
    /// Dropped first: the server ends before its folder.
    pub postgres: Option<Postgres>,
    /// The events.
    pub events: Vec<Envelope>,
    folder: TempDir,
}

impl Stage {
    /// With a PostgreSQL, where there is one.
    pub fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        readable_by_all(folder.path());
        let postgres = Postgres::start_durable(&folder.path().join("postgres"));
        if postgres.is_none() {
            eprintln!("postgres-es: skipped: there is no PostgreSQL");
        }
        Self { postgres, events: events::events(DELIVERIES), folder }
    }

    /// A place that nothing is in yet.
    pub fn place(&self, name: &str) -> PathBuf {
        let place = self.folder.path().join(name);
        fs::remove_dir_all(&place).ok();
        place
    }
}

/// Another user's server has its folder in here.
fn readable_by_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
}

const DELIVERIES: u64 = 100_000;
