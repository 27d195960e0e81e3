//! The parts of a mail, from the outside in: no part reaches beyond the one that holds it.

use std::sync::LazyLock;

use mail_parser::ContentType;
use memchr::memmem::Finder;

use super::part::encoding;
use super::{Header, Part, Shape};

/// The parts of a mail in their order; the first is the mail itself, and always there.
pub(crate) fn parts(mail: &[u8]) -> Vec<Part<'_>> {
    let mut walk = Walk::default();
    walk.enter(mail, &mut Within::default(), MOST_DEPTH);
    walk.parts
}

#[derive(Debug, Default)]
struct Walk<'m> {
    parts: Vec<Part<'m>>,
    /// Those that are shown to who reads the mail as a page.
    pages: Vec<usize>,
}

/// What holds a part: a multipart, or the mail itself.
#[derive(Debug, Clone, Copy)]
struct Within {
    cover: Cover,
    /// Whether another part of some multipart around says the same in another form.
    in_alternative: bool,
    /// Whether the text, and the page, of the mail are still to come.
    wants_text: bool,
    wants_page: bool,
    /// Parts that it holds, as far as they are known.
    count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cover {
    Mail,
    Alternative,
    Related,
    Digest,
    Mixed,
}

impl Default for Within {
    fn default() -> Self {
        Self {
            cover: Cover::Mail,
            in_alternative: false,
            wants_text: true,
            wants_page: true,
            count: 0,
        }
    }
}

impl<'m> Walk<'m> {
    fn enter(&mut self, raw: &'m [u8], within: &mut Within, depth: usize) {
        within.count = within.count.saturating_add(1);
        let (header, body) = Header::of(raw);
        let content_type = header.content_type("Content-Type");
        let shape = shape(content_type.as_ref(), within.cover);
        let encoding = encoding(&header);
        let mut part = Part { raw, header, body, content_type, shape, encoding, shown: false };
        if shape == Shape::Multipart {
            let boundary = part.content_type.as_ref().and_then(|own| own.attribute("boundary"));
            let held = boundary.map(|boundary| split(body, boundary)).unwrap_or_default();
            if let (false, Some(depth)) = (held.is_empty(), depth.checked_sub(1)) {
                let inner = within.inner(&part);
                self.parts.push(part);
                return self.enter_all(&held, inner, depth);
            }
            // Its parts can't be told apart: a text, though none to be shown.
            part.shape = Shape::Text;
        }
        self.show(&mut part, within);
        self.parts.push(part);
    }

    fn enter_all(&mut self, held: &[&'m [u8]], mut within: Within, depth: usize) {
        let (first, first_page) = (self.parts.len(), self.pages.len());
        for raw in held {
            if self.parts.len() < MOST_PARTS {
                self.enter(raw, &mut within, depth);
            }
        }
        let wants_both = within.wants_text && within.wants_page;
        let has_text = self.parts.iter().skip(first).any(|part| part.shown);
        if within.cover == Cover::Alternative && wants_both && !has_text {
            // Who reads the mail as text is shown its page, if there is nothing else.
            for page in self.pages.iter().skip(first_page) {
                if let Some(part) = self.parts.get_mut(*page) {
                    part.shown = true;
                }
            }
        }
    }

    /// Whether a part is shown, and where (RFC 8621 §4.1.4).
    fn show(&mut self, part: &mut Part<'m>, within: &mut Within) {
        let (as_page, as_text) = if within.cover == Cover::Alternative {
            (part.shape == Shape::Html, part.shape == Shape::Plain)
        } else if !is_inline(part, within) {
            (false, false)
        } else {
            if within.in_alternative && (within.wants_text || within.wants_page) {
                within.wants_text &= part.shape != Shape::Html;
                within.wants_page &= part.shape != Shape::Plain;
            }
            (within.wants_page, within.wants_text)
        };
        part.shown = as_text;
        if as_page {
            self.pages.push(self.parts.len());
        }
    }
}

impl Within {
    /// What a multipart is to the parts that it holds.
    fn inner(self, multipart: &Part<'_>) -> Self {
        let cover = match multipart.media_type().1 {
            "alternative" => Cover::Alternative,
            "related" => Cover::Related,
            "digest" => Cover::Digest,
            _ => Cover::Mixed,
        };
        let in_alternative = self.in_alternative || cover == Cover::Alternative;
        Self { cover, in_alternative, count: 0, ..self }
    }
}

/// Whether a part is meant to be shown where it stands.
fn is_inline(part: &Part<'_>, within: &Within) -> bool {
    let is_first = within.count == 1;
    let is_named = || {
        part.content_type.as_ref().is_some_and(|content_type| content_type.has_attribute("name"))
    };
    let stands_alone =
        || within.cover != Cover::Related && (part.shape == Shape::Media || !is_named());
    let disposition = || part.header.content_type("Content-Disposition");
    matches!(part.shape, Shape::Plain | Shape::Html | Shape::Media)
        && (is_first || stands_alone())
        && !disposition().is_some_and(|disposition| disposition.is_attachment())
}

fn shape(content_type: Option<&ContentType<'_>>, cover: Cover) -> Shape {
    let Some(content_type) = content_type else {
        return if cover == Cover::Digest { Shape::Message } else { Shape::Plain };
    };
    match (content_type.ctype(), content_type.subtype().unwrap_or_default()) {
        ("multipart", _) => Shape::Multipart,
        ("text", "plain") => Shape::Plain,
        ("text", "html") => Shape::Html,
        ("text", _) => Shape::Text,
        ("image" | "audio" | "video", _) => Shape::Media,
        ("message", "rfc822" | "global") => Shape::Message,
        _ => Shape::Other,
    }
}

/// How a line with a delimiter starts.
static DASHES: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new("\n--"));

/// What stands between the delimiters of a multipart (RFC 2046 §5.1.1). The last may be missing.
fn split<'m>(body: &'m [u8], boundary: &str) -> Vec<&'m [u8]> {
    let mut parts = Vec::new();
    if boundary.is_empty() {
        return parts;
    }
    let mut open: Option<usize> = None;
    let first = body.starts_with(b"--").then_some(0);
    let lines = DASHES.find_iter(body).map(|line| line.saturating_add(1));
    for at in first.into_iter().chain(lines) {
        let (before, line) = body.split_at_checked(at).unwrap_or((body, &[]));
        let behind = line.get(2..).and_then(|name| name.strip_prefix(boundary.as_bytes()));
        let Some(behind) = behind else { continue };
        let is_last = behind.starts_with(b"--");
        if !(is_last || behind.first().is_none_or(u8::is_ascii_whitespace)) {
            continue;
        }
        if let Some(start) = open.take() {
            // The line end before a delimiter is the delimiter's.
            let end = before.strip_suffix(b"\n").unwrap_or(before);
            let end = end.strip_suffix(b"\r").unwrap_or(end);
            parts.push(end.get(start..).unwrap_or_default());
        }
        if is_last || parts.len() >= MOST_PARTS {
            return parts;
        }
        let line = memchr::memchr(b'\n', behind).map_or(behind.len(), |end| end.saturating_add(1));
        open = Some(body.len().saturating_sub(behind.len()).saturating_add(line));
    }
    parts.extend(open.and_then(|start| body.get(start..)));
    parts
}

/// Multiparts in each other; what lies deeper is one text.
const MOST_DEPTH: usize = 32;
/// Parts of a mail that are looked at.
const MOST_PARTS: usize = 4_096;
