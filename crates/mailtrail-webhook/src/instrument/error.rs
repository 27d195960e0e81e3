//! Why a message is not instrumented.

/// Why a message is not instrumented. Nothing of it is changed then.
///
/// ```
/// use mailtrail_core::DeliveryId;
/// use mailtrail_core::token::{Key, Keys};
/// use mailtrail_webhook::instrument::{InstrumentError, InstrumentOptions, instrument};
/// let (keys, options) = (Keys::new(Key::new(1, [7; 32])), InstrumentOptions::untracked());
/// let delivery = DeliveryId::from_bytes([2; 16]);
/// let signed = b"DKIM-Signature: v=1\r\n\r\nHello\r\n";
/// assert_eq!(instrument(signed, delivery, &keys, &options), Err(InstrumentError::DkimSigned));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InstrumentError {
    /// It begins with no header field: give the whole message, not its text.
    #[error("it is no message: it has no header")]
    NotAMessage,
    /// It is larger than [`MESSAGE_BYTES`](super::MESSAGE_BYTES).
    #[error("the message is too large to be instrumented")]
    TooLarge,
    /// It has a DKIM signature (RFC 6376), which any change would break. Instrument it before it is signed.
    #[error("the message has a DKIM signature already: instrument it before it is signed")]
    DkimSigned,
    /// Its `X-MT-Delivery` is not this delivery's. Instrument a fresh copy for each delivery.
    #[error("the message was instrumented for another delivery already")]
    OtherDelivery,
}
