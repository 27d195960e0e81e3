//! The providers, one file each.

mod azure;
mod brevo;
mod mailersend;
mod mailgun;
mod mailjet;
mod mailtrap;
mod mandrill;
mod postal;
mod postmark;
mod resend;
mod sendgrid;
mod ses;
mod sparkpost;
mod unisender_go;
mod zeptomail;

use std::sync::Arc;

use super::dialect::Dialect;
use super::mapping;

/// All of them.
pub(super) fn all() -> impl Iterator<Item = Arc<dyn Dialect>> {
    let coded: [Arc<dyn Dialect>; 15] = [
        Arc::new(azure::Azure),
        Arc::new(brevo::Brevo),
        Arc::new(mailersend::MailerSend),
        Arc::new(mailgun::Mailgun),
        Arc::new(mailjet::Mailjet),
        Arc::new(mailtrap::Mailtrap),
        Arc::new(mandrill::Mandrill),
        Arc::new(postal::Postal),
        Arc::new(postmark::Postmark),
        Arc::new(resend::Resend),
        Arc::new(sendgrid::SendGrid),
        Arc::new(ses::Ses),
        Arc::new(sparkpost::SparkPost),
        Arc::new(unisender_go::UnisenderGo),
        Arc::new(zeptomail::ZeptoMail),
    ];
    coded.into_iter().chain(mapping::builtin().iter().cloned())
}
