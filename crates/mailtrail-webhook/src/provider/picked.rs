//! What was picked of an object: the members that are wanted.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Deserializer;
use serde_json_borrow::Value;

use super::wanted::Wanted;

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
        values.resize_with(wanted.len(), || None);
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
        let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
        let controls = word.wrapping_sub(ONES.wrapping_mul(0x20)) & !word;
        let quotes = zeros(word ^ ONES.wrapping_mul(b'"'.into()));
        let backslashes = zeros(word ^ ONES.wrapping_mul(b'\\'.into()));
        let found = (controls | quotes | backslashes) & ONES.wrapping_mul(0x80);
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

    #[test]
    fn names_are_told_apart_also_where_they_are_long_or_escaped() {
        let [one, other] = ["subscription_aa_identifier", "subscription_bb_identifier"];
        let wanted = Wanted::of([one, "a", "é", ""]);
        let text = format!(r#"{{"{other}":1,"\u0061":2,"{one}":3,"\u00e9":4,"\u0061":5,"":6}}"#);
        let (picked, _) = Picked::read(&text, &wanted, Values::new()).unwrap();
        let number = |name| picked.get(name, None).and_then(Value::as_u64);
        assert_eq!(
            [one, "a", "é", "", other].map(number),
            [Some(3), Some(2), Some(4), Some(6), None]
        );
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
