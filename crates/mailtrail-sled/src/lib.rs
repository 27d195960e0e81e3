//! A durable embedded event store on sled 0.34.
//!
//! What is acknowledged, and what any reader has seen, survives kill −9 and power loss. Appends of
//! concurrent callers share one sync. One process owns the folder.
//!
//! ```
//! # futures_executor::block_on(async {
//! use mailtrail_core::store::{EventStore, Position};
//! use mailtrail_sled::SledStore;
//! let folder = tempfile::tempdir()?;
//! let store = SledStore::open(folder.path().join("trail"))?;
//! assert_eq!(store.head().await?.position, Position::START);
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! # What sled leaves open
//! sled is no longer maintained on the 0.34 line. Its own `flush` ends in `sync_file_range`, which is no
//! durability; this adapter syncs the database file itself after it. Damage that sled's own checks
//! don't see as such may make it panic: such a panic is caught, and told as `Corrupt`. At a page that it
//! can't read it cuts its log and goes on; the adapter keeps the head in a file of its own and tells
//! `Corrupt` where the log no longer reaches it.
#![warn(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

mod commit;
mod folder;
mod layout;
mod read;
mod restore;
mod rewrite;
mod snapshot;
mod states;
mod store;

pub use mailtrail_core::store::writer::{Restore, RestoreError};
pub use mailtrail_folder::FolderCheckpoints as SledCheckpoints;
pub use mailtrail_folder::FolderRaw as SledRaw;
pub use states::SledStates;
pub use store::{Options, SledStore};
