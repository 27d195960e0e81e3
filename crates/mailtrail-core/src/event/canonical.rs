//! JSON in the form of RFC 8785.
//!
//! What it asks of nearly every event is that the fields are sorted. So an event is written as usual, and its fields are
//! put in order; whatever else it may ask (numbers with a fraction, names that are no ASCII) is left to `serde_jcs`, which
//! takes ten times as long.

use serde::Serialize;
use smallvec::SmallVec;

/// The bytes of a value.
///
/// # Errors
/// If a number can't be written in that form.
pub(super) fn to_vec(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    match sorted(&serde_json::to_vec(value)?) {
        Some(sorted) => Ok(sorted),
        None => serde_jcs::to_vec(&serde_json::to_value(value)?),
    }
}

/// JSON as `serde_json` writes it, with the fields of each object in order; `None` where more is to be done.
pub(super) fn sorted(json: &[u8]) -> Option<Vec<u8>> {
    let mut sorter = Sorter { rest: json, out: Vec::with_capacity(json.len()) };
    sorter.value()?;
    sorter.rest.is_empty().then_some(sorter.out)
}

struct Sorter<'a> {
    rest: &'a [u8],
    out: Vec<u8>,
}

/// A field: its name, and where in the output it begins.
type Field<'a> = (&'a [u8], usize);

impl<'a> Sorter<'a> {
    fn value(&mut self) -> Option<()> {
        match self.rest.first()? {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => self.string().map(drop),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.word(),
        }
    }

    fn object(&mut self) -> Option<()> {
        self.copy(1)?;
        let (start, mut fields) = (self.out.len(), SmallVec::<[Field<'a>; 16]>::new());
        let mut is_sorted = true;
        while !self.ends(b'}')? {
            let begins = self.out.len();
            let name = self.string()?;
            if !name.is_ascii() || name.contains(&b'\\') {
                return None;
            }
            if let Some((before, _)) = fields.last() {
                is_sorted &= *before < name;
            }
            fields.push((name, begins));
            (self.rest.first()? == &b':').then_some(())?;
            self.copy(1)?;
            self.value()?;
        }
        if !is_sorted {
            self.sort(start, fields)?;
        }
        self.copy(1)
    }

    /// Puts the fields that were written from an offset on in order.
    fn sort(&mut self, start: usize, mut fields: SmallVec<[Field<'a>; 16]>) -> Option<()> {
        let written = self.out.split_off(start);
        let ends: SmallVec<[usize; 16]> = fields
            .iter()
            .skip(1)
            .map(|(_, begins)| begins.checked_sub(1))
            .chain([start.checked_add(written.len())])
            .collect::<Option<_>>()?;
        let mut spans: SmallVec<[(&[u8], usize, usize); 16]> =
            fields.drain(..).zip(ends).map(|((name, from), to)| (name, from, to)).collect();
        spans.sort_unstable();
        // Which of two fields of one name counts is not for us to say.
        if spans.windows(2).any(|pair| matches!(pair, [(a, ..), (b, ..)] if a == b)) {
            return None;
        }
        for (index, (_, from, to)) in spans.into_iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            let span = from.checked_sub(start)?..to.checked_sub(start)?;
            self.out.extend_from_slice(written.get(span)?);
        }
        Some(())
    }

    fn array(&mut self) -> Option<()> {
        self.copy(1)?;
        while !self.ends(b']')? {
            self.value()?;
        }
        self.copy(1)
    }

    /// Whether an object or array ends; takes the comma before the next element otherwise.
    fn ends(&mut self, end: u8) -> Option<bool> {
        match self.rest.first()? {
            next if *next == end => return Some(true),
            b',' => self.copy(1)?,
            _ => {}
        }
        Some(false)
    }

    /// The text between the quotes, as it is written.
    fn string(&mut self) -> Option<&'a [u8]> {
        let (quote, text) = self.rest.split_first()?;
        (*quote == b'"').then_some(())?;
        let mut length = 0_usize;
        loop {
            let rest = text.get(length..)?;
            length = length.checked_add(memchr::memchr2(b'"', b'\\', rest)?)?;
            if text.get(length) == Some(&b'"') {
                break;
            }
            length = length.checked_add(2)?;
        }
        self.copy(length.checked_add(2)?)?;
        text.get(..length)
    }

    /// Whole numbers that every reader of JSON reads as they are.
    fn number(&mut self) -> Option<()> {
        let is_of_number =
            |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
        let length = self.rest.iter().take_while(|byte| is_of_number(byte)).count();
        let number = self.rest.get(..length)?;
        let digits = number.strip_prefix(b"-").unwrap_or(number);
        let is_whole = digits.len() <= MOST_DIGITS && digits.iter().all(u8::is_ascii_digit);
        (is_whole && number != b"-0").then_some(())?;
        self.copy(length)
    }

    /// `true`, `false`, `null`.
    fn word(&mut self) -> Option<()> {
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
        (length > 0).then_some(())?;
        self.copy(length)
    }

    fn copy(&mut self, length: usize) -> Option<()> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.out.extend_from_slice(taken);
        self.rest = rest;
        Some(())
    }
}

/// Below 2^53.
const MOST_DIGITS: usize = 15;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Number, Value};

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[a-z_]{0,5}",
            any::<String>(),
            Just("\"\\\u{0}\u{1f}\u{7f}\n\u{2028}é😀ﬁ".to_owned()),
        ];
        let number = prop_oneof![
            any::<i64>().prop_map(Number::from),
            (-9_i64..1_000).prop_map(Number::from),
            any::<f64>().prop_filter_map("finite", Number::from_f64),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            number.prop_map(Value::Number),
            text.clone().prop_map(Value::String),
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            let object = prop::collection::vec((text.clone(), inner.clone()), 0..6);
            prop_oneof![
                prop::collection::vec(inner, 0..6).prop_map(Value::Array),
                object.prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    /// Fields in the order in which they are given.
    struct Unsorted(Vec<(String, Value)>);

    impl Serialize for Unsorted {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
        }
    }

    proptest! {
        #[test]
        fn it_is_what_serde_jcs_writes(fields in prop::collection::vec(("[a-zé]{0,3}", value()), 0..6)) {
            let unsorted = Unsorted(fields);
            let plain = serde_json::to_value(&unsorted).unwrap();
            prop_assert_eq!(to_vec(&unsorted).unwrap(), serde_jcs::to_vec(&plain).unwrap());
            prop_assert_eq!(to_vec(&plain).unwrap(), serde_jcs::to_vec(&plain).unwrap());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop_oneof![any::<Vec<u8>>(), "[{}\\[\\]\",:a0-]{0,12}".prop_map(String::into_bytes)]) {
            sorted(&bytes);
        }
    }

    #[test]
    fn fields_are_sorted_at_every_level() {
        let json = br#"{"b":[{"y":1,"x":{}},-7],"a":{"d":null,"c":"\"}"},"aa":true}"#;
        let sorted = sorted(json).unwrap();
        assert_eq!(sorted, br#"{"a":{"c":"\"}","d":null},"aa":true,"b":[{"x":{},"y":1},-7]}"#);
    }
}
