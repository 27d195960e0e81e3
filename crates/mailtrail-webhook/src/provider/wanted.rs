//! The members that a dialect reads of an element: all others are skipped unread.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Deserializer;
use serde_json_borrow::Value;

use super::path::{Locate, Path};

/// The names of those members.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    names: Vec<(Ends, Box<str>)>,
    /// Places in `names`, plus one, by hash; those of one hash one after the other.
    places: Box<[u8; PLACES]>,
}

impl Wanted {
    /// These names.
    pub(super) fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut wanted = Self { names: Vec::new(), places: Box::new([0; PLACES]) };
        names.into_iter().for_each(|name| wanted.add(name));
        wanted
    }

    /// Also the first name of a path, which from now on knows its place.
    pub(super) fn with(&mut self, path: &mut Path) {
        let (name, ..) = path.parts();
        self.add(name);
        let index = self.find(name);
        path.found(index);
    }

    fn add(&mut self, name: &str) {
        // There is always a free place: a name too many is never found, and so never read.
        if self.find(name).is_some() || self.names.len() >= MOST_NAMES {
            return;
        }
        let ends = Ends::of(name);
        self.names.push((ends, name.into()));
        let number = u8::try_from(self.names.len()).unwrap_or_default();
        let free = ends.places().find(|at| self.places.get(*at) == Some(&0));
        if let Some(place) = free.and_then(|at| self.places.get_mut(at)) {
            *place = number;
        }
    }

    /// Which of them a name is.
    fn find(&self, name: &str) -> Option<usize> {
        let ends = Ends::of(name);
        for at in ends.places() {
            let index = usize::from(*self.places.get(at)?).checked_sub(1)?;
            let (own_ends, own) = self.names.get(index)?;
            if *own_ends == ends && (ends.are_all() || **own == *name) {
                return Some(index);
            }
        }
        None
    }
}

/// The length of a name, and what it begins and ends with: all of it, if it is short. Most are, and so
/// are told apart without a look at their bytes one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ends {
    length: usize,
    first: u64,
    last: u64,
}

impl Ends {
    fn of(name: &str) -> Self {
        let bytes = name.as_bytes();
        let (first, last) = match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => ends_of_few(bytes),
        };
        Self { length: bytes.len(), first, last }
    }

    /// Whether the name has no byte between them.
    fn are_all(self) -> bool {
        self.length <= 16
    }

    /// Where such a name may be, the likeliest place first.
    fn places(self) -> impl Iterator<Item = usize> + use<> {
        let mixed = self.first ^ self.last.rotate_left(29);
        let [.., hash] = mixed.wrapping_mul(SPREADING).to_le_bytes();
        (0..PLACES).map(move |step| usize::from(hash).wrapping_add(step) % PLACES)
    }
}

/// The ends of less than eight bytes.
fn ends_of_few(bytes: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return (u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into());
    }
    (bytes.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)), 0)
}

/// The members of an object that were wanted.
#[derive(Debug, Clone)]
pub(super) struct Picked<'a> {
    wanted: &'a Wanted,
    values: Values<'a>,
}

/// A value for each name that is wanted.
pub(super) type Values<'a> = Vec<Option<Value<'a>>>;

impl<'a> Picked<'a> {
    /// Of the object that a text begins with, into this room; and where that object ends. None if there
    /// is none that is well-formed.
    pub(super) fn read(
        text: &'a str,
        wanted: &'a Wanted,
        room: Values<'a>,
    ) -> Option<(Self, usize)> {
        let mut members = Members { text, at: 0 };
        let mut values = room;
        values.clear();
        values.resize_with(wanted.names.len(), || None);
        members.take(b'{')?;
        if members.take(b'}').is_none() {
            loop {
                let place = wanted.find(&members.name()?).and_then(|index| values.get_mut(index));
                members.take(b':')?;
                match place {
                    // Of members of the same name the first counts, wherever it is read.
                    Some(value @ None) => *value = Some(members.value()?),
                    _ => members.skip()?,
                }
                if members.take(b',').is_none() {
                    break members.take(b'}')?;
                }
            }
        }
        Some((Self { wanted, values }, members.at))
    }

    /// A member, of which the place may be known.
    pub(super) fn get(&self, name: &str, index: Option<usize>) -> Option<&Value<'a>> {
        self.values.get(index.or_else(|| self.wanted.find(name))?)?.as_ref()
    }

    /// The room for the values, to be used again.
    pub(super) fn into_room(self) -> Values<'a> {
        self.values
    }
}

