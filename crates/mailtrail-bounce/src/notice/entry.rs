//! The recipients of a notice: where an address heads a line or a reply, and what is said under it.

use super::Others;
use super::lines::Lines;
use crate::address::{self, Found};
use crate::fields::trimmed;
use crate::mail::cut;
use crate::phrases::Says;
use crate::recipient::Action;
use crate::status::{MOST_DIAGNOSTIC, bounded, is_field, starts_with};

/// What a notice says about one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The address.
    pub(crate) address: String,
    /// What is said about it; empty if it is merely listed.
    pub(crate) text: String,
    /// What the section says that it stands in.
    pub(crate) action: Option<Action>,
}

impl Entry {
    /// An address of which nothing is said.
    pub(crate) fn listed(address: &str) -> Self {
        Self::said(address, "")
    }

    /// An address of which this is said.
    pub(crate) fn said(address: &str, text: &str) -> Self {
        Self { address: address.to_owned(), text: bounded(text), action: None }
    }

    /// Whether a server's reply refuses it.
    pub(crate) fn is_negative(&self) -> bool {
        let reply = mailtrail_classify::Reply::parse(&self.text);
        reply.reply_code.is_some_and(|code| !code.is_positive())
            || reply.enhanced_code.is_some_and(|code| code.class() != 2)
    }
}

/// All of them, and what is said about none of them.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    pub(crate) entries: Vec<Entry>,
    pub(crate) shared: String,
}

/// What a line is.
#[derive(Debug, Clone, Copy)]
enum Line<'t> {
    /// The text under an address ends.
    Blank,
    /// Of the structure of the mail: says nothing.
    Nothing,
    /// An address, and what is said about it.
    Address(&'t str, &'t str),
    /// The address that the replies after it are about.
    Command(&'t str),
    /// A server's reply that names an address.
    Reply(&'t str),
    /// Anything else.
    Text,
}

impl Entries {
    /// Reads the lines that the mail system wrote.
    pub(crate) fn of(lines: &Lines<'_>, others: &Others<'_>) -> Self {
        let mut entries = Self { entries: Vec::new(), shared: String::with_capacity(ROOM) };
        let (mut open, mut command) = (None, None);
        let (mut after_reply, mut unfinished) = (false, false);
        let mut said = lines.said.iter().peekable();
        let mut section = None;
        for (index, line) in lines.own.iter().enumerate() {
            while let Some((_, says)) = said.next_if(|(at, _)| *at <= index) {
                section = section_of(*says).or(section);
            }
            let text = trimmed(line);
            // What an address was made of is not named again: `(expanded from` ends a line.
            let kind = if open.is_some() && unfinished { Line::Text } else { kind(line, others) };
            unfinished = ["expanded from", "generated from"].iter().any(|end| text.ends_with(end));
            match kind {
                Line::Blank => open = None,
                Line::Nothing => {}
                Line::Address(address, rest) => open = entries.add(address, rest, section),
                Line::Command(address) => (open, command) = (None, Some(address)),
                Line::Reply(address) => open = entries.add(address, text, section),
                Line::Text => {
                    let replied = is_reply(text).then_some(command).flatten();
                    // Behind a reply that named someone another one is about someone else.
                    let other = after_reply && is_reply(text);
                    match (open.filter(|_| !other), replied) {
                        (_, Some(address)) => open = entries.add(address, text, section),
                        (Some(index), None) => entries.say(index, text),
                        (None, None) => {
                            open = None;
                            entries.share(text);
                        }
                    }
                }
            }
            after_reply =
                matches!(kind, Line::Reply(_)) || (after_reply && matches!(kind, Line::Text));
        }
        entries
    }

    fn add(&mut self, address: &str, text: &str, action: Option<Action>) -> Option<usize> {
        let known = self.entries.iter().position(|entry| address::same(&entry.address, address));
        let index = match known {
            Some(index) => index,
            None if self.entries.len() < MOST_ENTRIES => {
                let address = address.to_owned();
                self.entries.push(Entry { address, text: String::new(), action });
                self.entries.len().saturating_sub(1)
            }
            None => return None,
        };
        self.say(index, text);
        Some(index)
    }

    fn say(&mut self, index: usize, text: &str) {
        if let Some(entry) = self.entries.get_mut(index)
            && (entry.text.is_empty()
                || memchr::memmem::find(entry.text.as_bytes(), text.as_bytes()).is_none())
        {
            push(&mut entry.text, text);
        }
    }

    fn share(&mut self, text: &str) {
        push(&mut self.shared, text);
    }
}

fn push(text: &mut String, more: &str) {
    if text.len() < MOST_TEXT && !more.is_empty() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(cut(more, MOST_DIAGNOSTIC));
    }
}

