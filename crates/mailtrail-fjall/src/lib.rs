//! A fast durable embedded event store, indexed by fjall 3.
//!
//! What is acknowledged, and what any reader has seen, survives kill −9 and power loss. Appends of
//! concurrent callers share one sync. One process owns the folder.
//!
//! ```
//! # futures_executor::block_on(async {
//! use mailtrail_core::store::{EventStore, Position};
//! use mailtrail_fjall::FjallStore;
//! let folder = tempfile::tempdir()?;
//! let store = FjallStore::open(folder.path().join("trail"))?;
//! assert_eq!(store.head().await?.position, Position::START);
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! # How it is made
//! The records lie one behind the other in segments, which are filled with zeros beforehand: a group is one write and
//! one `fdatasync`, and a replay reads as fast as the file system gives. fjall holds which event is where, by id, stream
//! and type. It is written from time to time, sorted, on a thread of its own; it is never what an acknowledgement waits
//! for, and can be made anew from the events.
#![warn(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

mod commit;
mod engine;
mod events;
mod index;
mod layout;
mod read;
mod restore;
mod states;
mod store;
mod verify;

pub use mailtrail_core::store::writer::{Restore, RestoreError};
pub use mailtrail_folder::FolderCheckpoints as FjallCheckpoints;
pub use mailtrail_folder::FolderRaw as FjallRaw;
pub use states::FjallStates;
pub use store::{FjallStore, Options};
pub use verify::VerifyError;
