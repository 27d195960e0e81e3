//! The parts of a message written anew, where something of them changes.

use std::ops::Range;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use super::edit::{Edit, apply};
use super::header::Header;
use super::html::Page;
use super::link::Links;
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
            self.replace(part, &text)?;
            self.changed = self.changed.saturating_add(links);
        }
        Ok(())
    }

    fn page<'p>(&self, part: &'p Part) -> Result<(&'p Part, Vec<u8>, Page), Left> {
        let (bytes, charset) = self.decode(part)?;
        let page = Page::read(&bytes, charset, &self.links)?;
        Ok((part, bytes, page))
    }

    /// The first page gets what the message shall have once, unless one has it.
    fn pages(&mut self, mut pages: Vec<(&Part, Vec<u8>, Page)>) {
        self.has_pixel = pages.iter().any(|(_, _, page)| page.has_pixel);
        let has_trap = pages.iter().any(|(_, _, page)| page.has_trap);
        if !self.options.links {
            for (_, _, page) in &mut pages {
                page.edits.clear();
            }
        }
        let mut end = String::new();
        if self.options.trap && !has_trap {
            end.push_str(&trap(&self.links.trap()));
        }
        if self.options.pixel && !self.has_pixel {
            end.push_str(&pixel(&self.links.pixel()));
        }
        for (part, bytes, mut page) in pages {
            let links = page.edits.len();
            let is_given = !end.is_empty();
            if is_given {
                page.edits.push(Edit::insert(page.end, end.as_str()));
            }
            if page.edits.is_empty() {
                continue;
            }
            match self.replace(part, &apply(&bytes, page.edits)) {
                Ok(()) => {
                    self.changed = self.changed.saturating_add(links);
                    self.has_pixel |= is_given && self.options.pixel;
                    end.clear();
                }
                Err(left) => self.left.push(left),
            }
        }
    }

    fn decode(&self, part: &Part) -> Result<(Vec<u8>, &'static Encoding), Left> {
        let body = self.message.get(part.body.clone()).unwrap_or_default();
        // An encoded body is at most three times as long as what it says.
        if body.len() > PART_BYTES.saturating_mul(3) {
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

    fn replace(&mut self, part: &Part, bytes: &[u8]) -> Result<(), Left> {
        let transfer = part.transfer.for_bytes(bytes);
        if transfer != part.transfer {
            let field = [ENCODING.as_bytes(), b": quoted-printable", self.line_end].concat();
            match part.header.place(self.message, ENCODING) {
                Some(place) => self.edits.push(Edit::replace(place, field)),
                None if part.header.is_closed() => {
                    self.edits.push(Edit::insert(part.header.lines.end, field));
                }
                None => return Err(Left::Broken),
            }
        }
        let mut body = transfer.encode(bytes, self.line_end);
        if transfer == Transfer::Base64 {
            // Line ends there belong to the message, not to the text.
            body.extend_from_slice(self.message.get(self.blank_end(part)).unwrap_or_default());
        }
        self.edits.push(Edit::replace(part.body.clone(), body));
        Ok(())
    }

    /// The blank end of a body.
    fn blank_end(&self, part: &Part) -> Range<usize> {
        let body = self.message.get(part.body.clone()).unwrap_or_default();
        let text = body.trim_ascii_end().len();
        part.body.start.saturating_add(text)..part.body.end
    }
}

fn pixel(url: &str) -> String {
    format!(r#"<img src="{url}" width="1" height="1" alt="">"#)
}

/// Neither seen, nor read aloud, nor reached by the tab key.
fn trap(url: &str) -> String {
    format!(r#"<a href="{url}" style="display:none" aria-hidden="true" tabindex="-1"></a>"#)
}

const ENCODING: &str = "Content-Transfer-Encoding";
