//! The reports of Mailtrail, rebuilt from events alone: the [`EmailLog`] and the [`BroadcastSummary`].
//!
//! ```
//! # futures_executor::block_on(async {
//! use mailtrail_core::plan::{Broadcast, Contact, ContactAddress, Planner};
//! use mailtrail_core::projection::replay;
//! use mailtrail_report::{EmailLog, EmailLogState, Query};
//! # let store = mailtrail_memory::MemoryStore::new();
//! # let clock = || chrono::DateTime::UNIX_EPOCH;
//! # let mut planner = Planner::open(&store, Broadcast::new("b".parse()?, "general".parse()?), &clock).await?;
//! # planner.add(Contact::new("c1".parse()?).address(ContactAddress::new("ann@a.example"))).await?;
//! # planner.finish().await?;
//! let mut state = EmailLogState::default();
//! replay(&store, &EmailLog, &mut state, Default::default(), &Default::default()).await?;
//! let rows = state.rows(&Query::default())?;
//! assert_eq!(rows[0].delivery_results, "Unsent");
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod broadcast_summary;
mod email_log;
mod planned_row;
mod query;
pub mod render;
mod row;
pub mod sheet;
mod standing;
mod summary;
mod words;

pub use broadcast_summary::{BroadcastSummary, BroadcastSummaryState};
pub use email_log::{EmailLog, EmailLogState};
pub use query::{ParseQueryError, Query};
pub use row::EmailLogRow;
pub use summary::{Rate, Summary};
