//! Renderings: the same numbers for a terminal, a spreadsheet and a program.

#[cfg(feature = "html")]
mod chart;
mod csv;
mod footer;
#[cfg(feature = "html")]
mod html;
mod json;
#[cfg(feature = "parquet")]
mod parquet;
mod table;
mod text;

pub use csv::{Cells, CsvError, csv};
pub use footer::Footer;
#[cfg(feature = "html")]
pub use html::{STYLE, charts, html, section};
pub use json::{Object, json};
#[cfg(feature = "parquet")]
pub use parquet::{ParquetError, parquet};
pub use table::table;
pub(crate) use text::plain;
pub use text::text;

/// Text of others, safe to show: C0, C1 and bidirectional controls are escaped.
///
/// ```
/// use mailtrail_report::render::safe;
/// assert_eq!(safe("a\u{1b}[2Jb\u{202e}c\nd"), "a\\u{1b}[2Jb\\u{202e}c\\nd");
/// ```
pub fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// C0 and C1, which steer a terminal, and Unicode's `Bidi_Control` characters, which can make one
/// text look like another.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
