//! The one place that prints.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// Writes a line to standard output. A reader that has gone away (`| head`) ends the program quietly.
pub(crate) fn line(text: impl AsRef<str>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_ref().as_bytes())?;
    out.write_all(b"\n")
}

/// Writes bytes to standard output.
pub(crate) fn bytes(bytes: &[u8]) -> io::Result<()> {
    io::stdout().lock().write_all(bytes)
}

/// Writes one JSON object a line.
pub(crate) fn json(value: &impl Serialize) -> io::Result<()> {
    line(serde_json::to_string(value).map_err(io::Error::other)?)
}

/// Says something that is no result: to standard error, so that a pipe stays clean. That nobody reads it
/// is no reason to stop.
pub(crate) fn note(text: impl AsRef<str>) {
    writeln!(io::stderr(), "{}", text.as_ref()).ok();
}

/// How wide the terminal is; `None` if the output is piped.
pub(crate) fn width() -> Option<u16> {
    let terminal = console::Term::stdout();
    terminal.is_term().then(|| terminal.size_checked().map_or(100, |(_, columns)| columns))
}

/// A progress bar on a terminal; nothing elsewhere.
pub(crate) fn progress(length: Option<u64>, what: &'static str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let template = match length {
        Some(_) => "{msg} {wide_bar} {pos}/{len} ({per_sec}, {eta} left)",
        None => "{spinner} {msg} {pos} ({per_sec})",
    };
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style).with_message(what)
}
