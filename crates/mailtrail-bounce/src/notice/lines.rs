//! A notice line by line, with the phrases in it, up to where the message that came back begins.

use crate::phrases::{Hit, Phrases, Says};

/// The lines of a notice.
#[derive(Debug)]
pub(crate) struct Lines<'t> {
    /// Those that the mail system wrote.
    pub(crate) own: Vec<&'t str>,
    /// The message that came back, after those.
    pub(crate) quoted: &'t str,
    /// What is said, and in which line of its own: in order.
    pub(crate) said: Vec<(usize, Says)>,
}

impl<'t> Lines<'t> {
    /// Takes a text apart.
    pub(crate) fn of(text: &'t str, phrases: &Phrases) -> Self {
        // What follows a message's header is the message: nobody says anything in it.
        let own = crate::fields::lines(text).take(MOST_LINES);
        let mut lines = Vec::with_capacity(ROOM);
        lines.extend(own.take_while(|line| !is_header(line)));
        let mut own: Vec<&str> = lines;
        let (normal, starts) = joined(&own);
        let line_of =
            |hit: &Hit| starts.partition_point(|start| *start <= hit.start).saturating_sub(1);
        let mut said: Vec<(usize, Says)> =
            phrases.find(&normal).iter().map(|hit| (line_of(hit), hit.says)).collect();
        if let Some(marker) = said.iter().position(|(_, says)| *says == Says::Original) {
            let line = said.get(marker).map_or(0, |(line, _)| *line);
            own.truncate(line);
            said.truncate(marker);
            said.retain(|(at, _)| *at < line);
        }
        let length = own.last().map_or(0, |line| end_of(line, text));
        Self { own, quoted: text.get(length..).unwrap_or_default(), said }
    }
}

/// Where a line of a text ends in it.
fn end_of(line: &str, text: &str) -> usize {
    let start = line.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    start.saturating_add(line.len())
}

/// All lines as one text in lower case with single spaces, and where each of them starts in it.
fn joined(lines: &[&str]) -> (String, Vec<usize>) {
    let mut normal =
        String::with_capacity(lines.iter().map(|line| line.len().saturating_add(1)).sum());
    let mut starts = Vec::with_capacity(lines.len());
    for line in lines {
        starts.push(normal.len());
        mailtrail_classify::push_normal(&mut normal, line);
    }
    (normal, starts)
}

/// A line that only the header of a message has.
fn is_header(line: &str) -> bool {
    matches!(line.as_bytes(), [b'A'..=b'Z' | b'a'..=b'z', ..])
        && HEADERS.iter().any(|name| crate::status::starts_with(line, name))
}

const HEADERS: [&str; 8] = [
    "received:",
    "return-path:",
    "dkim-signature:",
    "message-id:",
    "x-originating-ip:",
    "x-received:",
    "mime-version:",
    "arc-seal:",
];

/// Lines of most notices.
const ROOM: usize = 48;
/// More lines of a notice are not read.
const MOST_LINES: usize = 4_096;
