//! Tracking put into a message: links, pixel, unsubscribing, and the header by which it is known again.
//!
//! [`instrument`] takes the bytes of a message (RFC 5322, MIME) and gives bytes. Everything that it does
//! not mean to change stays as it is, to the byte: header lines, attachments, signed parts, other HTML.
//!
//! ```text
//!  header   + X-MT-Delivery, List-Unsubscribe, List-Unsubscribe-Post
//!  HTML     <a href="https://school.example/menu">  ▶  <a href="{base}/c/{token}?u=https%3A%2F%2F…">
//!           + <img src="{base}/o/{token}.gif" …> at the end of the first HTML text
//!  text     https://school.example/menu              ▶  {base}/c/{token}?u=https%3A%2F%2F…
//! ```

mod edit;
mod error;
mod fields;
mod header;
mod html;
mod link;
mod once;
mod options;
mod part;
mod rewrite;
mod text;
mod transfer;

use mailtrail_core::DeliveryId;
use mailtrail_core::token::Keys;

pub use error::InstrumentError;
pub use fields::DELIVERY_HEADER;
pub use options::{BaseError, InstrumentOptions};

use header::Header;
use link::Links;
use rewrite::Rewrite;

/// A message with tracking in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Instrumented {
    /// The bytes of the message.
    pub message: Vec<u8>,
    /// How many links were changed.
    pub links: usize,
    /// Whether it has the pixel.
    pub pixel: bool,
    /// Why parts that people read, or may read, were left as they are: one for each.
    pub left: Vec<Left>,
}

/// Why a part of a message was left as it is.
///
/// ```
/// # use mailtrail_core::DeliveryId;
/// # use mailtrail_core::token::{Key, Keys};
/// use mailtrail_webhook::instrument::{InstrumentOptions, Left, instrument};
/// # let (keys, delivery) = (Keys::new(Key::new(1, [7; 32])), DeliveryId::from_bytes([2; 16]));
/// # let options = InstrumentOptions::new("https://mail.school.example")?;
/// let message = b"Content-Type: text/plain; charset=utf-16\n\n\0h\0i";
/// assert_eq!(instrument(message, delivery, &keys, &options)?.left, [Left::Charset]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Left {
    /// It is signed or encrypted (S/MIME, PGP/MIME, PGP in the text).
    Signed,
    /// Its charset is unknown, or is not one in which ASCII is itself (UTF-16, ISO-2022-JP).
    Charset,
    /// Its Content-Transfer-Encoding is unknown.
    Encoding,
    /// It is not written as its charset or encoding demands, or its HTML nests too deep.
    Broken,
    /// It is larger than [`PART_BYTES`], or beyond the first [`PARTS`] parts, or deeper than [`DEPTH`].
    Limit,
}

/// Puts tracking into the message to one delivery, as far as the options ask for it.
///
/// - **Links** of HTML (`href` of `a` and `area`) and of plain text that are absolute `http` or `https` lead
///   over [`click_url`](crate::track::click_url). A link stays if it leads to us already, has a user name or
///   control characters in it, is longer than 2,000 bytes, still has to be filled in (`{{…}}`, `*|…|*`), or
///   its element is marked `data-mailtrail="off"`. Links in HTML comments (conditional ones of Outlook) stay.
/// - **The pixel** goes to the end of the body of the first HTML text; so does the trap link.
/// - **`List-Unsubscribe`** is added unless there is one, which then stays as it is, with
///   `List-Unsubscribe-Post` where the base is `https` (RFC 8058 §3.1 allows no other). RFC 8058 §4 also wants
///   both signed with DKIM, which is the mail server's to do.
/// - **[`X-MT-Delivery`](DELIVERY_HEADER)** holds a token that correlates and does nothing else: who sees it
///   can't unsubscribe anyone.
///
/// # Guarantees
/// - A pure function: same input, same bytes. Doing it twice is doing it once.
/// - All else stays as it is, to the byte: other header lines, attachments, mails in the mail, signed and
///   encrypted parts, and all of an HTML text but the `href`s. Charsets stay. A part's transfer encoding only
///   becomes `quoted-printable` where a line would become longer than 998 bytes.
/// - What can't be changed safely is [left](Instrumented::left), and said.
///
/// # Errors
/// [`InstrumentError`]; the message is not changed in part.
///
/// # Limits
/// [`MESSAGE_BYTES`], [`PART_BYTES`], [`PARTS`], [`DEPTH`]. Memory is a few times the message.
///
/// # Privacy
/// What is added names nobody: tokens of the delivery's pseudonym, nothing of the namespace or the contact.
///
/// # Example
/// ```
/// use mailtrail_core::DeliveryId;
/// use mailtrail_core::token::{Key, Keys};
/// use mailtrail_webhook::instrument::{InstrumentOptions, instrument};
///
/// let message = b"From: office@school.example\r\nSubject: Closed\r\nContent-Type: text/html\r\n\r\n\
///     <body><a href='https://school.example/menu'>Menu</a></body>\r\n";
/// let keys = Keys::new(Key::new(1, [7; 32]));
/// let delivery = DeliveryId::from_bytes([2; 16]);
/// let options = InstrumentOptions::new("https://mail.school.example")?;
///
/// let done = instrument(message, delivery, &keys, &options)?;
/// let text = String::from_utf8(done.message.clone())?;
/// assert!(text.contains("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
/// assert!(text.contains("<a href='https://mail.school.example/c/"));
/// assert!(text.contains(r#".gif" width="1" height="1" alt=""></body>"#));
/// assert_eq!((done.links, done.left.len()), (1, 0));
///
/// assert_eq!(instrument(&done.message, delivery, &keys, &options)?.message, done.message);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn instrument(
    message: &[u8],
    delivery: DeliveryId,
    keys: &Keys,
    options: &InstrumentOptions,
) -> Result<Instrumented, InstrumentError> {
    if message.len() > MESSAGE_BYTES {
        return Err(InstrumentError::TooLarge);
    }
    let header = Header::read(message, 0..message.len());
    if header.is_empty() {
        return Err(InstrumentError::NotAMessage);
    }
    let is_signed = header.has(message, "DKIM-Signature");
    let line_end = header::line_end(message);
    let links = Links { base: options.base().unwrap_or_default(), keys, delivery };
    let added = fields::added(message, &header, &links, options, line_end)?;
    let mut rewrite = Rewrite::new(message, links, options, line_end);
    if options.base().is_some() {
        rewrite.parts(header);
    }
    let done = rewrite.finish(added);
    if is_signed && done.message != message {
        return Err(InstrumentError::DkimSigned);
    }
    Ok(done)
}

/// The largest message.
pub const MESSAGE_BYTES: usize = 64 << 20;
/// The largest text, decoded; mail readers cut HTML far below it.
pub const PART_BYTES: usize = 16 << 20;
/// How many parts are looked at.
pub const PARTS: usize = 1_000;
/// How deep a multipart may be inside of others.
pub const DEPTH: usize = 16;
