//! Histories of concurrent calls, recorded and checked.
//!
//! [`Recorder`] wraps a store for one thread and writes down every call: when it began and when it was answered, by
//! a clock that all threads share. [`check`] then compares all of them with the log as it is in the end. The
//! versions and positions that a store gives are its own witness of the order in which things took effect, so the
//! check needs no search.
//!
//! ```
//! use std::sync::Arc;
//! use futures_executor::block_on;
//! use mailtrail_core::store::Filter;
//! use mailtrail_core::{EventStore, Position};
//! use mailtrail_testkit::history::{Calls, check};
//! let store = Arc::new(mailtrail_memory::MemoryStore::new());
//! let calls = Calls::default();
//! let recorder = calls.recorder(store.clone());            // one for each thread
//! block_on(recorder.head())?;
//! let log = block_on(store.read_all(&Filter::all(), Position::START, 1_000))?.events;
//! assert!(check(&calls.take(), &log).is_ok());
//! # Ok::<(), mailtrail_core::store::ReadError>(())
//! ```

mod check;
mod recorder;

pub use check::{Violation, check};
pub use recorder::{Call, Calls, Recorder, What};
