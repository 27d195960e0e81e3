//! The reports of Mailtrail, rebuilt from events alone.
//!
//! Three projections keep what all reports are read from: the [`EmailLog`], the [`BroadcastSummary`] and the [`Trails`]. A
//! report is a view over the state of one of them, and a [`Sheet`](sheet::Sheet): every [rendering](render) shows it.
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
mod comparison;
mod contradictions;
mod course;
mod custom_events;
mod domain_health;
mod email_log;
mod index;
mod invalid_addresses;
mod labels;
mod over_time;
mod page;
mod planned_row;
mod query;
mod reading_behaviour;
pub mod render;
mod row;
pub mod sheet;
mod spread;
mod standing;
mod summary;
mod times;
mod tracking_coverage;
mod trail;
mod trails;
mod unmatched_feedback;
mod words;

pub use broadcast_summary::{BroadcastSummary, BroadcastSummaryState};
pub use comparison::{Compared, Comparison};
pub use contradictions::{Contradiction, Contradictions};
pub use custom_events::{CustomEvent, CustomEvents};
pub use domain_health::{Change, DomainHealth, Health, Period};
pub use email_log::{EmailLog, EmailLogState};
pub use index::{EmailLogIndex, Found, IndexFull, IndexedRow};
pub use invalid_addresses::{Fault, InvalidAddress, InvalidAddresses};
pub use over_time::OverTime;
pub use page::{Cursor, Page, Paging, ParsePagingError, Sort};
pub use query::{ParseQueryError, Query, QueryError};
pub use reading_behaviour::{By, ReadCounts, ReadingBehaviour};
pub use row::EmailLogRow;
pub use summary::{Rate, Summary};
pub use times::Times;
pub use tracking_coverage::{Coverage, TrackingCoverage};
pub use trails::{Trails, TrailsState};
pub use unmatched_feedback::{Unmatched, UnmatchedFeedback};
