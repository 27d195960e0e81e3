//! What several stories need.

pub(crate) mod postfix;
pub(crate) mod skip;
