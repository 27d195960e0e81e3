//! Strategies, laws and the store conformance suite of Mailtrail.
//!
//! | feature | adds |
//! |---|---|
//! | `webhook` | `mock`: what every provider posts, signed, valid and spoilt |

pub mod broken;
pub mod conformance;
pub mod crash;
pub mod folder;
pub mod history;
pub mod law;
pub mod reproduction;
pub mod states;
pub mod strategy;
pub mod trail;

mod chaos;
mod clock;
mod double;
mod feeder;
mod given;
mod run;

pub use chaos::{Chaos, ChaosStore};
pub use clock::VirtualClock;
pub use double::{Double, Otherwise};
pub use feeder::Feeder;
pub use given::{Given, When, given};
#[doc(no_inline)]
pub use mailtrail_core::EventStore;
#[cfg(feature = "webhook")]
#[doc(no_inline)]
pub use mailtrail_webhook::provider::mock;
pub use proptest;
pub use run::Run;

// The chapter shows what every feature adds.
#[cfg(all(doctest, feature = "webhook"))]
mod guide {
    #[doc = include_str!("../../../docs/kit.md")]
    struct Harnesses;
}
