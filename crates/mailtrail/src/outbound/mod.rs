//! What is sent to subscribers: changes of statuses and events, signed, in order for each delivery, at least once.
//!
//! ```text
//!  log ─▶ Subscription ─▶ messages ─▶ lanes, one for each delivery ─▶ Poster ─▶ taken
//!            kept place ◀── moves when they are taken, or dead letters ──┘ again, by the schedule
//! ```
//!
//! A [`Subscriber`] says who wants what, a [`Poster`] brings a message there: [`HttpPoster`] by Standard Webhooks,
//! [`JsonLines`] to a file. [`Outbound`] does the rest on a thread of its own, and keeps in a [`SubscriberFolder`] how
//! far it is.

mod authorities;
mod folder;
mod http;
mod lanes;
mod lines;
mod maker;
mod outgoing;
mod poster;
mod sending;
mod subscriber;
mod worker;

pub use authorities::{Authorities, AuthoritiesError};
pub use folder::{DeadLetter, Kept, Pause, SubscriberFolder, Waiting};
pub use http::HttpPoster;
pub use lines::JsonLines;
pub use poster::Poster;
pub use subscriber::{Subscriber, Wanted};
pub use worker::{Outbound, Standing, StartError};
