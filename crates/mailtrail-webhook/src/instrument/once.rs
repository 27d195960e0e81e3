//! What a message gets once: the pixel and the trap link, as HTML.

use super::html::Page;
use super::link::Links;
use super::options::InstrumentOptions;

/// What is still to be put somewhere.
#[derive(Debug, Default)]
pub(super) struct Once {
    trap: Option<String>,
    pub(super) pixel: Option<String>,
}

impl Once {
    /// What the options ask for and no page has.
    pub(super) fn missing<'p>(
        mut pages: impl Iterator<Item = &'p Page> + Clone,
        links: &Links<'_>,
        options: &InstrumentOptions,
    ) -> Self {
        let has_trap = pages.clone().any(|page| page.has_trap);
        let has_pixel = pages.any(|page| page.has_pixel);
        Self {
            trap: (options.trap && !has_trap).then(|| trap(&links.trap())),
            pixel: (options.pixel && !has_pixel).then(|| pixel(&links.pixel())),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.trap.is_none() && self.pixel.is_none()
    }

    pub(super) fn html(&self) -> String {
        [&self.trap, &self.pixel].into_iter().flatten().map(String::as_str).collect()
    }

    /// Whether a browser finds it in a page.
    pub(super) fn is_in(&self, page: &Page) -> bool {
        (self.trap.is_none() || page.has_trap) && (self.pixel.is_none() || page.has_pixel)
    }
}

fn pixel(url: &str) -> String {
    format!(r#"<img src="{url}" width="1" height="1" alt="">"#)
}

/// Neither seen, nor read aloud, nor reached by the tab key.
fn trap(url: &str) -> String {
    format!(r#"<a href="{url}" style="display:none" aria-hidden="true" tabindex="-1"></a>"#)
}
