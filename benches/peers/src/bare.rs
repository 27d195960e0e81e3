//! A loop that writes events' bytes and syncs them: no store, but what the disk can do in this run.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use mailtrail_core::event::Envelope;
use mailtrail_core::store::record;

use crate::peer::{Counts, Peer};

/// A file that was filled with zeros.
pub struct Bare {
    file: File,
    end: u64,
}

impl Bare {
    /// In a new folder.
    pub fn open(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let file = File::create(folder.join("bytes")).unwrap();
        let zeros = vec![0; 1 << 20];
        (0..ROOM).step_by(zeros.len()).for_each(|at| file.write_all_at(&zeros, at).unwrap());
        file.sync_all().unwrap();
        Self { file, end: 0 }
    }
}

impl Peer for Bare {
    type Ready = Vec<u8>;

    fn ready(event: &Envelope) -> Vec<u8> {
        record::encode(event)
    }

    fn append(&mut self, batch: Vec<Vec<u8>>) {
        let bytes = batch.concat();
        self.file.write_all_at(&bytes, self.end).unwrap();
        self.file.sync_data().unwrap();
        self.end += bytes.len() as u64;
    }

    /// Nothing of it is read.
    fn replay(&self) -> Counts {
        Counts::default()
    }
}

/// More than all events take.
const ROOM: u64 = 320 << 20;
