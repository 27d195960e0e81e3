//! The providers, one file each.

mod brevo;
mod mailgun;
mod mailjet;
mod mandrill;
mod postmark;
mod sendgrid;
mod sparkpost;
mod unisender_go;

use std::sync::Arc;

use super::dialect::Dialect;
use super::mapping;

/// All of them.
pub(super) fn all() -> impl Iterator<Item = Arc<dyn Dialect>> {
    let coded: [Arc<dyn Dialect>; 8] = [
        Arc::new(postmark::Postmark),
        Arc::new(sendgrid::SendGrid),
        Arc::new(brevo::Brevo),
        Arc::new(mailgun::Mailgun),
        Arc::new(mailjet::Mailjet),
        Arc::new(mandrill::Mandrill),
        Arc::new(sparkpost::SparkPost),
        Arc::new(unisender_go::UnisenderGo),
    ];
    coded.into_iter().chain(mapping::builtin().iter().cloned())
}
