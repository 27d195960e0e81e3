//! The links in an HTML text, and where the pixel goes.
//!
//! A tokenizer that follows the rules of browsers (`lol_html`) says where each attribute stands; the bytes
//! are changed there and nowhere else.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use encoding_rs::{Encoding, UTF_8};
use lol_html::html_content::{Attribute, Element};
use lol_html::{AsciiCompatibleEncoding, HtmlRewriter, MemorySettings, Settings, element, end_tag};

use super::Left;
use super::edit::Edit;
use super::link::Links;

/// What an HTML text holds.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The changes of its links.
    pub(super) edits: Vec<Edit>,
    pub(super) has_pixel: bool,
    pub(super) has_trap: bool,
    /// Before the end of its body.
    pub(super) end: usize,
}

impl Page {
    /// Reads an HTML text.
    pub(super) fn read(
        html: &[u8],
        charset: &'static Encoding,
        links: &Links<'_>,
    ) -> Result<Self, Left> {
        let encoding = AsciiCompatibleEncoding::new(charset).ok_or(Left::Charset)?;
        let page = RefCell::new(Self { end: html.len(), ..Self::default() });
        let body_end = Rc::new(Cell::new(None));
        let handlers = vec![
            element!("a[href], area[href]", |element| {
                page.borrow_mut().follow(html, charset, links, element);
                Ok(())
            }),
            element!("img[src]", |element| {
                let source = attribute(element, "src").map(|source| text(source));
                page.borrow_mut().has_pixel |= source.is_some_and(|url| links.is_pixel(&url));
                Ok(())
            }),
            element!("body", |element| {
                let body_end = Rc::clone(&body_end);
                element.on_end_tag(end_tag!(move |tag| {
                    body_end.set(Some(tag.source_location().bytes().start));
                    Ok(())
                }))
            }),
        ];
        let mut settings = Settings::new()
            .with_encoding(encoding)
            .with_memory_settings(MemorySettings::new().with_max_allowed_memory_usage(MEMORY));
        for handler in handlers {
            settings = settings.append_element_content_handler(handler);
        }
        let mut rewriter = HtmlRewriter::new(settings, |_: &[u8]| {});
        rewriter.write(html).and_then(|()| rewriter.end()).map_err(|_| Left::Broken)?;
        let mut page = page.into_inner();
        page.end = body_end.get().unwrap_or(page.end);
        Ok(page)
    }

    fn follow(
        &mut self,
        html: &[u8],
        charset: &'static Encoding,
        links: &Links<'_>,
        element: &Element<'_, '_>,
    ) {
        let Some(href) = attribute(element, "href") else { return };
        let link = text(href);
        self.has_trap |= links.is_trap(&link);
        let is_off = attribute(element, "data-mailtrail")
            .is_some_and(|mark| mark.value().eq_ignore_ascii_case("off"));
        // A browser writes the query of such a link in the page's charset: only it knows where it leads.
        let is_plain =
            link.is_ascii() || charset == UTF_8 && !link.contains(char::REPLACEMENT_CHARACTER);
        let Some(place) = href.value_source_location().filter(|_| !is_off && is_plain) else {
            return;
        };
        if let Some(url) = links.tracked(&link) {
            let place = place.bytes();
            let url = if is_quoted(html, &place) { url } else { format!("\"{url}\"") };
            self.edits.push(Edit::replace(place, url));
        }
    }
}

/// The first of this name counts, as in browsers.
fn attribute<'e>(element: &'e Element<'_, '_>, name: &str) -> Option<&'e Attribute<'e>> {
    element.attributes().iter().find(|attribute| attribute.name() == name)
}

/// The URL in an attribute, without what browsers drop from it.
fn text(attribute: &Attribute<'_>) -> String {
    let value = attribute.value();
    let url = htmlize::unescape_attribute(value.as_str());
    let url = url.trim_matches(|c: char| c <= ' ');
    url.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect()
}

fn is_quoted(html: &[u8], place: &Range<usize>) -> bool {
    let before = place.start.checked_sub(1).and_then(|at| html.get(at));
    matches!(before, Some(b'"' | b'\'')) && html.get(place.end) == before
}

/// What the tokenizer may use: elements in elements, some thousand deep.
const MEMORY: usize = 1 << 20;
