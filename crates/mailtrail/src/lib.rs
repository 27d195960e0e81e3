//! What happened to each email after "Send Now", with proof.
//!
//! Mailtrail keeps an append-only event stream for every delivery, folds it into a status that only
//! moves forward, and rebuilds every report from the events. This crate is what services depend on:
//! [`Tracker`] and, by feature, the adapters.
//!
//! | feature | adds |
//! |---|---|
//! | `memory` (default) | [`memory`]: the reference store |
//! | `sled` | [`sled`]: a durable embedded store |
//! | `fjall` | [`fjall`]: a faster one |
//! | `remote` | [`remote`]: one owner of a store, many users on its host |
//! | `report` | [`report`]: Email Log, summary and what else people look at |
//! | `html`, `parquet` | reports as one self-contained page, and for DuckDB, pandas and polars |
//! | `bounce` | [`bounce`], [`classify`]: bounce mails and reply texts |
//! | `log` | [`log`], [`classify`]: what Postfix, Exim and OpenSMTPD log |
//! | `webhook` | [`webhook`]: provider webhooks, the pixel; [`RefusedFolder`] |
//! | `bounce` and `report` | [`reclassify`]: old facts, read again by newer rules |
//! | `smtp` | [`smtp`]: sending, bounce intake |
//! | `template`, `dkim` | messages from a template, and signed: [`smtp::message`] |
//! | `lettre` | [`lettre`]: a trail for what a service sends with lettre |
//! | `outbound` | [`outbound`]: changes of statuses and events to subscribers |
//! | `serve` | [`serve`]: the HTTP server, its limits, TLS, trusted proxies |
//! | `page` | [`page`]: the live page, and its JSON API |
//!
//! # Example
//! ```
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! use mailtrail::prelude::*;
//! use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
//!
//! let tracker = Tracker::builder(mailtrail::memory::MemoryStore::new()).open();
//! let broadcast = Broadcast::new("snow-day".parse()?, "emergency".parse()?).subject("Closed today");
//! let ann = Contact::new("c1".parse()?).address(ContactAddress::new("ann@a.example"));
//! let plan = tracker.plan(broadcast, [ann]).await?;
//! assert_eq!(plan.queued, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod audit;
mod follow_up;
mod keys;
#[cfg(feature = "lettre")]
pub mod lettre;
#[cfg(feature = "outbound")]
pub mod outbound;
#[cfg(feature = "page")]
pub mod page;
#[cfg(feature = "report")]
mod policy;
pub mod projection;
mod queue;
#[cfg(all(feature = "bounce", feature = "report"))]
pub mod reclassify;
#[cfg(feature = "webhook")]
mod refused;
#[cfg(feature = "report")]
mod reports;
#[cfg(feature = "smtp")]
mod sending;
#[cfg(feature = "serve")]
pub mod serve;
mod tracker;

pub use follow_up::{FollowUp, FollowUpError, FollowUpReport};
pub use keys::{KeyEntry, KeyState, KeysError, KeysFile, keys_file};
#[cfg(feature = "report")]
pub use policy::PolicyError;
pub use queue::{Delivery, Queue};
#[cfg(feature = "webhook")]
pub use refused::RefusedFolder;
#[cfg(feature = "report")]
pub use reports::{ReportError, Reported};
#[cfg(feature = "smtp")]
pub use sending::Outgoing;
pub use tracker::{Builder, RecordError, Tracker};

pub use mailtrail_core as core;

#[cfg(feature = "bounce")]
pub use mailtrail_bounce as bounce;
#[cfg(any(feature = "bounce", feature = "log", feature = "webhook"))]
pub use mailtrail_classify as classify;
#[cfg(feature = "fjall")]
pub use mailtrail_fjall as fjall;
#[cfg(feature = "log")]
pub use mailtrail_maillog as log;
#[cfg(feature = "memory")]
pub use mailtrail_memory as memory;
#[cfg(feature = "remote")]
pub use mailtrail_remote as remote;
#[cfg(feature = "report")]
pub use mailtrail_report as report;
#[cfg(feature = "sled")]
pub use mailtrail_sled as sled;
#[cfg(feature = "smtp")]
pub use mailtrail_smtp as smtp;
#[cfg(feature = "webhook")]
pub use mailtrail_webhook as webhook;

/// What nearly every user of the crate needs.
pub mod prelude {
    pub use crate::Tracker;
    pub use mailtrail_core::{
        DeliveryId, EmailAddress, Event, EventStore, EventStoreExt, Evidence, Feedback, Status,
    };
}

/// The chapters of the book and the README, whose snippets are tests.
#[cfg(all(doctest, feature = "memory"))]
mod guide {
    #[doc = include_str!("../../../README.md")]
    struct Readme;
    #[doc = include_str!("../../../docs/concepts.md")]
    struct Concepts;
    #[doc = include_str!("../../../docs/statuses.md")]
    struct Statuses;
    #[doc = include_str!("../../../docs/events.md")]
    struct Events;
    #[doc = include_str!("../../../docs/store-contract.md")]
    struct StoreContract;
    #[doc = include_str!("../../../docs/projections.md")]
    struct Projections;
    #[cfg(feature = "bounce")]
    #[doc = include_str!("../../../docs/bounces.md")]
    struct Bounces;
    #[cfg(feature = "webhook")]
    #[doc = include_str!("../../../docs/instrument.md")]
    struct Instrument;
    #[cfg(all(feature = "dkim", feature = "template"))]
    #[doc = include_str!("../../../docs/sending.md")]
    struct Sending;
    #[cfg(feature = "lettre")]
    #[doc = include_str!("../../../docs/lettre.md")]
    struct Lettre;
    #[cfg(feature = "log")]
    #[doc = include_str!("../../../docs/logs.md")]
    struct Logs;
}
