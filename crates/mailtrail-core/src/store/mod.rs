//! The contract that event stores keep, and what embedded stores share.

mod append;
mod capability;
mod contract;
mod error;
mod ext;
mod head;
mod position;
mod raw;
mod read;
pub mod record;
pub mod writer;

pub use append::{AppendBatch, Appended, Expected, Known, Outcome, StoredAt, StreamWrite};
pub use capability::{Capabilities, Durability, Limits};
pub use contract::EventStore;
pub use error::{
    Advice, AppendError, BoxError, Clash, ImportError, Mismatch, OpenError, ReadError, RedactError,
};
pub use ext::EventStoreExt;
pub use head::{Head, HeadWatch};
pub use position::{Position, Version};
pub use raw::{RawError, RawStore};
pub use read::{Filter, Page, StreamPage};
