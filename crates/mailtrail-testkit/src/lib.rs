//! Strategies, laws and the store conformance suite of Mailtrail.

pub mod broken;
pub mod conformance;
pub mod crash;
pub mod history;
pub mod law;
pub mod reproduction;
pub mod states;
pub mod strategy;
pub mod trail;

mod chaos;
mod clock;
mod feeder;
mod given;
mod run;

pub use chaos::{Chaos, ChaosStore};
pub use clock::VirtualClock;
pub use feeder::Feeder;
pub use given::{Given, When, given};
#[doc(no_inline)]
pub use mailtrail_core::EventStore;
pub use proptest;
pub use run::Run;

#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../../../docs/kit.md")]
    struct Harnesses;
}
