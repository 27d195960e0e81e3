//! What happened to each email after "Send Now"?
//!
//! This crate is the pure heart of Mailtrail: identities, events, the evidence that they add up to,
//! the status that people see, planning, and the contract that event stores keep. It does no I/O,
//! has no runtime and no clock of its own: time, randomness and storage are arguments.
//!
//! ```text
//!  ports ──▶ Feedback ──▶ NewEvent ──▶ EventStore ──▶ Envelope ──▶ Evidence ──▶ Status
//!            (facts and   (what is     (append only,  (what is     (a join,     (only moves
//!             correlation) appended)    hash chain)    stored)      any order)   forward)
//! ```
//!
//! It does not send, receive, store or print anything: adapter crates do.
//!
//! # Example
//! ```
//! use mailtrail_core::{Evidence, Event, EventId, Fact, Join, Status};
//! use mailtrail_core::event::{Bounced, Delivered};
//! use mailtrail_core::reason::Reason;
//!
//! let id = |n| EventId::observed(chrono::DateTime::UNIX_EPOCH, [n; 10]);
//! let mut trail = Evidence::default();
//! trail.add(id(1), None, &Fact::new(Event::Delivered(Delivered::default())));
//! trail.add(id(2), None, &Fact::new(Event::Bounced(Bounced::because(Reason::MailboxFull))));
//!
//! assert_eq!(trail.status(), Status::Delivered);            // a late bounce never moves it back …
//! assert_eq!(trail.contradictions(), [id(2)]);              // … and stays visible
//! ```
#![warn(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

pub mod address;
pub mod audit;
pub mod clock;
pub mod correlation;
pub mod diagnosis;
pub mod event;
pub mod evidence;
pub mod feedback;
pub mod fold;
pub mod id;
pub mod lattice;
pub mod plan;
pub mod projection;
pub mod reason;
pub mod status;
pub mod store;
pub mod suppression;
pub mod token;

pub use address::EmailAddress;
pub use event::{Envelope, Event, EventType, Fact, NewEvent, Private};
pub use evidence::Evidence;
pub use feedback::Feedback;
pub use id::{BroadcastId, ContactId, DeliveryId, EventId, Namespace, StreamId};
pub use lattice::Join;
pub use status::Status;
pub use store::{AppendBatch, EventStore, EventStoreExt, Expected, Position, Version};
