//! The parts of a mail that count: what it tells people, what it tells machines, and what it returns.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

use crate::address;
use crate::fields::{Fields, blocks, is_blank, lossy};
use crate::mime::{self, Header, Part, Shape};
use crate::reader::ReadError;
use crate::status;

/// A mail, taken apart.
#[derive(Debug)]
pub(crate) struct Mail<'m> {
    parts: Vec<Part<'m>>,
}

/// What a mail consists of.
#[derive(Debug, Default)]
pub(crate) struct Parts<'p, 'm> {
    /// The parts that tell people something.
    told: Vec<&'p Part<'m>>,
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
    pub(crate) mails: Vec<Cow<'m, [u8]>>,
}

impl<'m> Mail<'m> {
    /// Takes a mail apart.
    pub(crate) fn parse(bytes: &'m [u8]) -> Result<Self, ReadError> {
        let mail = Self { parts: mime::parts(bytes) };
        let has_header = mail.own().is_some_and(|header| !header.is_empty());
        has_header.then_some(mail).ok_or(ReadError::NoHeader)
    }

    fn own(&self) -> Option<&Header<'m>> {
        self.parts.first().map(|part| &part.header)
    }

    /// A field of its header, unfolded.
    pub(crate) fn header(&self, name: &'static str) -> Option<Cow<'m, str>> {
        let value = self.raw_header(name)?;
        Some(if value.contains(['\r', '\n']) {
            let lines = value.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty());
            Cow::Owned(lines.collect::<Vec<_>>().join(" "))
        } else {
            Cow::Borrowed(value)
        })
    }

    /// A field of its header as written, without the blanks around it.
    pub(crate) fn raw_header(&self, name: &'static str) -> Option<&'m str> {
        self.own()?.get(name).map(str::trim)
    }

    /// Its header as written; none if it isn't UTF-8.
    pub(crate) fn own_header(&self) -> &'m str {
        self.own().map(Header::text).unwrap_or_default()
    }

    /// All values of a field.
    pub(crate) fn headers(&self, name: &'static str) -> impl Iterator<Item = &'m str> {
        let values = self.own().into_iter().flat_map(move |header| header.all(name).rev());
        values.filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// Its subject.
    pub(crate) fn subject(&self) -> Cow<'m, str> {
        match self.own().and_then(|own| own.parsed("Subject", MessageStream::parse_unstructured)) {
            Some(HeaderValue::Text(subject)) => subject,
            _ => Cow::Borrowed(""),
        }
    }

    /// The address that it is from.
    pub(crate) fn from(&self) -> Option<&'m str> {
        let from = self.own()?.all("From").next()?;
        let parsed = MessageStream::new(from).parse_address();
        let address = parsed.as_address()?.first()?.address().filter(|own| !own.is_empty())?;
        self.as_written("From", address)
    }

    /// The addresses that it is to.
    pub(crate) fn to(&self) -> Vec<&'m str> {
        let mut all = Vec::new();
        for value in self.own().into_iter().flat_map(|own| own.all("To").rev()) {
            let parsed = MessageStream::new(value).parse_address();
            let addresses = parsed.as_address().into_iter().flat_map(|to| to.iter());
            let addresses = addresses.filter_map(|to| to.address());
            all.extend(addresses.filter_map(|address| self.as_written("To", address)));
        }
        all
    }

    /// An address as it stands in its field; the parser joins what is folded without a comma.
    fn as_written(&self, field: &'static str, parsed: &str) -> Option<&'m str> {
        let raw = self.raw_header(field)?;
        let start = memchr::memmem::find(raw.as_bytes(), parsed.as_bytes());
        match start.and_then(|start| raw.get(start..start.saturating_add(parsed.len()))) {
            Some(own) => Some(own),
            None => address::found(raw).next().map(|found| found.address),
        }
    }

    /// When it was written.
    pub(crate) fn date(&self) -> Option<DateTime<Utc>> {
        let date = self.own()?.parsed("Date", MessageStream::parse_date)?;
        DateTime::from_timestamp(date.as_datetime()?.to_timestamp(), 0)
    }

    /// Its parts.
    pub(crate) fn parts(&self) -> Parts<'_, 'm> {
        let mut parts = Parts::default();
        for (index, part) in self.parts.iter().enumerate() {
            let (kind, subtype) = part.media_type();
            match (kind, subtype) {
                ("message", "delivery-status" | "global-delivery-status") => {
                    // One that says nothing keeps none from being found elsewhere.
                    parts.status.extend(Some(part.text(usize::MAX)).filter(|text| !is_blank(text)));
                }
                ("message", "feedback-report") => parts.complaint = first_block(part),
                ("message", "disposition-notification" | "global-disposition-notification") => {
                    parts.receipt = first_block(part);
                }
                ("text", "rfc822-headers") | ("message", "global-headers") => {
                    parts.returned = parts.returned.take().or_else(|| first_block(part));
                }
                _ => parts.add(part, index > 0),
            }
        }
        parts
    }

    /// What it tells people, cut at 64 KiB: HTML as text, wrong charsets corrected.
    pub(crate) fn notice(&self, parts: &Parts<'_, '_>) -> String {
        let mut notice = String::new();
        for part in &parts.told {
            if notice.len() >= MOST_NOTICE {
                break;
            }
            let text = part.text(MOST_TOLD);
            let text = match part.shape {
                Shape::Html => Cow::Owned(mail_parser::decoders::html::html_to_text(&text)),
                _ => text,
            };
            let text = cut(&text, MOST_NOTICE);
            notice.reserve(text.len().saturating_add(1));
            notice.push_str(text);
            notice.push('\n');
        }
        if notice.trim().is_empty() && parts.status.is_empty() {
            // A boundary that is never there: all of it is one text then.
            let raw = self.parts.first().map_or(&[][..], |root| root.body);
            notice = lossy(raw.get(..MOST_NOTICE).unwrap_or(raw)).into_owned();
        }
        notice
    }
}

