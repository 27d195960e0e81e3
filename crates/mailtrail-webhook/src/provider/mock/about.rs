//! What a mock's requests are about.

use chrono::{DateTime, Utc};
use mailtrail_core::event::RawHash;

/// The delivery that requests are about, and when they tell of it.
///
/// ```
/// use mailtrail_core::token::{Key, Keys, Purpose};
/// use mailtrail_core::DeliveryId;
/// use mailtrail_webhook::provider::mock::About;
/// let keys = Keys::new(Key::new(1, [7; 32]));
/// let token = keys.sign(Purpose::Metadata, DeliveryId::from_bytes([2; 16]));
/// let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
/// let about = About::new("ann@a.example", now).token(&token).message_id("m-1");
/// # let _ = about;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    pub(super) recipient: Box<str>,
    pub(super) occurred_at: DateTime<Utc>,
    pub(super) signed_at: DateTime<Utc>,
    pub(super) token: Option<Box<str>>,
    message_id: Option<Box<str>>,
}

impl About {
    /// A delivery to this address, of which the provider tells at this time what happens at that time:
    /// that of the clock of whoever takes the request.
    pub fn new(recipient: &str, now: DateTime<Utc>) -> Self {
        let recipient = recipient.into();
        Self { recipient, occurred_at: now, signed_at: now, token: None, message_id: None }
    }

    /// Of something that happened at another time. Many providers write whole seconds.
    pub fn occurred_at(mut self, at: DateTime<Utc>) -> Self {
        self.occurred_at = at;
        self
    }

    /// With our token of [`Purpose::Metadata`](mailtrail_core::token::Purpose::Metadata), where the
    /// provider gives it back.
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.into());
        self
    }

    /// With the id that the provider gave to the message. Some have numbers only. Else it is derived
    /// from the recipient and the token, so that each delivery has its own.
    pub fn message_id(mut self, id: &str) -> Self {
        self.message_id = Some(id.into());
        self
    }

    /// The provider's id of the message.
    pub(super) fn id_of_message(&self) -> Box<str> {
        let token = self.token.as_deref().unwrap_or_default();
        let derived = || digits(&RawHash::of(format!("{}\n{token}", self.recipient).as_bytes()));
        self.message_id.clone().unwrap_or_else(|| derived().into())
    }

    /// What is the same whenever the same is told of the same, and only then.
    pub(super) fn id(&self, name: &str) -> RawHash {
        let (message, at) = (self.id_of_message(), self.occurred_at.timestamp_micros());
        RawHash::of(format!("{name}\n{message}\n{}\n{at}", self.recipient).as_bytes())
    }
}

/// Sixteen digits: less than 2⁵³.
pub(super) fn digits(hash: &RawHash) -> String {
    let hex: String = hash.to_string().chars().take(12).collect();
    let number = u64::from_str_radix(&hex, 16).unwrap_or_default();
    format!("{}", number.saturating_add(1_000_000_000_000_000))
}

/// In the form of a UUID.
pub(super) fn uuid(hash: &RawHash) -> String {
    let hex = hash.to_string();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}
