//! What the embedded stores of Mailtrail share of their folders: the lock that names its owner, the witness of the
//! head, raw bytes and places in the log. Use it through a store's own crate.
//!
//! ```
//! use mailtrail_folder::Lock;
//! let folder = tempfile::tempdir()?;
//! let lock = Lock::take(folder.path(), "sled", &["log"])?;
//! assert!(Lock::take(folder.path(), "sled", &["log"]).is_err(), "one process at a time");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

mod checkpoints;
mod lock;
mod raw;
mod salts;
mod witness;

use std::fs::File;
use std::io;
use std::path::Path;

pub use checkpoints::FolderCheckpoints;
pub use lock::Lock;
pub use raw::FolderRaw;
pub use salts::salts;
pub use witness::Witness;

/// Makes the names of a folder's files durable.
///
/// # Errors
/// That of the operating system.
pub fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
