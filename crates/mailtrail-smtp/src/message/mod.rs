//! What is sent: one message to one recipient.

mod compose;
#[cfg(feature = "dkim")]
pub mod dkim;
mod fields;
mod headers;
mod prepared;
#[cfg(feature = "template")]
pub mod template;

use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::mime::MimePart;
use mailtrail_core::store::BoxError;
use mailtrail_core::token::{Keys, Purpose};
use mailtrail_core::{DeliveryId, EmailAddress};

pub use compose::{Compose, Letter};
pub use headers::{Headers, HeadersError};
pub use prepared::{Prepared, PreparedError};

/// A message before it gets its recipient. To one recipient it is the same bytes each time.
///
/// Subject and names go on one line, and `=?`, by which an encoded word begins (RFC 2047), is taken apart:
/// many a reader would decode it, also where it is no such word.
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

    /// The parts. Their boundary is the same each time, and stands in none of them.
    fn body(&self) -> MimePart<'_> {
        let text = MimePart::new("text/plain", self.text.as_str());
        let Some(html) = &self.html else {
            return text;
        };
        // No encoding of a part writes `=_`: it has to be in the plain text to be in the way.
        let is_in_the_way =
            |boundary: &String| self.text.contains(boundary) || html.contains(boundary);
        let mut boundaries = (0_u64..).map(|number| format!("=_{number}"));
        let boundary = boundaries.find(|boundary| !is_in_the_way(boundary)).unwrap_or_default();
        let alternative = ContentType::new("multipart/alternative").attribute("boundary", boundary);
        MimePart::new(alternative, vec![text, MimePart::new("text/html", html.as_str())])
    }
}

impl Compose for Message {
    fn compose(&self, letter: &Letter<'_>) -> Result<Vec<u8>, BoxError> {
        let to = on_the_wire(letter.address);
        let builder = MessageBuilder::new()
            .from(mailbox(self.from_name.as_deref(), &self.from))
            .to(mailbox(letter.private.name.as_deref(), &to))
            .subject(fields::one_line(&self.subject))
            .date(letter.date.timestamp())
            .message_id(letter.message_id);
        Ok(builder.body(self.body()).write_to_vec()?)
    }
}

/// An address with the name beside it, on one line.
fn mailbox<'a>(name: Option<&str>, address: &'a str) -> Address<'a> {
    Address::new_address(name.map(fields::one_line).filter(|name| !name.is_empty()), address)
}

/// A domain is written so that every server takes it (RFC 5890); only a local part of other letters needs
/// SMTPUTF8 (RFC 6531).
pub(crate) fn on_the_wire(address: &EmailAddress) -> String {
    let given = address.as_given();
    match given.rsplit_once('@') {
        Some((local, _)) if local.is_ascii() => format!("{local}@{}", address.domain()),
        Some(_) | None => given.into(),
    }
}

/// The Message-ID of a delivery, without angle brackets: it names the delivery, and proves nothing.
pub fn message_id(keys: &Keys, delivery: DeliveryId, domain: &str) -> String {
    format!("{}@{domain}", keys.sign(Purpose::MessageId, delivery))
}
