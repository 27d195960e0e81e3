//! Bounce mails to feedback: bytes in, facts out. Pure.
//!
//! It reads delivery reports (RFC 3464), also in their internationalised form (RFC 6533). Mail that
//! is no such report is said to be none, never taken for a bounce.
//!
//! ```
//! use mailtrail_bounce::Reader;
//! use mailtrail_classify::Classifier;
//! use mailtrail_core::token::{Key, Keys};
//! let (classifier, keys) = (Classifier::builtin()?, Keys::new(Key::new(1, [7; 32])));
//! let reader = Reader::new(&classifier, &keys);
//! let reading = reader.read(b"Subject: lunch?\r\n\r\nAt noon.", None, chrono::DateTime::UNIX_EPOCH)?;
//! assert!(reading.recipients.is_empty(), "an ordinary mail is no report");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

mod address;
mod bounce;
mod charset;
mod complaint;
mod fields;
mod head;
mod identity;
mod mail;
mod mime;
mod notice;
mod original;
mod phrases;
mod reader;
mod receipt;
mod recipient;
mod reply;
mod ses;
mod status;

pub use original::Original;
pub use phrases::{Phrases, PhrasesError};
pub use reader::{Kind, ReadError, Reader, Reading};
pub use recipient::{Action, Recipient};
pub use reply::is_auto_reply;