/// The names and values of an object, one after the other. Plain texts and numbers, which nearly all
/// are, are read here, and all else by `serde_json`.
struct Members<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Members<'a> {
    /// What comes next, behind spaces.
    fn next(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.step(1);
        }
    }

    fn step(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    /// Goes behind this, if it is what comes next.
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then(|| self.step(1))
    }

    fn name(&mut self) -> Option<Cow<'a, str>> {
        self.next()?;
        match self.plain_text() {
            Some(name) => Some(Cow::Borrowed(name)),
            None => self.read(),
        }
    }

    fn value(&mut self) -> Option<Value<'a>> {
        let plain = match self.next()? {
            b'"' => self.plain_text().map(|text| Value::Str(text.into())),
            b'0'..=b'9' => self.plain_number().map(|number| Value::Number(number.into())),
            _ => None,
        };
        plain.or_else(|| self.read())
    }

    fn skip(&mut self) -> Option<()> {
        let is_plain = match self.next()? {
            b'"' => self.plain_text().is_some(),
            b'0'..=b'9' => self.plain_number().is_some(),
            _ => false,
        };
        if is_plain { Some(()) } else { self.read::<IgnoredAny>().map(drop) }
    }

    fn read<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let mut reader = Deserializer::from_str(self.text.get(self.at..)?);
        let read = T::deserialize(&mut reader).ok()?;
        self.step(reader.into_iter::<IgnoredAny>().byte_offset());
        Some(read)
    }

    /// The text that begins here, if it is one without escapes.
    fn plain_text(&mut self) -> Option<&'a str> {
        let rest = self.text.get(self.at..)?.strip_prefix('"')?;
        let length = plain_length(rest.as_bytes());
        let (plain, behind) = rest.split_at_checked(length)?;
        behind.starts_with('"').then(|| self.step(length.saturating_add(2)))?;
        Some(plain)
    }

    /// The number that begins here, if it is one of few digits and nothing else.
    fn plain_number(&mut self) -> Option<u64> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let mut number = 0_u64;
        let mut digits = 0_usize;
        while let Some(digit @ b'0'..=b'9') = rest.get(digits) {
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit.wrapping_sub(b'0')));
            digits = digits.saturating_add(1);
        }
        let goes_on = matches!(rest.get(digits), Some(b'.' | b'e' | b'E'));
        let leads_with_zero = digits > 1 && rest.first() == Some(&b'0');
        if digits > MOST_DIGITS || goes_on || leads_with_zero {
            return None;
        }
        self.step(digits);
        Some(number)
    }
}

/// How many bytes come before the first that is a quote, a backslash or a control character. Eight are
/// looked at in one step (Mycroft's test for a zero byte; the lowest that it finds is exact).
fn plain_length(bytes: &[u8]) -> usize {
    let mut length = 0_usize;
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*word);
        let is_zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let is_control = word.wrapping_sub(ONES.wrapping_mul(0x20)) & !word;
        let quotes = is_zero(word ^ ONES.wrapping_mul(b'"'.into()));
        let backslashes = is_zero(word ^ ONES.wrapping_mul(b'\\'.into()));
        let found = (is_control | quotes | backslashes) & ONES.wrapping_mul(0x80);
        if found != 0 {
            let before = found.trailing_zeros() / 8;
            return length.saturating_add(usize::try_from(before).unwrap_or_default());
        }
        length = length.saturating_add(8);
        rest = behind;
    }
    let is_plain = |byte: &&u8| **byte >= 0x20 && !matches!(**byte, b'"' | b'\\');
    length.saturating_add(rest.iter().take_while(is_plain).count())
}

const PLACES: usize = 256;
/// 2^64 over the golden ratio: what is multiplied with it differs in its first bits (Knuth, *The Art of
/// Computer Programming*, 6.4).
const SPREADING: u64 = 0x9e37_79b9_7f4a_7c15;
/// Half of the places, so that a search is short.
const MOST_NAMES: usize = 128;
/// All numbers of that many digits are below 2^64.
const MOST_DIGITS: usize = 19;
/// A one in each byte.
const ONES: u64 = 0x0101_0101_0101_0101;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json() -> impl Strategy<Value = String> {
        let text =
            r#""([ -!#-\[\]-~]|é|😀|\\["\\/bfnrt]|\\u00[0-9A-Fa-f]{2}|\\ud83d\\ude00){0,6}""#;
        let number = r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?";
        let leaf = prop_oneof![
            prop::sample::select(vec!["null", "true", "false", "-0", "1e400", "5e-324"])
                .prop_map(str::to_owned),
            number,
            text,
        ];
        let member = r#""[a-c]{0,2}""#;
        leaf.prop_recursive(3, 12, 4, move |inner| {
            let items = prop::collection::vec(inner.clone(), 0..4);
            let members = prop::collection::vec((member, inner), 0..4);
            prop_oneof![
                items.prop_map(|items| format!("[ {}]", items.join(" ,"))),
                members.prop_map(|members| {
                    let members: Vec<String> =
                        members.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                    format!("{{{} }}", members.join(", "))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn picks_what_a_whole_object_has(
            names in prop::collection::vec("[a-c_é]{0,20}", 0..20),
            members in prop::collection::vec((any::<prop::sample::Index>(), "[a-c_]{0,20}", json()), 0..12),
            spoilt in prop::option::of((any::<prop::sample::Index>(), r#"[\x00-\x20\\"\[\]{},:0-9eE.+n-]?"#)),
        ) {
            let wanted = Wanted::of(names.iter().map(String::as_str));
            let text = members.iter().map(|(index, other, value)| {
                let name = if names.is_empty() { other } else { index.get(&names) };
                format!("{name:?}:{value}")
            });
            let mut text = format!("{{{}}}", text.collect::<Vec<_>>().join(","));
            if let Some((index, other)) = &spoilt {
                let (at, own) = text.char_indices().nth(index.index(text.chars().count())).unwrap();
                text.replace_range(at..at.saturating_add(own.len_utf8()), other);
            }
            let Some((picked, end)) = Picked::read(&text, &wanted, vec![Some(Value::Null); 3]) else {
                prop_assert!(serde_json::from_str::<Value<'_>>(&text).is_err(), "{}", text);
                return Ok(());
            };
            let (object, behind) = text.split_at(end);
            prop_assert!(serde_json::from_str::<IgnoredAny>(object).is_ok(), "{} of {}", object, text);
            prop_assert!(spoilt.is_some() || behind.is_empty(), "{} of {}", object, text);
            // What is not wanted may be more than a number can be.
            let Ok(whole) = serde_json::from_str::<Value<'_>>(object) else { return Ok(()) };
            for name in &names {
                let expected = whole.as_object().unwrap().get(name.as_str());
                prop_assert_eq!(picked.get(name, None), expected, "{} of {}", name, text);
                prop_assert_eq!(picked.get("", wanted.find(name)), expected, "{} of {}", name, text);
            }
            prop_assert!(picked.get("never", None).is_none());
        }
    }
}
