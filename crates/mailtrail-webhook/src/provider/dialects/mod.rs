//! The providers, one file each.

mod azure;
mod mailersend;
mod mailtrap;
mod postal;
mod postmark;
mod resend;
mod sendgrid;
mod ses;

use std::sync::Arc;

use super::dialect::Dialect;
use super::mapping;

/// All of them.
pub(super) fn all() -> impl Iterator<Item = Arc<dyn Dialect>> {
    let coded: [Arc<dyn Dialect>; 8] = [
        Arc::new(azure::Azure),
        Arc::new(mailersend::MailerSend),
        Arc::new(mailtrap::Mailtrap),
        Arc::new(postal::Postal),
        Arc::new(postmark::Postmark),
        Arc::new(resend::Resend),
        Arc::new(sendgrid::SendGrid),
        Arc::new(ses::Ses),
    ];
    let mapped = mapping::builtin().iter().map(|mapping| -> Arc<dyn Dialect> { mapping.clone() });
    coded.into_iter().chain(mapped)
}
