//! The providers, one file each.

mod postmark;
mod sendgrid;

use std::sync::Arc;

use super::dialect::Dialect;
use super::mapping;

/// All of them.
pub(super) fn all() -> impl Iterator<Item = Arc<dyn Dialect>> {
    let coded: [Arc<dyn Dialect>; 2] = [Arc::new(postmark::Postmark), Arc::new(sendgrid::SendGrid)];
    coded.into_iter().chain(mapping::builtin().iter().cloned())
}
