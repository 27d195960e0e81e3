//! The fields that every message of a broadcast should have.

use std::fmt::Write as _;

use super::fields::{self, Fields};
use super::{Compose, Letter};
use mailtrail_core::store::BoxError;

/// Adds the fields that a message lacks; those that it has stay as they are.
///
/// | field | when | why |
/// |---|---|---|
/// | `To`, `Date`, `Message-ID` | always | RFC 5322 §3.6; the trail knows a message by its id |
/// | `MIME-Version` | there is a `Content-Type` | without it some readers show the parts as text (RFC 2045 §4) |
/// | `List-Id: <{kind}.{domain}>` | [`list_id`](Self::list_id) | one name per type of broadcast to filter by (RFC 2919) |
/// | `Precedence: bulk` | [`bulk`](Self::bulk) | keeps absence notices away, which is its one use today |
/// | `Auto-Submitted: auto-generated` | [`auto_generated`](Self::auto_generated) | no human wrote it (RFC 3834 §5.1) |
/// | `Feedback-ID: {broadcast}:{kind}:{sender}` | [`feedback_id`](Self::feedback_id) | Gmail's Postmaster Tools count complaints by it |
///
/// `List-Unsubscribe`, `List-Unsubscribe-Post` and `X-MT-Delivery` come with tracking; see
/// `mailtrail::webhook::instrument`. Both belong before the DKIM signature, which then covers them.
///
/// # Guarantees
/// - Pure, and doing it twice is doing it once. The body stays as it is, to the byte.
/// - No value can add a line: what a field may not hold is written `=XX`.
///
/// # Limits
/// A value of more than 255 bytes is not added (RFC 2919 §6): keep names of kinds and broadcasts short.
///
/// # Example
/// ```
/// # use mailtrail_core::event::{Private, Row};
/// # use mailtrail_core::DeliveryId;
/// use mailtrail_smtp::message::{Compose, Headers, Letter, Message};
/// # let row = Row::new(DeliveryId::from_bytes([2; 16]), "snow-day".parse()?, "c1".parse()?, "emergency".parse()?);
/// # let (private, ann) = (Private::default(), "ann@a.example".parse()?);
/// # let date = "2026-01-12T06:30:00Z".parse()?;
/// let letter = Letter::new(&row, &private, &ann, "1@school.example", date);
/// let message = Message::new("office@school.example", "Closed today", "Stay at home.");
/// let headers = Headers::new().list_id("school.example").bulk();
/// let bytes = headers.add_to(message.compose(&letter)?, &letter)?;
/// let text = String::from_utf8(bytes)?;
/// assert!(text.contains("\r\nList-Id: <emergency.school.example>\r\nPrecedence: bulk\r\n\r\n"));
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    list_domain: Option<String>,
    feedback_sender: Option<String>,
    is_bulk: bool,
    is_auto_generated: bool,
}

/// Why no field can be added to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadersError {
    /// What was composed has a line in its header that is none.
    #[error("line {line} of the message is no line of a header (`Name: text`)")]
    NoField {
        /// The line, counted from 1.
        line: usize,
    },
}

impl Headers {
    /// Only what no message may lack.
    pub fn new() -> Self {
        Self::default()
    }

    /// A `List-Id` of the broadcast's type under this domain.
    pub fn list_id(mut self, domain: impl Into<String>) -> Self {
        self.list_domain = Some(domain.into());
        self
    }

    /// `Precedence: bulk`: for what goes to many. Leave it out where you want to hear who is away.
    pub fn bulk(mut self) -> Self {
        self.is_bulk = true;
        self
    }

    /// `Auto-Submitted: auto-generated`: for what a program sends by itself. RFC 3834 forbids it on what a
    /// human wrote, so it is no default: behind "Send Now" there is one.
    pub fn auto_generated(mut self) -> Self {
        self.is_auto_generated = true;
        self
    }

    /// A `Feedback-ID` that ends in this name of yours, 5 to 15 characters that stay the same for good. Gmail
    /// wants it signed with DKIM by your own domain.
    pub fn feedback_id(mut self, sender: impl Into<String>) -> Self {
        self.feedback_sender = Some(sender.into());
        self
    }

