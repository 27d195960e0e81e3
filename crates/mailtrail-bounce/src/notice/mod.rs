//! Notices that people are meant to read: who did not get the message, and what is said about it.

mod entry;
pub(crate) mod host;
mod lines;

use crate::address;
use crate::fields::{Fields, blocks, is_blank, lines};
use crate::phrases::{Phrases, Says};
use crate::recipient::Action;

use entry::Entries;
pub(crate) use entry::Entry;
use lines::Lines;

/// What a notice says.
#[derive(Debug)]
pub(crate) struct Notice<'t> {
    lines: Lines<'t>,
    /// Each recipient that it names where recipients are named, and what it says about it.
    pub(crate) entries: Vec<Entry>,
    /// What it says about all of them.
    pub(crate) shared: String,
    /// The header of the message that came back in the same text.
    pub(crate) quoted: Fields,
}

impl<'t> Notice<'t> {
    /// Reads a notice. An address `is_sender` if the notice was sent to it.
    pub(crate) fn read(text: &'t str, phrases: &Phrases, is_sender: &dyn Fn(&str) -> bool) -> Self {
        let lines = Lines::of(text, phrases);
        let others = Others::of(&lines, phrases, is_sender);
        let Entries { entries, shared } = Entries::of(&lines, &others);
        let header = quoted(lines.quoted).take_while(|line| !is_blank(line));
        let quoted = blocks(&without_margin(header)).next().unwrap_or_default();
        Self { lines, entries, shared, quoted }
    }

    /// Whether something is said, anywhere.
    pub(crate) fn says(&self, what: Says) -> bool {
        self.lines.said.iter().any(|(_, says)| *says == what)
    }

    /// Whether it speaks of a delivery.
    pub(crate) fn is_of_delivery(&self) -> bool {
        let is_of_delivery = |says: &Says| {
            matches!(
                says,
                Says::Failed
                    | Says::Delayed
                    | Says::Delivered
                    | Says::Relayed
                    | Says::FailedSection
                    | Says::DelayedSection
                    | Says::DeliveredSection
            )
        };
        self.lines.said.iter().any(|(_, says)| is_of_delivery(says))
    }

    /// What it says of all recipients that it says nothing else of.
    pub(crate) fn action(&self) -> Option<Action> {
        // A warning also says that it could not be delivered: so far.
        [
            (Says::Delayed, Action::Delayed),
            (Says::Failed, Action::Failed),
            (Says::Delivered, Action::Delivered),
            (Says::Relayed, Action::Relayed),
        ]
        .into_iter()
        .find_map(|(says, action)| self.says(says).then_some(action))
    }

    /// The fields of a delivery report that stand in the text.
    pub(crate) fn status(&self) -> Option<String> {
        let is_field = |line: &&str| crate::status::is_field(line.trim_start());
        let first = self.lines.own.iter().position(is_field)?;
        let fields = self.lines.own.get(first..)?;
        let count = fields.iter().filter(|line| is_field(line)).count();
        // Where every field is indented it is not folded.
        (count >= 2).then(|| without_margin(fields.iter().copied()))
    }

    /// The report that it quotes: some systems forward another's as text.
    pub(crate) fn quoted_report(&self) -> Option<String> {
        let kind = self.quoted.get("content-type")?.to_ascii_lowercase();
        let is_report = kind.contains("multipart/report") && kind.contains("boundary");
        is_report.then(|| without_margin(quoted(self.lines.quoted)))
    }

    /// The recipients that it names in passing, and the line of each; the sender of the message is
    /// none of them if there is another.
    pub(crate) fn mentioned(&self, phrases: &Phrases, sender: &[&str]) -> Vec<(&'t str, &'t str)> {
        let mut named: Vec<(&str, &str)> = Vec::new();
        for line in &self.lines.own {
            for found in address::found(line) {
                let excluded = is_contact(found.before, phrases)
                    || phrases.is_mailer(found.address)
                    || named.iter().any(|(own, _)| address::same(own, found.address));
                if !excluded && named.len() < entry::MOST_ENTRIES {
                    named.push((found.address, line));
                }
            }
        }
        let is_sender = |name: &str| sender.iter().any(|own| address::same(own, name));
        if named.iter().any(|(name, _)| !is_sender(name)) {
            named.retain(|(name, _)| !is_sender(name));
        }
        named
    }
}

/// Addresses in a notice that are no recipients.
pub(crate) struct Others<'t> {
    contacts: Vec<&'t str>,
    is_sender: &'t dyn Fn(&str) -> bool,
}

impl<'t> Others<'t> {
    /// People to turn to, and the sender.
    fn of(lines: &Lines<'t>, phrases: &Phrases, is_sender: &'t dyn Fn(&str) -> bool) -> Self {
        let found = lines.own.iter().flat_map(|line| address::found(line));
        let contacts = found.filter(|found| is_contact(found.before, phrases));
        Self {
            contacts: contacts.map(|found| found.address).take(MOST_CONTACTS).collect(),
            is_sender,
        }
    }

    /// Whether an address is someone's to turn to.
    pub(crate) fn is_contact(&self, address: &str) -> bool {
        self.contacts.iter().any(|own| address::same(own, address))
    }

    /// Whether an address is the sender's.
    pub(crate) fn is_sender(&self, address: &str) -> bool {
        (self.is_sender)(address)
    }
}

/// Whether what stands before an address says that it is someone to turn to, or the sender.
fn is_contact(before: &str, phrases: &Phrases) -> bool {
    let words = before.rsplit(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.take(NEAR).any(|word| phrases.contacts.iter().any(|contact| address::same(contact, word)))
}

/// What was quoted, without the lines that announce it.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let is_field = |line: &str| {
        let name = line.split_once(':').map(|(name, _)| name.trim());
        name.is_some_and(|name| {
            !name.is_empty()
                && name.len() < MOST_NAME
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
    };
    let mut rest = lines(text).peekable();
    while let Some(first) = rest.peek().copied() {
        let mut behind = rest.clone();
        behind.next();
        let second = behind.peek().copied().unwrap_or_default();
        let starts = is_field(first.trim_start())
            && (is_field(second.trim_start()) || second.starts_with([' ', '\t']));
        if starts {
            break;
        }
        rest = behind;
    }
    rest
}

/// Lines without the margin of the first of them.
fn without_margin<'t>(lines: impl Iterator<Item = &'t str>) -> String {
    let (mut text, mut margin) = (String::new(), None);
    for line in lines {
        let own = line.len().saturating_sub(line.trim_start().len());
        text.push_str(line.get(*margin.get_or_insert(own)..).unwrap_or(line.trim()));
        text.push('\n');
    }
    text
}

/// Addresses of people to turn to.
const MOST_CONTACTS: usize = 32;
/// So many words before an address say what it is.
const NEAR: usize = 2;
/// Characters of the name of a field.
const MOST_NAME: usize = 64;
