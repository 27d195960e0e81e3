//! The providers, one file each.

mod mailgun;
mod mandrill;
mod postmark;
mod sendgrid;

use std::sync::Arc;

use super::dialect::Dialect;

/// All of them.
pub(super) fn all() -> impl Iterator<Item = Arc<dyn Dialect>> {
    let coded: [Arc<dyn Dialect>; 4] = [
        Arc::new(postmark::Postmark),
        Arc::new(sendgrid::SendGrid),
        Arc::new(mailgun::Mailgun),
        Arc::new(mandrill::Mandrill),
    ];
    coded.into_iter()
}
