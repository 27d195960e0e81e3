//! A notice line by line, with the phrases in it, up to where the message that came back begins.

use crate::phrases::{Hit, Phrases, Says};

/// The lines of a notice.
#[derive(Debug)]
pub(crate) struct Lines<'t> {
    /// Those that the mail system wrote.
    pub(crate) own: Vec<&'t str>,
    /// Those of the message that came back.
    pub(crate) quoted: Vec<&'t str>,
    /// What is said, and in which line of its own: in order.
    pub(crate) said: Vec<(usize, Says)>,
}

impl<'t> Lines<'t> {
    /// Takes a text apart.
    pub(crate) fn of(text: &'t str, phrases: &Phrases) -> Self {
        let mut all: Vec<&str> = crate::fields::lines(text).take(MOST_LINES).collect();
        // What follows a message's header is the message: nobody says anything in it.
        let header = all.iter().position(|line| is_header(line)).unwrap_or(all.len());
        let (normal, starts) = joined(all.get(..header).unwrap_or(&all));
        let line_of =
            |hit: &Hit| starts.partition_point(|start| *start <= hit.start).saturating_sub(1);
        let hits: Vec<(usize, Says)> =
            phrases.find(&normal).iter().map(|hit| (line_of(hit), hit.says)).collect();
        let marker = hits.iter().find(|(_, says)| *says == Says::Original).map(|(line, _)| *line);
        let end = marker.unwrap_or(header).min(all.len());
        let quoted = all.split_off(end);
        let own = |line: &usize| *line < end;
        Self {
            own: all,
            quoted,
            said: hits
                .into_iter()
                .filter(|(line, says)| own(line) && *says != Says::Original)
                .collect(),
        }
    }
}

/// All lines as one text in lower case with single spaces, and where each of them starts in it.
fn joined(lines: &[&str]) -> (String, Vec<usize>) {
    let mut normal =
        String::with_capacity(lines.iter().map(|line| line.len().saturating_add(1)).sum());
    let mut starts = Vec::with_capacity(lines.len());
    for line in lines {
        starts.push(normal.len());
        crate::phrases::push_normal(&mut normal, line);
    }
    (normal, starts)
}

/// A line that only the header of a message has.
fn is_header(line: &str) -> bool {
    HEADERS.iter().any(|name| crate::status::starts_with(line, name))
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

/// More lines of a notice are not read.
const MOST_LINES: usize = 4_096;
