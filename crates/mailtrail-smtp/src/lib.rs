//! Sending with a transcript, signed return paths and bounce intake for Mailtrail.
#![warn(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

pub mod server;
#[cfg(feature = "sink")]
pub mod sink;
