//! The parts of a mail that count: what it tells people, what it tells machines, and what it returns.

use std::borrow::Cow;
use std::sync::LazyLock;

use mail_parser::{HeaderName, Message, MessageParser, MessagePart, MimeHeaders, PartType};
use memchr::memmem::Finder;

use crate::address;
use crate::charset;
use crate::fields::{Fields, blocks, lossy};
use crate::reader::ReadError;
use crate::status;

/// A parsed mail.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mail<'m> {
    message: &'m Message<'m>,
}

/// What a mail consists of.
#[derive(Debug, Default)]
pub(crate) struct Parts<'m> {
    /// The parts that tell people something.
    told: Vec<&'m MessagePart<'m>>,
    /// The texts of its `message/delivery-status` parts.
    pub(crate) status: Vec<Cow<'m, str>>,
    /// The texts of parts that look like such parts and call themselves something else.
    pub(crate) unnamed_status: Vec<Cow<'m, str>>,
    /// Its `message/feedback-report` (RFC 5965).
    pub(crate) complaint: Option<Fields>,
    /// Its `message/disposition-notification` (RFC 8098).
    pub(crate) receipt: Option<Fields>,
    /// The header of the message that it returns, from a part of its own.
    pub(crate) returned: Option<Fields>,
    /// The mails in it.
    pub(crate) mails: Vec<Mail<'m>>,
}

/// Parses a mail.
pub(crate) fn parse(bytes: &[u8]) -> Result<Message<'_>, ReadError> {
    // All other fields are read from the text, where they are needed.
    static PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
        MessageParser::new()
            .with_mime_headers()
            .header_date(HeaderName::Date)
            .header_text(HeaderName::Subject)
            .header_address(HeaderName::From)
            .header_address(HeaderName::To)
            .default_header_ignore()
    });
    // Built with debug assertions the parser stops at some broken structures, where it otherwise takes
    // what it has (mail-parser 0.11: "could not find multipart").
    let parsed = std::panic::catch_unwind(|| PARSER.parse(bytes)).map_err(|_| ReadError::Broken)?;
    let message = parsed.ok_or(ReadError::NoHeader)?;
    if message.headers().is_empty() { Err(ReadError::NoHeader) } else { Ok(message) }
}

/// A delivery report up to the header of the message that it returns (RFC 6522 §3): what follows is not
/// worth decoding. Any other mail as it is.
pub(crate) fn without_returned_body(mail: &[u8]) -> &[u8] {
    static KINDS: LazyLock<[Finder<'_>; 3]> =
        LazyLock::new(|| ["ultipart/", "/delivery-status", "message/rfc822"].map(Finder::new));
    let cut = || {
        let [multipart, status, returned] = &*KINDS;
        let header = blank_line(mail, 0)?;
        let kind = multipart.find(mail.get(..header)?)?;
        let subtype = mail.get(kind.saturating_add(9)..)?.get(..6)?;
        let after = |finder: &Finder<'_>, from: usize| {
            finder.find(mail.get(from..)?).map(|at| at.saturating_add(from))
        };
        let returned = after(returned, after(status, header)?)?;
        let end = blank_line(mail, blank_line(mail, returned)?)?;
        subtype.eq_ignore_ascii_case(b"report").then_some(end)
    };
    cut().and_then(|end| mail.get(..end)).unwrap_or(mail)
}

/// Where the first blank line ends.
fn blank_line(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let line = memchr::memchr(b'\n', bytes.get(at..)?)?;
        at = at.saturating_add(line).saturating_add(1);
        match bytes.get(at..)? {
            [b'\n', ..] => return at.checked_add(1),
            [b'\r', b'\n', ..] => return at.checked_add(2),
            _ => {}
        }
    }
}

impl<'m> Mail<'m> {
    /// A mail, or a mail in a mail.
    pub(crate) fn of(message: &'m Message<'m>) -> Self {
        Self { message }
    }

    /// A field of its header: unfolded, and decoded where the field may be encoded.
    pub(crate) fn header(self, name: &'static str) -> Option<Cow<'m, str>> {
        let value = self.raw_header(name)?;
        Some(if value.contains(['\r', '\n']) {
            let lines = value.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty());
            Cow::Owned(lines.collect::<Vec<_>>().join(" "))
        } else {
            Cow::Borrowed(value)
        })
    }