    /// The message with what it lacked.
    ///
    /// # Errors
    /// [`HeadersError`]: what was composed is no message.
    pub fn add_to(
        &self,
        mut message: Vec<u8>,
        letter: &Letter<'_>,
    ) -> Result<Vec<u8>, HeadersError> {
        let fields = Fields::read(&message)
            .map_err(|fields::NoField(line)| HeadersError::NoField { line })?;
        let line_end = fields::line_end(&message);
        let is_cut = !message.get(..fields.end).is_some_and(|lines| lines.ends_with(b"\n"));
        let lacks = |name| !fields.has(&message, name);
        let mut added = if is_cut && fields.end > 0 { b"\r\n".to_vec() } else { Vec::new() };
        for (name, write) in OF_THE_LETTER {
            if lacks(name) {
                added.extend(write(letter));
            }
        }
        for (name, value) in self.values(letter).into_iter().filter(|(name, _)| lacks(name)) {
            if name != "MIME-Version" || !lacks("Content-Type") {
                added.extend(field(name, &value));
            }
        }
        if fields.body == fields.end {
            added.extend_from_slice(b"\r\n");
        }
        let added = fields::with_line_end(added, line_end);
        message.splice(fields.end..fields.end, added);
        Ok(message)
    }

    fn values(&self, letter: &Letter<'_>) -> Vec<(&'static str, String)> {
        let mut values = vec![("MIME-Version", "1.0".to_owned())];
        let kind = atoms(letter.row.kind.as_str());
        if let Some(domain) = &self.list_domain {
            values.push(("List-Id", format!("<{kind}.{}>", atoms(domain))));
        }
        if self.is_bulk {
            values.push(("Precedence", "bulk".to_owned()));
        }
        if self.is_auto_generated {
            values.push(("Auto-Submitted", "auto-generated".to_owned()));
        }
        if let Some(sender) = &self.feedback_sender {
            let broadcast = atoms(letter.row.broadcast.as_str());
            values.push(("Feedback-ID", format!("{broadcast}:{kind}:{}", atoms(sender))));
        }
        values.retain(|(_, value)| value.len() <= VALUE);
        values
    }
}

/// A composer whose messages have them.
///
/// ```
/// use mailtrail_smtp::message::{Compose, Headers, Message};
/// let message = Message::new("office@school.example", "Closed today", "Stay at home.");
/// let composes: &dyn Compose = &(message, Headers::new().bulk());
/// ```
impl<C: Compose> Compose for (C, Headers) {
    fn compose(&self, letter: &Letter<'_>) -> Result<Vec<u8>, BoxError> {
        let (composer, headers) = self;
        Ok(headers.add_to(composer.compose(letter)?, letter)?)
    }
}

/// A field on lines that are not too long: the value alone, where it does not fit behind the name.
fn field(name: &str, value: &str) -> Vec<u8> {
    let is_long = name.len().saturating_add(value.len()) > LINE;
    let fold = if is_long { "\r\n" } else { "" };
    format!("{name}:{fold} {value}\r\n").into_bytes()
}

/// Text as it may stand in an address (RFC 5322 §3.2.3, dot-atom-text); other bytes become `=XX`.
fn atoms(text: &str) -> String {
    let before = std::iter::once(b'.').chain(text.bytes());
    let after = text.bytes().skip(1).chain(std::iter::once(b'.'));
    let mut out = String::with_capacity(text.len());
    for ((before, byte), after) in before.zip(text.bytes()).zip(after) {
        let is_atom = byte.is_ascii_alphanumeric() || b"-_+".contains(&byte);
        if is_atom || (byte == b'.' && before != b'.' && after != b'.') {
            out.push(char::from(byte));
        } else {
            write!(out, "={byte:02X}").ok();
        }
    }
    out
}

type Write = fn(&Letter<'_>) -> Vec<u8>;
const OF_THE_LETTER: [(&str, Write); 3] =
    [("To", fields::to), ("Date", fields::date), ("Message-ID", fields::message_id)];
/// How long a line should be at most (RFC 5322 §2.1.1), without the colon and the blank.
const LINE: usize = 76;
/// The longest value (RFC 2919 §6 says so of `List-Id`, with its brackets or without).
const VALUE: usize = 255;
