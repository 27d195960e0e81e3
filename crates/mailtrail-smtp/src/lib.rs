//! The last metre to a mail server and the trail of what it answered: sending, signed return paths,
//! and the intake of what bounces back.
//!
//! It is no MTA: it hands messages to one (or to a recipient's own), one recipient a message, and
//! records each reply. What comes back by LMTP is recorded before it is acknowledged.
#![warn(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

pub mod intake;
pub mod message;
pub mod return_path;
pub mod send;
pub mod server;
#[cfg(feature = "sink")]
pub mod sink;