    /// A field of its header as written, without the blanks around it.
    pub(crate) fn raw_header(self, name: &'static str) -> Option<&'m str> {
        self.message.header_raw(name).map(str::trim)
    }

    /// Its header as written; none if it isn't UTF-8.
    pub(crate) fn own_header(self) -> &'m str {
        let end = self.message.parts.first().map_or(0, |root| usize_of(root.offset_body));
        let start = self.message.parts.first().map_or(0, |root| usize_of(root.offset_header));
        let header = self.message.raw_message().get(start..end).unwrap_or_default();
        std::str::from_utf8(header).unwrap_or_default()
    }

    /// All values of a field.
    pub(crate) fn headers(self, name: &'static str) -> impl Iterator<Item = &'m str> {
        let wanted = HeaderName::from(name);
        let fields = self.message.headers().iter().filter(move |field| field.name == wanted);
        fields.filter_map(move |field| {
            let value = usize_of(field.offset_start)..usize_of(field.offset_end);
            self.message.raw_message().get(value).and_then(|raw| std::str::from_utf8(raw).ok())
        })
    }

    /// Its subject.
    pub(crate) fn subject(self) -> &'m str {
        self.message.subject().unwrap_or_default()
    }

    /// The address that it is from.
    pub(crate) fn from(self) -> Option<&'m str> {
        let from = self.message.from().and_then(|from| from.first());
        let parsed = from.and_then(|from| from.address()).filter(|address| !address.is_empty())?;
        self.as_written("From", parsed)
    }

    /// The addresses that it is to.
    pub(crate) fn to(self) -> Vec<&'m str> {
        let all = self.message.all_to().flat_map(|to| to.iter());
        let addresses = all.filter_map(|to| to.address());
        addresses.filter_map(|address| self.as_written("To", address)).collect()
    }

    /// An address as it stands in its field; the parser joins what is folded without a comma.
    fn as_written(self, field: &'static str, parsed: &'m str) -> Option<&'m str> {
        let raw = self.raw_header(field)?;
        if raw.contains(parsed) {
            return Some(parsed);
        }
        address::found(raw).next().map(|found| found.address)
    }

    /// When it was written.
    pub(crate) fn date(self) -> Option<chrono::DateTime<chrono::Utc>> {
        chrono::DateTime::from_timestamp(self.message.date()?.to_timestamp(), 0)
    }

    /// Its parts.
    pub(crate) fn parts(self) -> Parts<'m> {
        let mut parts = Parts::default();
        for (index, part) in self.message.parts.iter().enumerate() {
            let (kind, subtype) = media_type(part);
            let is = |wanted_kind: &str, wanted: &[&str]| {
                kind.eq_ignore_ascii_case(wanted_kind)
                    && wanted.iter().any(|wanted| subtype.eq_ignore_ascii_case(wanted))
            };
            if is("message", &["delivery-status", "global-delivery-status"]) {
                parts.status.push(text(part, self.message));
            } else if is("message", &["feedback-report"]) {
                parts.complaint = first_block(&text(part, self.message));
            } else if is(
                "message",
                &["disposition-notification", "global-disposition-notification"],
            ) {
                parts.receipt = first_block(&text(part, self.message));
            } else if is("text", &["rfc822-headers"]) || is("message", &["global-headers"]) {
                let header = || first_block(&text(part, self.message));
                parts.returned = parts.returned.take().or_else(header);
            } else {
                self.part(index, part, &mut parts);
            }
        }
        parts
    }

    /// What it tells people, cut at 64 KiB: HTML as text, wrong charsets corrected.
    pub(crate) fn notice(self, parts: &Parts<'_>) -> String {
        let mut notice = String::new();
        for part in &parts.told {
            if notice.len() >= MOST_NOTICE {
                break;
            }
            let text = text(part, self.message);
            let text = match &part.body {
                PartType::Html(_) => {
                    Cow::Owned(mail_parser::decoders::html::html_to_text(cut(&text, MOST_HTML)))
                }
                _ => text,
            };
            notice.push_str(cut(&text, MOST_NOTICE));
            notice.push('\n');
        }
        if notice.trim().is_empty() && parts.status.is_empty() {
            // A boundary that is never there: all of it is one text then.
            let body = self.message.parts.first().map_or(0, |root| usize_of(root.offset_body));
            let raw = self.message.raw_message().get(body..).unwrap_or_default();
            notice = lossy(raw.get(..MOST_NOTICE).unwrap_or(raw)).into_owned();
        }
        notice
    }

    fn part(self, index: usize, part: &'m MessagePart<'m>, parts: &mut Parts<'m>) {
        if let PartType::Message(inner) = &part.body {
            let header = || Some(Fields::of_header(inner)).filter(|header| !header.is_empty());
            parts.returned = parts.returned.take().or_else(header);
            parts.mails.push(Mail::of(inner));
            return;
        }
        if matches!(part.body, PartType::Multipart(_)) {
            return;
        }
        // A returned message whose part has no type of its own.
        if index > 0 && has_mail_header(part) {
            let bytes = self.message.raw_message().get(usize_of(part.offset_header)..);
            let header = first_block(&lossy(front(bytes.unwrap_or_default())));
            parts.returned = parts.returned.take().or(header);
            return;
        }
        let shown = self.message.text_body.iter().any(|shown| usize_of(*shown) == index);
        let is_text = matches!(part.body, PartType::Text(_) | PartType::Html(_));
        if index > 0 && (is_text || part.contents().len() < MOST_FRONT) {
            // Most of what is no text is a picture: its front is enough to see that.
            let contents = part.contents();
            let front = contents.get(..status::FRONT).unwrap_or(contents);
            if status::is_status(&lossy(front)) {
                parts.unnamed_status.push(text(part, self.message));
                return;
            }
            if !shown && is_text {
                let header = first_block(&text(part, self.message)).filter(Fields::is_mail_header);
                parts.returned = parts.returned.take().or(header);
            }
        }
        if shown && is_text {
            parts.told.push(part);
        }
    }
}

