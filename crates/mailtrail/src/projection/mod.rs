//! Projections that run: built with all cores, kept in pages, live, and subscriptions to the log.

mod build;
mod live;
mod progress;
mod runner;
mod steps;
mod subscription;

#[cfg(feature = "report")]
pub(crate) use build::apply;
pub use build::build;
pub use live::Live;
#[cfg(feature = "outbound")]
pub(crate) use live::chain;
pub use progress::Progress;
pub use runner::{RunError, Runner, resume, skip};
pub use subscription::{Subscription, SubscriptionError};
