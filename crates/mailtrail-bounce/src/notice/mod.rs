//! Notices that people are meant to read: who did not get the message, and what is said about it.

mod entry;
mod lines;

use crate::address;
use crate::fields::{Fields, blocks};
use crate::phrases::{Phrases, Says};
use crate::recipient::Action;

pub(crate) use entry::Entry;
use entry::Entries;
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
    /// Reads a notice.
    pub(crate) fn read(text: &'t str, phrases: &Phrases) -> Self {
        let lines = Lines::of(text, phrases);
        let Entries { entries, shared } = Entries::of(&lines);
        let quoted = quoted(&lines.quoted);
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
        let is_field = |line: &&str| {
            let lower = line.trim_start().to_ascii_lowercase();
            crate::status::FIELDS.iter().any(|name| lower.starts_with(name))
        };
        let first = self.lines.own.iter().position(|line| is_field(&line))?;
        let fields = self.lines.own.get(first..)?;
        let count = fields.iter().filter(|line| is_field(line)).count();
        // Where every field is indented it is not folded.
        let margin = fields.first().map(|line| line.len().saturating_sub(line.trim_start().len()));
        let unindented = fields.iter().map(|line| line.get(margin?..).or(Some("")));
        (count >= 2).then(|| unindented.flatten().collect::<Vec<_>>().join("\n"))
    }

    /// The recipients that it names in passing; the sender of the message is none of them if there
    /// is another.
    pub(crate) fn mentioned(&self, phrases: &Phrases, sender: &[&str]) -> Vec<String> {
        let mut named: Vec<String> = Vec::new();
        for line in &self.lines.own {
            for found in address::found(line) {
                let excluded = is_contact(found.before, phrases)
                    || phrases.is_mailer(found.address)
                    || named.iter().any(|own| address::same(own, found.address));
                if !excluded && named.len() < entry::MOST_ENTRIES {
                    named.push(found.address.to_owned());
                }
            }
        }
        let is_sender = |name: &String| sender.iter().any(|own| address::same(own, name));
        if named.iter().any(|name| !is_sender(name)) {
            named.retain(|name| !is_sender(name));
        }
        named
    }
}

/// Whether what stands before an address says that it is someone to turn to, or the sender.
fn is_contact(before: &str, phrases: &Phrases) -> bool {
    let before = before.to_lowercase();
    let words = before.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.rev().take(NEAR).any(|word| phrases.contacts.iter().any(|contact| contact == word))
}

/// The header in what was quoted; the line that announces it is none.
fn quoted(lines: &[&str]) -> Fields {
    let is_field = |line: &&str| {
        let name = line.split_once(':').map(|(name, _)| name.trim());
        name.is_some_and(|name| {
            !name.is_empty()
                && name.len() < MOST_NAME
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
    };
    let mut rest = lines;
    while let Some((first, tail)) = rest.split_first() {
        let second = tail.first().copied().unwrap_or_default();
        let starts = is_field(&first.trim_start())
            && (is_field(&second.trim_start()) || second.starts_with([' ', '\t']));
        if starts {
            break;
        }
        rest = tail;
    }
    let margin = rest.first().map_or(0, |line| line.len().saturating_sub(line.trim_start().len()));
    let text: Vec<&str> =
        rest.iter().take(MOST_HEADER).map(|line| line.get(margin..).unwrap_or(line.trim())).collect();
    blocks(&text.join("\n")).into_iter().next().unwrap_or_default()
}

/// So many words before an address say what it is.
const NEAR: usize = 2;
/// Lines of a quoted header.
const MOST_HEADER: usize = 512;
/// Characters of the name of a field.
const MOST_NAME: usize = 64;
