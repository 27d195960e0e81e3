//! The message to one recipient, made from its row.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use mailtrail_core::EmailAddress;
use mailtrail_core::event::{Private, Row};
use mailtrail_core::store::BoxError;

/// What a message is made from: one row.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Letter<'a> {
    /// The facts of the row.
    pub row: &'a Row,
    /// The person: name, labels and subject as planned.
    pub private: &'a Private,
    /// Where it goes.
    pub address: &'a EmailAddress,
    /// The Message-ID, without angle brackets.
    pub message_id: &'a str,
    /// When it is dated.
    pub date: DateTime<Utc>,
}

impl<'a> Letter<'a> {
    /// A letter to the person of a row.
    pub fn new(
        row: &'a Row,
        private: &'a Private,
        address: &'a EmailAddress,
        message_id: &'a str,
        date: DateTime<Utc>,
    ) -> Self {
        Self { row, private, address, message_id, date }
    }
}

/// Makes the message to one recipient: the bytes of a message (RFC 5322, MIME).
///
/// # For users
/// A closure will do, beside [`Message`](super::Message):
/// ```
/// use mailtrail_core::store::BoxError;
/// use mailtrail_smtp::message::{Compose, Letter};
///
/// fn greeting(letter: &Letter<'_>) -> Result<Vec<u8>, BoxError> {
///     let name = letter.private.name.as_deref().ok_or("nobody has a name")?;
///     let (id, to, date) = (letter.message_id, letter.address.as_given(), letter.date.to_rfc2822());
///     let header = format!("From: office@school.example\r\nTo: <{to}>\r\nDate: {date}\r\nMessage-ID: <{id}>");
///     Ok(format!("{header}\r\nSubject: Closed\r\n\r\nDear {name}!\r\n").into_bytes())
/// }
/// let composes: &dyn Compose = &greeting;
/// ```
///
/// # For implementors
/// - **Pure**: the same letter, the same bytes. An attempt repeats the message of the one before it.
/// - An error is no attempt: nothing is recorded, and the row still waits.
pub trait Compose: Send + Sync {
    /// The bytes of the message.
    ///
    /// # Errors
    /// Whatever keeps this letter from being written.
    fn compose(&self, letter: &Letter<'_>) -> Result<Vec<u8>, BoxError>;
}

impl<F> Compose for F
where
    F: Fn(&Letter<'_>) -> Result<Vec<u8>, BoxError> + Send + Sync,
{
    fn compose(&self, letter: &Letter<'_>) -> Result<Vec<u8>, BoxError> {
        self(letter)
    }
}

impl Compose for Box<dyn Compose> {
    fn compose(&self, letter: &Letter<'_>) -> Result<Vec<u8>, BoxError> {
        (**self).compose(letter)
    }
}

impl Compose for Arc<dyn Compose> {
    fn compose(&self, letter: &Letter<'_>) -> Result<Vec<u8>, BoxError> {
        (**self).compose(letter)
    }
}
