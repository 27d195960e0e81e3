use std::net::SocketAddr;

/// Which of the two protocols is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "mail has these two")]
pub enum Protocol {
    /// RFC 5321: one reply for a message.
    Smtp,
    /// RFC 2033: one reply for each recipient of a message.
    Lmtp,
}

/// Who sends, to whom, and how (RFC 5321 §2.3.1): everything but the message.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Envelope {
    /// Where the client's connection comes from.
    pub peer: SocketAddr,
    /// What the client called itself, unchecked.
    pub helo: String,
    /// The return path without brackets; empty for `<>`, as bounces have it.
    pub mail_from: String,
    /// The recipients taken so far, in order.
    pub recipients: Vec<Recipient>,
    /// The size that the client announced.
    pub size: Option<u64>,
    /// Which bytes the client announced.
    pub body: Body,
    /// Whether addresses and header may be UTF-8 (RFC 6531).
    pub smtputf8: bool,
    /// How much of the message a delivery report shall return (RFC 3461 §4.3).
    pub ret: Option<Return>,
    /// The sender's name for this message, decoded (RFC 3461 §4.4).
    pub envid: Option<String>,
}

/// One recipient with its wishes about delivery reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recipient {
    /// The forward path without brackets; without a domain if the client gave none.
    pub address: String,
    /// Which reports are wanted; `None` leaves it to the server.
    pub notify: Option<Notify>,
    /// Whom the sender had meant, before forwarding and aliases.
    pub orcpt: Option<OriginalRecipient>,
}

/// `NOTIFY` (RFC 3461 §4.1): which delivery reports are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "RFC 3461 has these three")]
pub struct Notify {
    /// When it was delivered.
    pub success: bool,
    /// When it was given up.
    pub failure: bool,
    /// When it is late.
    pub delay: bool,
}

impl Notify {
    /// No report at all, not even of a failure.
    pub const NEVER: Self = Self { success: false, failure: false, delay: false };
}

/// `ORCPT` (RFC 3461 §4.2), decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "RFC 3461 has these two")]
pub struct OriginalRecipient {
    /// The kind of address, in lower case: `rfc822`, or `utf-8` (RFC 6533).
    pub address_type: String,
    /// The address.
    pub address: String,
}

/// `RET` (RFC 3461 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 3461 has these two")]
pub enum Return {
    /// The whole message.
    Full,
    /// Its header only.
    Headers,
}

/// `BODY` (RFC 6152).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the others need extensions that are not offered")]
pub enum Body {
    /// Only ASCII.
    #[default]
    SevenBit,
    /// Bytes above 127 too.
    EightBitMime,
}
