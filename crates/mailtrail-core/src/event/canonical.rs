//! JSON in the form of RFC 8785.
//!
//! What it asks of nearly every event is that the fields are sorted. So an event is written as usual, and its fields are
//! put in order; whatever else it may ask (numbers with a fraction, names that are no ASCII) is left to `serde_jcs`, which
//! takes ten times as long.

use std::ops::Range;

use serde::Serialize;
use smallvec::SmallVec;

/// The bytes of a value.
///
/// # Errors
/// If a number can't be written in that form.
pub(super) fn to_vec(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut json = SmallVec::<[u8; USUAL]>::new();
    serde_json::to_writer(&mut json, value)?;
    match sort(&mut json) {
        Some(()) => Ok(json.to_vec()),
        None => serde_jcs::to_vec(&serde_json::to_value(value)?),
    }
}

/// Puts the fields of each object of JSON, as `serde_json` writes it, in order; `None` where more is to be done.
pub(super) fn sort(json: &mut [u8]) -> Option<()> {
    let mut sorter = Sorter { json, at: 0 };
    sorter.value()?;
    (sorter.at == sorter.json.len()).then_some(())
}

/// Goes over JSON once. In order or not, it is as long: it is put in order where it is.
struct Sorter<'a> {
    json: &'a mut [u8],
    at: usize,
}

/// Where a field's name is, and where the field ends.
type Field = (Range<usize>, usize);

impl Sorter<'_> {
    fn value(&mut self) -> Option<()> {
        match self.next()? {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => self.string().map(drop),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.word(),
        }
    }

    fn object(&mut self) -> Option<()> {
        self.skip(1)?;
        let mut fields = SmallVec::<[Field; 16]>::new();
        let mut is_sorted = true;
        while !self.ends(b'}')? {
            let name = self.string()?;
            let written = self.json.get(name.clone())?;
            if !written.is_ascii() || written.contains(&b'\\') {
                return None;
            }
            if let Some((before, _)) = fields.last() {
                is_sorted &= self.json.get(before.clone())? < written;
            }
            (self.next()? == b':').then_some(())?;
            self.skip(1)?;
            self.value()?;
            fields.push((name, self.at));
        }
        if !is_sorted {
            self.reorder(&fields)?;
        }
        self.skip(1)
    }

    /// Puts the fields of an object that ends here in order.
    fn reorder(&mut self, fields: &[Field]) -> Option<()> {
        let quote = |(name, _): &Field| name.start.checked_sub(1);
        let start = fields.first().and_then(quote)?;
        let before = SmallVec::<[u8; USUAL]>::from_slice(self.json.get(start..self.at)?);
        let mut spans = SmallVec::<[(&[u8], &[u8]); 16]>::new();
        for field in fields {
            let of = |from: usize, to: usize| {
                before.get(from.checked_sub(start)?..to.checked_sub(start)?)
            };
            spans.push((of(field.0.start, field.0.end)?, of(quote(field)?, field.1)?));
        }
        spans.sort_unstable();
        // Which of two fields of one name counts is not for us to say.
        if spans.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
            return None;
        }
        let mut to = start;
        for (index, (_, span)) in spans.into_iter().enumerate() {
            if index > 0 {
                *self.json.get_mut(to)? = b',';
                to = to.checked_add(1)?;
            }
            let end = to.checked_add(span.len())?;
            self.json.get_mut(to..end)?.copy_from_slice(span);
            to = end;
        }
        Some(())
    }

    fn array(&mut self) -> Option<()> {
        self.skip(1)?;
        while !self.ends(b']')? {
            self.value()?;
        }
        self.skip(1)
    }

    /// Whether an object or array ends; skips the comma before the next element otherwise.
    fn ends(&mut self, end: u8) -> Option<bool> {
        match self.next()? {
            next if next == end => return Some(true),
            b',' => self.skip(1)?,
            _ => {}
        }
        Some(false)
    }

    /// Where the text between the quotes is.
    fn string(&mut self) -> Option<Range<usize>> {
        (self.next()? == b'"').then_some(())?;
        let start = self.at.checked_add(1)?;
        let mut end = start;
        loop {
            end = end.checked_add(memchr::memchr2(b'"', b'\\', self.json.get(end..)?)?)?;
            if self.json.get(end) == Some(&b'"') {
                break;
            }
            end = end.checked_add(2)?;
        }
        self.at = end.checked_add(1)?;
        Some(start..end)
    }

    /// Whole numbers that every reader of JSON reads as they are.
    fn number(&mut self) -> Option<()> {
        let is_of_number =
            |byte: &&u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
        let rest = self.json.get(self.at..)?;
        let number = rest.get(..rest.iter().take_while(is_of_number).count())?;
        let digits = number.strip_prefix(b"-").unwrap_or(number);
        let is_whole = digits.len() <= MOST_DIGITS && digits.iter().all(u8::is_ascii_digit);
        (is_whole && number != b"-0").then_some(())?;
        self.skip(number.len())
    }

    /// `true`, `false`, `null`.
    fn word(&mut self) -> Option<()> {
        let rest = self.json.get(self.at..)?;
        let length = rest.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
        (length > 0).then_some(())?;
        self.skip(length)
    }

    fn next(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    fn skip(&mut self, length: usize) -> Option<()> {
        self.at = self.at.checked_add(length)?;
        (self.at <= self.json.len()).then_some(())
    }
}

/// Most events have fewer bytes.
const USUAL: usize = 1_024;
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
            sort(&mut bytes.clone());
        }
    }

    /// Two are written for each message that goes out.
    #[test]
    fn what_senders_write_is_in_order_as_it_is_declared() {
        use crate::event::{Attempted, Delivered, Private, Said, Sent, Transcript};
        fn in_order(value: &impl Serialize) {
            assert_eq!(serde_json::to_vec(value).unwrap(), to_vec(value).unwrap());
        }
        let said = Said {
            at: Some(chrono::DateTime::UNIX_EPOCH),
            enhanced_code: "2.0.0".parse().ok(),
            reply_code: crate::diagnosis::ReplyCode::new(250),
            ..Said::default()
        };
        let mut transcript = Transcript { replies: vec![said.clone()], ..Transcript::default() };
        transcript.address = Some([127, 0, 0, 1].into());
        let transcript = Some(Box::new(transcript));
        let host = || Some("mx.example".into());
        in_order(&Attempted { host: host(), message_id: host(), ..Attempted::default() });
        let (reply_code, enhanced_code) = (said.reply_code, said.enhanced_code);
        let sent = Sent { enhanced_code, host: host(), reply_code, ..Sent::default() };
        in_order(&Sent {
            attempt: Some(1),
            queue_id: host(),
            transcript: transcript.clone(),
            ..sent
        });
        let delivered =
            Delivered { attempt: Some(1), host: host(), transcript, ..Delivered::default() };
        in_order(&Delivered { enhanced_code, reply_code, ..delivered });
        in_order(&Private { text: host(), replies: vec!["Ok".into()], ..Private::default() });
    }

    #[test]
    fn fields_are_sorted_at_every_level() {
        let mut json = *br#"{"b":[{"y":1,"x":{}},-7],"a":{"d":null,"c":"\"}"},"aa":true}"#;
        sort(&mut json).unwrap();
        assert_eq!(json, *br#"{"a":{"c":"\"}","d":null},"aa":true,"b":[{"x":{},"y":1},-7]}"#);
    }
}
