//! The parts of a message written anew, where something of them changes.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use super::edit::{Edit, apply};
use super::header::Header;
use super::html::Page;
use super::link::Links;
use super::once::Once;
use super::options::InstrumentOptions;
use super::part::{Part, Parts};
use super::text;
use super::transfer::Transfer;
use super::{Instrumented, Left, PART_BYTES};

/// The changes of a message, collected.
#[derive(Debug)]
pub(super) struct Rewrite<'a> {
    message: &'a [u8],
    links: Links<'a>,
    options: &'a InstrumentOptions,
    line_end: &'static [u8],
    edits: Vec<Edit>,
    changed: usize,
    has_pixel: bool,
    left: Vec<Left>,
}

/// A part of HTML.
#[derive(Debug)]
struct Html<'p> {
    part: &'p Part,
    bytes: Vec<u8>,
    charset: &'static Encoding,
    page: Page,
}

impl<'a> Rewrite<'a> {
    pub(super) fn new(
        message: &'a [u8],
        links: Links<'a>,
        options: &'a InstrumentOptions,
        line_end: &'static [u8],
    ) -> Self {
        let (edits, left) = (Vec::new(), Vec::new());
        Self { message, links, options, line_end, edits, changed: 0, has_pixel: false, left }
    }

    /// Changes the parts that people read.
    pub(super) fn parts(&mut self, header: Header) {
        let parts = Parts::of(self.message, header);
        self.left = parts.left;
        let mut pages = Vec::new();
        for part in &parts.texts {
            let done = if part.is_html {
                self.page(part).map(|page| pages.push(page))
            } else if self.options.links && self.options.text_links {
                self.text(part)
            } else {
                Ok(())
            };
            self.left.extend(done.err());
        }
        self.pages(pages);
    }

    /// With what is to be added to the header.
    pub(super) fn finish(mut self, added: Option<Edit>) -> Instrumented {
        self.edits.extend(added);
        Instrumented {
            message: apply(self.message, self.edits),
            links: self.changed,
            pixel: self.has_pixel,
            left: self.left,
        }
    }

    fn text(&mut self, part: &Part) -> Result<(), Left> {
        let (bytes, charset) = self.decode(part)?;
        let (text, links) = text::rewrite(&bytes, charset, &self.links)?;
        if links > 0 {
            self.replace(part, &text);
            self.changed = self.changed.saturating_add(links);
        }
        Ok(())
    }

    fn page<'p>(&self, part: &'p Part) -> Result<Html<'p>, Left> {
        let (bytes, charset) = self.decode(part)?;
        let mut page = Page::read(&bytes, charset, &self.links)?;
        if !self.options.links {
            page.edits.clear();
        }
        Ok(Html { part, bytes, charset, page })
    }

    /// The first page that can takes what the message shall have once.
    fn pages(&mut self, pages: Vec<Html<'_>>) {
        let each = || pages.iter().map(|html| &html.page);
        let mut once = Once::missing(each(), &self.links, self.options);
        self.has_pixel = each().any(|page| page.has_pixel);
        for html in pages {
            let done = self.change(&html, &once);
            if done.is_ok() {
                self.has_pixel |= once.pixel.is_some();
                once = Once::default();
            } else if !once.is_empty() {
                // Its links may be changed all the same.
                self.change(&html, &Once::default()).ok();
            }
            self.left.extend(done.err());
        }
    }

    fn change(&mut self, html: &Html<'_>, once: &Once) -> Result<(), Left> {
        let mut edits = html.page.edits.clone();
        let links = edits.len();
        if !once.is_empty() {
            edits.push(Edit::insert(html.page.end, once.html()));
        }
        if edits.is_empty() {
            return Ok(());
        }
        let bytes = apply(&html.bytes, edits);
        // At the end of a page whose last comment or attribute is not closed, nothing is seen.
        if !once.is_empty() && !once.is_in(&Page::read(&bytes, html.charset, &self.links)?) {
            return Err(Left::Broken);
        }
        self.replace(html.part, &bytes);
        self.changed = self.changed.saturating_add(links);
        Ok(())
    }

    fn decode(&self, part: &Part) -> Result<(Vec<u8>, &'static Encoding), Left> {
        let body = self.message.get(part.body.clone()).unwrap_or_default();
        // An encoded body is at most some three times as long as what it says.
        if body.len() > PART_BYTES.saturating_mul(4) {
            return Err(Left::Limit);
        }
        let bytes = part.transfer.decode(body).ok_or(Left::Broken)?;
        if bytes.len() > PART_BYTES {
            return Err(Left::Limit);
        }
        let charset = match part.charset.as_deref() {
            // Whatever it may be: only ASCII in it is touched, and each byte of this one stands for itself.
            None if str::from_utf8(&bytes).is_err() => Some(WINDOWS_1252),
            None => Some(UTF_8),
            Some(name) => Encoding::for_label_no_replacement(name.trim().as_bytes()),
        };
        Ok((bytes, charset.ok_or(Left::Charset)?))
    }

    fn replace(&mut self, part: &Part, bytes: &[u8]) {
        let transfer = part.transfer.for_bytes(bytes);
        if transfer != part.transfer {
            let field = [ENCODING.as_bytes(), b": quoted-printable", self.line_end].concat();
            match part.header.place(self.message, ENCODING) {
                Some(place) => self.edits.push(Edit::replace(place, field)),
                None => self.edits.push(Edit::insert(part.header.lines.end, field)),
            }
        }
        let mut body = transfer.encode(bytes, self.line_end);
        if transfer == Transfer::Base64 {
            // Line ends there belong to the message, not to the text.
            body.extend_from_slice(self.blank_end(part));
        }
        self.edits.push(Edit::replace(part.body.clone(), body));
    }

    /// The blank end of a body.
    fn blank_end(&self, part: &Part) -> &'a [u8] {
        let body = self.message.get(part.body.clone()).unwrap_or_default();
        body.get(body.trim_ascii_end().len()..).unwrap_or_default()
    }
}

const ENCODING: &str = "Content-Transfer-Encoding";
