//! One message that is written already, to many recipients.

use mailtrail_core::store::BoxError;

use super::fields::{self, Fields, NoField};
use super::{Compose, Letter};

/// One message that is written already: the file of a mail program (RFC 5322, MIME), as it is.
///
/// Of its header only `To`, `Date` and `Message-ID` become each recipient's own. The body is never looked
/// at: it goes out byte for byte, in any charset, with its attachments and line ends.
///
/// What would be wrong in a message to others is left out: `Bcc`, `Return-Path`, all `Resent-` fields, and
/// signatures (`DKIM-Signature`, `ARC-`), which the change would break. Sign again with a DKIM signer of
/// your own. `From`, `Subject`, `Cc`, `Reply-To` and all else stay; a `Cc` is only shown, nobody of it is
/// written to.
///
/// # Example
/// ```
/// # use mailtrail_core::event::{Private, Row};
/// # use mailtrail_core::DeliveryId;
/// use mailtrail_smtp::message::{Compose, Letter, Prepared};
/// # let row = Row::new(DeliveryId::from_bytes([2; 16]), "snow-day".parse()?, "c1".parse()?, "emergency".parse()?);
/// # let (mut private, ann) = (Private::default(), "ann@a.example".parse()?);
/// # private.name = Some("Ann Lee".into());
/// # let date = "2026-01-12T06:30:00Z".parse()?;
/// let file = b"From: office@school.example\r\nTo: undisclosed-recipients:;\r\nBcc: b@b.example\r\n\
///     Subject: Closed today\r\n\r\nStay at home.\r\n";
/// let prepared = Prepared::new(file)?;
/// let message = prepared.compose(&Letter::new(&row, &private, &ann, "1@school.example", date))?;
/// assert_eq!(
///     String::from_utf8(message)?,
///     "To: \"Ann Lee\" <ann@a.example>\r\nDate: Mon, 12 Jan 2026 06:30:00 +0000\r\n\
///      Message-ID: <1@school.example>\r\nFrom: office@school.example\r\nSubject: Closed today\r\n\r\n\
///      Stay at home.\r\n"
/// );
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The fields that stay, without a `To`.
    header: Vec<u8>,
    /// Its first `To`, as written.
    to: Vec<u8>,
    keeps_to: bool,
    /// The empty line, and all that follows.
    rest: Vec<u8>,
    line_end: &'static [u8],
}

/// Why a message can't be sent as it is prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PreparedError {
    /// A line of the header is none. Correct it: mail programs differ on where the body begins then.
    #[error("line {line} is no line of a header (`Name: text`): correct it")]
    NoField {
        /// The line, counted from 1.
        line: usize,
    },
    /// It has no `From`, or more than one (RFC 5322 §3.6).
    #[error("the message has {count} `From` fields: give it one")]
    From {
        /// How many it has.
        count: usize,
    },
}

impl From<NoField> for PreparedError {
    fn from(NoField(line): NoField) -> Self {
        Self::NoField { line }
    }
}

impl Prepared {
    /// Takes the bytes of a message.
    ///
    /// # Errors
    /// [`PreparedError`]: nothing can be sent from it.
    pub fn new(message: &[u8]) -> Result<Self, PreparedError> {
        let fields = Fields::read(message)?;
        let count = fields.named(message, "From").count();
        if count != 1 {
            return Err(PreparedError::From { count });
        }
        let line_end = fields::line_end(message);
        let (mut header, mut to) = (Vec::new(), Vec::new());
        for field in fields.iter().filter(|field| !is_left_out(field.name(message))) {
            let lines = closed(field.lines(message), line_end);
            match field.is(message, "To") {
                true if to.is_empty() => to = lines,
                true => {}
                false => header.extend(lines),
            }
        }
        let mut rest = message.get(fields.end..).unwrap_or_default().to_vec();
        if rest.is_empty() {
            rest.extend_from_slice(line_end);
        }
        Ok(Self { header, to, keeps_to: false, rest, line_end })
    }

    /// Keeps its own `To`, such as the name of a list, if it has one that is not empty. The envelope
    /// alone says then where the message goes.
    pub fn keep_to(mut self) -> Self {
        self.keeps_to = !is_placeholder(&self.to);
        self
    }
}

impl Compose for Prepared {
    fn compose(&self, letter: &Letter<'_>) -> Result<Vec<u8>, BoxError> {
        let own = [fields::to(letter), fields::date(letter), fields::message_id(letter)];
        let own = own.into_iter().skip(usize::from(self.keeps_to)).flatten().collect();
        let own = fields::with_line_end(own, self.line_end);
        let to = if self.keeps_to { self.to.as_slice() } else { &[] };
        Ok([to, &own, &self.header, &self.rest].concat())
    }
}

/// Fields that become the recipient's own, and those that would be wrong in a message to others.
fn is_left_out(name: &[u8]) -> bool {
    let starts = |prefix: &[u8]| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    LEFT_OUT.iter().any(|other| is(other)) || starts(b"Resent-") || starts(b"ARC-")
}

/// Whether this `To` names nobody: none, an empty one, an empty group (`undisclosed-recipients:;`).
fn is_placeholder(to: &[u8]) -> bool {
    !to.contains(&b'@')
}

/// The lines of a field with an end, which the end of the message may have cut.
fn closed(lines: &[u8], line_end: &[u8]) -> Vec<u8> {
    let is_cut = !lines.ends_with(b"\n");
    [lines, if is_cut { line_end } else { &[] }].concat()
}

const LEFT_OUT: [&str; 5] = ["Date", "Message-ID", "Bcc", "Return-Path", "DKIM-Signature"];
