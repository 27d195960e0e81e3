//! What is sent: one message to one recipient.

mod compose;
#[cfg(feature = "dkim")]
pub mod dkim;
mod fields;
mod headers;
mod prepared;
#[cfg(feature = "template")]
pub mod template;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mailtrail_core::store::BoxError;
use mailtrail_core::token::{Keys, Purpose};
use mailtrail_core::{DeliveryId, EmailAddress};

pub use compose::{Compose, Letter};
pub use headers::{Headers, HeadersError};
pub use prepared::{Prepared, PreparedError};

/// A message before it gets its recipient.
///
/// ```
/// use mailtrail_smtp::message::Message;
/// let message = Message::new("office@school.example", "Closed today", "Stay at home.")
///     .html("<p>Stay at home.</p>");
/// assert_eq!(message.subject, "Closed today");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The From address.
    pub from: String,
    /// The name beside it.
    pub from_name: Option<String>,
    /// The subject line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The HTML, if there is any.
    pub html: Option<String>,
}

/// Whom it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct To {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The address.
    pub address: EmailAddress,
    /// The person's name.
    pub name: Option<String>,
}

impl To {
    /// A delivery to an address.
    pub fn new(delivery: DeliveryId, address: EmailAddress, name: Option<String>) -> Self {
        Self { delivery, address, name }
    }
}

impl Message {
    /// A message of plain text.
    pub fn new(
        from: impl Into<String>,
        subject: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        let (from, subject, text) = (from.into(), subject.into(), text.into());
        Self { from, from_name: None, subject, text, html: None }
    }

    /// With an HTML form of it.
    pub fn html(mut self, html: impl Into<String>) -> Self {
        self.html = Some(html.into());
        self
    }

    /// The bytes of the message to one recipient (RFC 5322, MIME), with this Message-ID.
    ///
    /// # Errors
    /// That of writing to memory: none in practice.
    pub fn to_bytes(
        &self,
        to: &To,
        message_id: &str,
        date: DateTime<Utc>,
    ) -> std::io::Result<Vec<u8>> {
        let mut builder = MessageBuilder::new()
            .from(mailbox(self.from_name.as_deref(), &self.from))
            .to(mailbox(to.name.as_deref(), to.address.as_given()))
            .subject(fields::one_line(&self.subject))
            .date(date.timestamp())
            .message_id(message_id)
            .text_body(self.text.as_str());
        if let Some(html) = &self.html {
            builder = builder.html_body(html.as_str());
        }
        builder.write_to_vec()
    }
}

impl Compose for Message {
    fn compose(&self, letter: &Letter<'_>) -> Result<Vec<u8>, BoxError> {
        let name = letter.private.name.as_deref().map(str::to_owned);
        let to = To::new(letter.row.delivery, letter.address.clone(), name);
        Ok(self.to_bytes(&to, letter.message_id, letter.date)?)
    }
}

/// An address with the name beside it, on one line.
fn mailbox<'a>(name: Option<&str>, address: &'a str) -> Address<'a> {
    Address::new_address(name.map(fields::one_line).filter(|name| !name.is_empty()), address)
}

/// The Message-ID of a delivery, without angle brackets: it names the delivery, and proves nothing.
pub fn message_id(keys: &Keys, delivery: DeliveryId, domain: &str) -> String {
    format!("{}@{domain}", keys.sign(Purpose::MessageId, delivery))
}