fn section_of(says: Says) -> Option<Action> {
    match says {
        Says::FailedSection => Some(Action::Failed),
        Says::DelayedSection => Some(Action::Delayed),
        Says::DeliveredSection => Some(Action::Delivered),
        _ => None,
    }
}

fn kind<'t>(line: &'t str, others: &Others<'_>) -> Line<'t> {
    let text = trimmed(line);
    if text.is_empty() {
        return Line::Blank;
    }
    let boundary = text.starts_with("--") && !text.contains([' ', '@']);
    if boundary || is_field(text) || starts_with(text, "content-") {
        return Line::Nothing;
    }
    let mut addresses = address::found(text).filter(|found| !others.is_contact(found.address));
    let Some(first) = addresses.next() else { return Line::Text };
    if is_command(text) {
        return Line::Command(first.address);
    }
    if is_reply(text) {
        let mut all = std::iter::once(first).chain(addresses);
        return match all.find(|found| !others.is_sender(found.address)) {
            Some(found) => Line::Reply(found.address),
            None => Line::Text,
        };
    }
    if generated(first.before) {
        return Line::Address(first.address, text);
    }
    // A name that is itself an address, and then the address.
    let bracketed =
        first.after.trim_start_matches(['>', ' ']).strip_prefix('<').and_then(|_| addresses.next());
    match (heads(first), bracketed) {
        (Some(_), Some(second)) if is_bracketed(second) => {
            Line::Address(second.address, second.after.trim_matches(['>', ':', ' ', '\t', ';']))
        }
        (Some(rest), _) => Line::Address(first.address, rest),
        (None, _) => Line::Text,
    }
}

fn is_bracketed(found: Found<'_>) -> bool {
    found.before.ends_with('<') && found.after.starts_with('>')
}

/// `>>> RCPT To:<ann@a.example>`, as transcripts have it.
fn is_command(text: &str) -> bool {
    let text = text.trim_start_matches(['>', ' ', '\t']);
    let text = text.strip_prefix("In:").unwrap_or(text).trim_start();
    starts_with(text, "rcpt to")
}

/// `<<< 550 …`, `Out: 550 …` or `550 …`.
pub(super) fn is_reply(text: &str) -> bool {
    let text = text.trim_start_matches(['<', ' ', '\t']);
    let text = text.strip_prefix("Out:").unwrap_or(text).trim_start();
    let mut bytes = text.bytes();
    let code = [bytes.next(), bytes.next(), bytes.next()];
    let digits = code.iter().all(|byte| byte.is_some_and(|byte| byte.is_ascii_digit()));
    digits
        && matches!(code.first(), Some(Some(b'4' | b'5')))
        && matches!(bytes.next(), Some(b' ' | b'-'))
}

/// Exim names what it could not write to before the address that led there.
fn generated(before: &str) -> bool {
    before.trim_end_matches([' ', '<']).ends_with("generated from")
}

/// What is said about an address that heads its line.
fn heads(found: Found<'_>) -> Option<&str> {
    let is_mark = |c: char| c.is_whitespace() || "*-–•·>|<\"'([#+".contains(c);
    let before = found.before.trim_matches(is_mark);
    let rest = found.after.trim_start_matches(['>', '"', '\'', ')', ']']);
    // Some write the address again, as a link.
    let rest =
        match rest.trim_start().strip_prefix("<mailto:").and_then(|rest| rest.split_once('>')) {
            Some((_, rest)) => rest,
            None => rest,
        };
    let ends = rest.chars().next().is_none_or(|c| c.is_whitespace() || ":;,.[(=<-".contains(c));
    let words = before.split_whitespace().count();
    // A name and its address, and nothing else.
    let named = words > 0
        && words <= MOST_NAME
        && rest.trim().is_empty()
        && found.before.trim_end().ends_with(['<', '('])
        && !before.contains([':', '.', ',', ';']);
    ((before.is_empty() && ends) || named).then(|| rest.trim_matches([':', ' ', '\t', ';']))
}

/// Bytes of what most notices say about all.
const ROOM: usize = 512;
/// More recipients of one notice are not read.
pub(super) const MOST_ENTRIES: usize = 1_000;
/// Bytes of what is said about one of them.
const MOST_TEXT: usize = 8_192;
/// Words of a person's name.
const MOST_NAME: usize = 4;
