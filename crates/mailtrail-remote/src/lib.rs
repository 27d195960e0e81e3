//! One owner, many users: an embedded store's folder has one owning process, which shares the store on
//! a Unix socket in the folder. [`RemoteStore`] is the same store seen from another process of the same
//! user on the same host: the same contract, the same promises.
//!
//! It is not for other hosts: several hosts need a server store.
//!
//! ```
//! # futures_executor::block_on(async {
//! use std::sync::Arc;
//! use mailtrail_core::EventStore;
//! use mailtrail_remote::{RemoteStore, Share};
//! let folder = tempfile::tempdir()?;
//! let store = Arc::new(mailtrail_memory::MemoryStore::new());
//! let share = Share::start(store.clone(), folder.path())?;         // in the owning process
//!
//! let remote = RemoteStore::connect(folder.path())?;               // in any other
//! assert_eq!(remote.namespace(), store.namespace());
//! let lease = remote.lease("broadcast/snow-day").await?;           // nobody else has it meanwhile
//! # drop((lease, share));
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! It needs no runtime: each connection has threads of its own on either side.
#![warn(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

mod connection;
mod failure;
mod frame;
mod lease;
mod link;
mod message;
mod share;
mod socket;
mod states;
mod store;

pub use lease::{Lease, LeaseError, Leases};
pub use share::Share;
pub use states::RemoteStates;
pub use store::{ConnectError, RemoteStore};
