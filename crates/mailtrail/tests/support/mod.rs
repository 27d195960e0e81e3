//! What several stories need.

pub(crate) mod postfix;
pub(crate) mod provider;
pub(crate) mod report;
pub(crate) mod skip;