impl Parts<'_> {
    /// What it tells people as it came: enough to look for a token in it.
    pub(crate) fn told(&self) -> String {
        let mut told = String::new();
        for text in self.told.iter().filter_map(|part| part.text_contents()) {
            told.push_str(cut(text, MOST_NOTICE.saturating_sub(told.len())));
            told.push('\n');
        }
        told
    }
}

/// The media type of a part.
fn media_type<'p>(part: &'p MessagePart<'_>) -> (&'p str, &'p str) {
    part.content_type().map_or(("", ""), |content_type| {
        (content_type.ctype().trim(), content_type.subtype().unwrap_or_default().trim())
    })
}

/// The text of a part, whatever the parser made of it.
fn text<'p>(part: &'p MessagePart<'p>, message: &'p Message<'p>) -> Cow<'p, str> {
    match &part.body {
        PartType::Message(_) => {
            let (start, end) = (usize_of(part.offset_body), usize_of(part.offset_end));
            lossy(message.raw_message().get(start..end).unwrap_or_default())
        }
        PartType::Text(text) | PartType::Html(text) => charset::corrected(text, part, message),
        _ => lossy(part.contents()),
    }
}

fn first_block(text: &str) -> Option<Fields> {
    blocks(cut(text, MOST_FRONT)).next()
}

fn has_mail_header(part: &MessagePart<'_>) -> bool {
    let is_mail = |name: &HeaderName<'_>| {
        matches!(name, HeaderName::Received | HeaderName::ReturnPath | HeaderName::DkimSignature)
    };
    part.headers.iter().any(|header| is_mail(&header.name))
}

fn front(bytes: &[u8]) -> &[u8] {
    bytes.get(..MOST_FRONT).unwrap_or(bytes)
}

/// The head of a text, at most so many bytes long.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

fn usize_of(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Bytes of what is told to people that are read.
pub(crate) const MOST_NOTICE: usize = 65_536;
/// Bytes of HTML that are turned into text.
const MOST_HTML: usize = 262_144;
/// Bytes of a returned message that are looked at: its header is at the front.
const MOST_FRONT: usize = 65_536;
