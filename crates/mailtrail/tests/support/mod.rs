//! What several stories need.

pub(crate) mod cage;
pub(crate) mod exim;
pub(crate) mod opensmtpd;
pub(crate) mod postfix;
pub(crate) mod provider;
pub(crate) mod relay;
pub(crate) mod report;
pub(crate) mod skip;
