//! Lines of a mail server's log to feedback: what Postfix, Exim and OpenSMTPD say became of each
//! message. Pure: no files, no clock.
//!
//! A relay that takes a message says 250 and no more. Its log goes on: it names the queue id of the
//! message, its envelope sender (our return path, with its token), and, for each recipient, what the
//! next server answered. A [`Reader`] follows them from line to line.
//!
//! ```text
//!  postfix/cleanup  4bQ…: message-id=<…>          ┐
//!  postfix/qmgr     4bQ…: from=<b+token@…>, …     ├─▶ which delivery ─┐
//!  postfix/smtp     4bQ…: to=<ann@…>, status=…    ┴─▶ what happened ──┴─▶ Feedback
//! ```
//!
//! # Example
//! ```
//! use mailtrail_classify::Classifier;
//! use mailtrail_core::token::{Key, Keys, Purpose};
//! use mailtrail_core::{DeliveryId, Event};
//! use mailtrail_maillog::{Mta, Reader};
//! let (classifier, keys) = (Classifier::builtin()?, Keys::new(Key::new(1, [7; 32])));
//! let token = keys.sign(Purpose::ReturnPath, DeliveryId::from_bytes([3; 16]));
//! let now = "2026-11-26T12:00:00Z".parse()?;
//!
//! let mut reader = Reader::new(Mta::Postfix, &classifier, &keys);
//! let sender = format!("Nov 26 11:59:58 mail postfix/qmgr[7]: 4bQx1: from=<b+{token}@b.example>, size=9, nrcpt=1 (queue active)");
//! assert!(reader.read(sender.as_bytes(), now).is_empty(), "nothing has happened yet");
//! let outcome = "Nov 26 11:59:59 mail postfix/smtp[8]: 4bQx1: to=<ann@a.example>, relay=mx.a.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 ok)";
//! let feedback = reader.read(outcome.as_bytes(), now);
//! assert!(matches!(feedback[0].fact.event, Event::Delivered(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

mod entry;
mod hop;
mod line;
mod messages;
mod naming;
mod outcome;
mod reader;
mod server;
mod stamp;
mod zone;

pub use hop::{OwnRelay, OwnRelayError};
pub use messages::{MOST_BYTES, MOST_MESSAGES};
pub use reader::{Counts, MOST_LINE_BYTES, Reader};
pub use server::Mta;
pub use zone::{Zone, ZoneError};
