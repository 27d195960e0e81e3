//! Provider webhooks and tracking hits to Mailtrail's feedback.
//!
//! Every provider is a value with the same three pure functions: *verify* what came, *split* it into
//! elements, *read* each. Pixel and links are another source of facts: a hit first, a verdict on who made it
//! later. [`Intake`] does the little I/O: it answers only after the events are durable; [`Hits`](track::Hits) answers
//! at once, and stores meanwhile.
//!
//! ```text
//!  request ─▶ verify ─▶ split ─▶ read ─▶ Feedback ─▶ EventStore ─▶ answer
//!               │ refused: counted, no event, kept for a week in a ring outside the store
//!  pixel, link ─▶ Hit (+ Opened or Clicked, if it alone decides) ─▶ … 10 s … ─▶ judge ─▶ Opened, Clicked
//!  POST /u/… ──▶ Unsubscribed ─▶ answer
//! ```
//!
//! It does not listen by itself: feature `axum` gives a router, which the caller serves.
//!
//! # Example
//! ```
//! use mailtrail_classify::Classifier;
//! use mailtrail_core::id::Endpoint;
//! use mailtrail_core::token::{Key, Keys};
//! use mailtrail_core::{Event, Namespace};
//! use mailtrail_webhook::provider::{Access, Account, Reader, receive};
//! use mailtrail_webhook::{Headers, Request, Secret};
//!
//! let access = Access::new().credential(Secret::basic("mail", "trail"));
//! let postmark = Account::new(Endpoint::new("postmark")?, "postmark", access)?;
//! let (keys, classifier) = (Keys::new(Key::new(1, [7; 32])), Classifier::builtin()?);
//! let reader = Reader::new(&keys, &classifier);
//!
//! let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
//! let body = br#"{"RecordType":"Delivery","MessageID":"m-1","Recipient":"ann@a.example"}"#;
//! let request = Request::new(body, now);
//! assert!(receive(&postmark, &request, &reader, None).is_err());           // no credentials: no event
//!
//! let request = request.headers(Headers::new().with("Authorization", "Basic bWFpbDp0cmFpbA=="));
//! let feedback = receive(&postmark, &request, &reader, None)?;
//! assert!(matches!(feedback[0].fact.event, Event::Delivered(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

pub mod fetch;
pub mod instrument;
pub mod intake;
pub mod outbound;
pub mod provider;
pub mod refused;
pub mod track;

mod form;
mod request;
#[cfg(feature = "axum")]
mod router;
mod secret;
mod text;

pub use intake::Intake;
pub use request::{Headers, Request};
#[cfg(feature = "axum")]
pub use router::{hits_router, router};
pub use secret::Secret;