impl<'p, 'm> Parts<'p, 'm> {
    /// A part that its type says nothing special of. The mail itself is not `held` by anything.
    fn add(&mut self, part: &'p Part<'m>, held: bool) {
        match part.shape {
            Shape::Multipart => return,
            Shape::Message if self.add_mail(part) => return,
            _ => {}
        }
        // A returned message whose part has no type of its own.
        if held && has_mail_header(&part.header) {
            let header = blocks(&lossy(front(part.raw))).next();
            self.returned = self.returned.take().or(header);
            return;
        }
        if held && (part.is_text() || part.body.len() < MOST_FRONT) {
            if status::is_status(&part.front(status::FRONT)) {
                self.unnamed_status.push(part.text(usize::MAX));
                return;
            }
            if !part.shown && part.is_text() {
                let header = || first_block(part).filter(Fields::is_mail_header);
                self.returned = self.returned.take().or_else(header);
            }
        }
        if part.shown && part.is_text() && !part.is_binary() {
            self.told.push(part);
        }
    }

    /// A mail in the mail; not if it has no header.
    fn add_mail(&mut self, part: &Part<'m>) -> bool {
        let mail = part.decoded(usize::MAX);
        let header = Fields::of_header(&Header::of(&mail).0);
        if header.is_empty() {
            return false;
        }
        self.returned.get_or_insert(header);
        self.mails.push(mail);
        true
    }

    /// What it tells people as it came: enough to look for a token in it.
    pub(crate) fn told(&self) -> String {
        let mut told = String::new();
        for part in &self.told {
            let text = part.text(MOST_TOLD);
            let text = cut(&text, MOST_NOTICE.saturating_sub(told.len()));
            told.reserve(text.len().saturating_add(1));
            told.push_str(text);
            told.push('\n');
        }
        told
    }
}

fn first_block(part: &Part<'_>) -> Option<Fields> {
    blocks(cut(&part.text(MOST_TOLD), MOST_FRONT)).next()
}

fn has_mail_header(header: &Header<'_>) -> bool {
    let marks = ["Received", "Return-Path", "DKIM-Signature"];
    marks.iter().any(|name| header.all(name).next().is_some())
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

/// Bytes of what is told to people that are read.
pub(crate) const MOST_NOTICE: usize = 65_536;
/// Bytes of a part that are decoded for that: HTML and quoted-printable are long for what they say.
const MOST_TOLD: usize = 262_144;
/// Bytes of a returned message that are looked at: its header is at the front.
const MOST_FRONT: usize = 65_536;
