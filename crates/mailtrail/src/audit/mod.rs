//! For auditors: exports that prove themselves, imports, verification and erasure.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! # use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
//! use mailtrail::audit::{ExportOptions, Finding, export, verify_lines};
//! use mailtrail::prelude::*;
//! let tracker = Tracker::builder(mailtrail::memory::MemoryStore::new()).open();
//! # let ann = Contact::new("c1".parse()?).address(ContactAddress::new("ann@a.example"));
//! # tracker.plan(Broadcast::new("b".parse()?, "general".parse()?), [ann]).await?;
//! let mut lines = Vec::new();
//! export(&**tracker.store(), &ExportOptions::new("trail"), &mut lines, |_| ()).await?;
//!
//! // Anywhere, later: without the store.
//! let verified = verify_lines(&lines[..])?;
//! assert_eq!(verified.finding, Finding::Intact);
//! assert_eq!(verified.head, tracker.store().head().await?);
//!
//! // One letter was changed.
//! let forged = String::from_utf8(lines)?.replacen("ann@a.example", "eve@a.example", 1);
//! assert!(matches!(verify_lines(forged.as_bytes())?.finding, Finding::Altered { .. }));
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod erase;
mod export;
mod import;
mod verify;

pub use erase::{EraseError, Erased, Erasure};
pub use export::{Begun, ExportError, ExportForm, ExportOptions, Exported, export, export_rest};
pub use import::{Differs, ImportLinesError, ImportReport, import, restore};
pub use verify::{
    Finding, Verified, VerifyError, verify_lines, verify_lines_against, verify_store,
};
