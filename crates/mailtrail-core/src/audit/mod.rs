//! Proof that a log is what was stored: the walk along the hash chain, and the lines of an export,
//! which prove the same without a store.

mod chain;
mod line;

pub use chain::{Altered, ChainCheck};
pub use line::{ExportHeader, ExportLine, ExportLineError, OmittedLine, as_cloud_event};
