//! Strategies, laws and the store conformance suite of Mailtrail.

pub mod broken;
pub mod conformance;
pub mod law;
pub mod strategy;

mod clock;
mod feeder;

pub use clock::VirtualClock;
pub use feeder::Feeder;
#[doc(no_inline)]
pub use mailtrail_core::EventStore;
pub use proptest;
