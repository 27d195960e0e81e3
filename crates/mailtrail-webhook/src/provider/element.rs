//! One element of a request: what stands for itself, in whatever batch it comes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use mailtrail_core::event::RawHash;
use serde::de::IgnoredAny;
use serde_json::Deserializer;
use serde_json::value::RawValue;
use serde_json_borrow::{OwnedValue, Value};

use super::fields::Fields;
use super::picked::{Picked, Values};
use super::wanted::Wanted;
use crate::form::Form;

/// One element of a request, as the provider wrote it.
#[derive(Debug, Clone)]
pub struct Element<'a> {
    bytes: Cow<'a, [u8]>,
    value: Parsed<'a>,
    delivery: Option<Box<str>>,
}

/// The JSON that an element is, if it is any.
#[derive(Debug, Clone)]
enum Parsed<'a> {
    Nothing,
    Borrowed(Value<'a>),
    /// An object, of which the rest was not looked at.
    Picked(Picked<'a>),
    /// Of what was decoded for this element. Boxed, as nearly all are borrowed.
    Owned(Box<OwnedValue>),
}

impl<'a> Element<'a> {
    /// The element that these bytes are.
    pub fn new(bytes: &'a [u8]) -> Self {
        let text = std::str::from_utf8(bytes).ok();
        let value = text.and_then(|text| serde_json::from_str(text).ok());
        Self::parsed(bytes, value.map_or(Parsed::Nothing, Parsed::Borrowed))
    }

    fn parsed(bytes: &'a [u8], value: Parsed<'a>) -> Self {
        Self { bytes: Cow::Borrowed(bytes), value, delivery: None }
    }

    /// With the id that the provider gave to this request, the only element of which this is: the
    /// same whenever it tries again. It stands for the element's content, also of one that nobody can
    /// read.
    ///
    /// ```
    /// use mailtrail_webhook::provider::Element;
    /// let element = Element::new(br#"{"type":"email.sent"}"#).of_delivery("msg_1");
    /// assert_eq!(&*element.identity(), "msg_1");
    /// ```
    pub fn of_delivery(mut self, id: &str) -> Self {
        self.delivery = (!id.is_empty()).then(|| id.into());
        self
    }

    /// The same element with bytes of its own, where the provider's had to be decoded: JSON in a form.
    ///
    /// ```
    /// use mailtrail_webhook::provider::Element;
    /// let decoded = String::from(r#"[{"event":"open"}]"#);
    /// let elements: Vec<Element<'static>> =
    ///     Element::all(decoded.as_bytes()).into_iter().map(Element::into_owned).collect();
    /// drop(decoded);
    /// assert_eq!(elements[0].bytes(), br#"{"event":"open"}"#);
    /// ```
    pub fn into_owned(self) -> Element<'static> {
        let bytes = self.bytes.into_owned();
        let value = match self.value {
            Parsed::Nothing => Parsed::Nothing,
            Parsed::Owned(value) => Parsed::Owned(value),
            Parsed::Borrowed(_) | Parsed::Picked(_) => OwnedValue::from_slice(&bytes)
                .map_or(Parsed::Nothing, |value| Parsed::Owned(value.into())),
        };
        Element { bytes: Cow::Owned(bytes), value, delivery: self.delivery }
    }

    /// The element that a form is: a JSON object, in which of fields of one name the first stands.
    pub(super) fn of_form(form: &Form<'_>) -> Element<'static> {
        let fields: BTreeMap<&str, &str> = form.pairs().rev().collect();
        Element::new(&serde_json::to_vec(&fields).unwrap_or_default()).into_owned()
    }

    /// The elements of a JSON array, at most 20,000; a body that is none is one element.
    ///
    /// ```
    /// use mailtrail_webhook::provider::Element;
    /// let elements = Element::all(br#"[{"a":"],"}, {"b":nonsense}, {"c":[1]}]"#);
    /// let read: Vec<bool> = elements.iter().map(|element| element.is_object()).collect();
    /// assert_eq!(read, [true, false, true]);                  // one bad element does no harm
    /// ```
    pub fn all(body: &'a [u8]) -> Vec<Self> {
        match body.trim_ascii_start().strip_prefix(b"[") {
            Some(items) => items_of(items),
            None => vec![Self::new(body)],
        }
    }

    /// The elements of JSON Lines.
    pub fn lines(body: &'a [u8]) -> Vec<Self> {
        let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        lines.filter(|line| !line.is_empty()).take(ELEMENTS).map(Self::new).collect()
    }

    /// The elements of the array that is this member of the one object of a body; none if there is no
    /// such array. One bad element does no harm if that member is the object's only one.
    pub(super) fn of_member(body: &'a [u8], name: &str) -> Option<Vec<Self>> {
        let object = serde_json::from_slice::<BTreeMap<Cow<'a, str>, &'a RawValue>>(body);
        let array = if let Ok(members) = &object {
            members.get(name)?.get().as_bytes()
        } else {
            let inner = body.trim_ascii().strip_prefix(b"{")?.strip_suffix(b"}")?.trim_ascii();
            let after = inner.strip_prefix(b"\"")?.strip_prefix(name.as_bytes())?;
            after.strip_prefix(b"\"")?.trim_ascii_start().strip_prefix(b":")?.trim_ascii()
        };
        array.strip_prefix(b"[").map(items_of)
    }

    /// The elements of the array that a body is, one after the other, with the members that are wanted.
    /// None if it is no array.
    pub(super) fn each(body: &'a [u8], wanted: &'a Wanted) -> Option<Items<'a>> {
        let items = body.trim_ascii_start().strip_prefix(b"[")?;
        Some(Items::new(items, Some(wanted)))
    }

    /// As it was written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it is a JSON object.
    pub fn is_object(&self) -> bool {
        self.fields().is_some()
    }

    /// Its members, if it is a JSON object.
    pub(super) fn fields(&self) -> Option<Fields<'_>> {
        match &self.value {
            Parsed::Nothing => None,
            Parsed::Borrowed(value) => Fields::of(value),
            Parsed::Picked(picked) => Some(Fields::Picked(picked)),
            Parsed::Owned(value) => Fields::of(value.get_value()),
        }
    }

    /// What an id can be derived from: the request's own id, else canonical JSON (RFC 8785), else a
    /// hash of the bytes.
    pub fn identity(&self) -> Box<str> {
        if let Some(id) = &self.delivery {
            return id.clone();
        }
        let canonical = self.canonical().and_then(|bytes| String::from_utf8(bytes).ok());
        canonical
            .unwrap_or_else(|| format!("sha-256:{}", RawHash::of(&self.bytes)))
            .into_boxed_str()
    }

    /// The element as a `Custom` event keeps it: JSON, else text.
    pub fn kept(&self) -> serde_json::Value {
        let fits = self.bytes.len() <= KEPT_BYTES && self.canonical().is_some();
        self.owned().filter(|_| fits).unwrap_or_else(|| {
            let (head, _) = self.bytes.split_at(self.bytes.len().min(KEPT_BYTES));
            serde_json::Value::String(String::from_utf8_lossy(head).into_owned())
        })
    }

    fn owned(&self) -> Option<serde_json::Value> {
        if matches!(self.value, Parsed::Nothing) {
            return None;
        }
        serde_json::from_slice(&self.bytes).ok()
    }

    /// Canonical JSON, unless that would lose something, as of integers over 2^53.
    fn canonical(&self) -> Option<Vec<u8>> {
        let value = self.owned()?;
        let bytes = serde_jcs::to_vec(&value).ok()?;
        let same =
            serde_json::from_slice::<serde_json::Value>(&bytes).is_ok_and(|read| read == value);
        same.then_some(bytes)
    }
}

/// The items of an array, of which the opening bracket is gone.
fn items_of(items: &[u8]) -> Vec<Element<'_>> {
    Items::new(items, None).collect()
}

/// The elements of an array: read one by one, so that each costs one pass; from the first that can't be
/// read on by their brackets.
#[derive(Debug)]
pub(super) struct Items<'a> {
    rest: &'a str,
    wanted: Option<&'a Wanted>,
    /// For the values of the next element.
    values: Values<'a>,
    room: usize,
    pieces: std::vec::IntoIter<&'a [u8]>,
}

impl<'a> Items<'a> {
    fn new(items: &'a [u8], wanted: Option<&'a Wanted>) -> Self {
        let text = std::str::from_utf8(items).ok();
        let pieces = text.map_or_else(|| pieces(items, ELEMENTS), |_| Vec::new()).into_iter();
        let rest = text.unwrap_or_default().trim_ascii_start();
        Self { rest, wanted, values: Values::new(), room: ELEMENTS, pieces }
    }

    /// The next item, and what stands behind its comma or bracket.
    fn read(&mut self) -> Option<(Element<'a>, &'a str)> {
        let (value, end) = if let Some(wanted) = self.wanted {
            let room = std::mem::take(&mut self.values);
            let (picked, end) = Picked::read(self.rest, wanted, room)?;
            (Parsed::Picked(picked), end)
        } else {
            let mut reader = Deserializer::from_str(self.rest);
            let value = serde::Deserialize::deserialize(&mut reader).ok()?;
            (Parsed::Borrowed(value), reader.into_iter::<IgnoredAny>().byte_offset())
        };
        let (item, behind) = self.rest.split_at_checked(end)?;
        let behind = behind.trim_ascii_start();
        let next = behind.strip_prefix([',', ']'])?.trim_ascii_start();
        Some((Element::parsed(item.as_bytes(), value), next))
    }

    /// Takes back what an element needed to be read, for the next one.
    pub(super) fn reuse(&mut self, element: Element<'a>) {
        if let Parsed::Picked(picked) = element.value {
            self.values = picked.into_room();
        }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        if !self.rest.is_empty() {
            if let Some((element, next)) = self.read().filter(|_| self.room > 0) {
                (self.rest, self.room) = (next, self.room.saturating_sub(1));
                return Some(element);
            }
            self.pieces = pieces(self.rest.as_bytes(), self.room).into_iter();
            self.rest = "";
        }
        self.pieces.next().map(Element::new)
    }
}

/// The items of what is left of an array. Looks at strings and brackets only, so that what is wrong
/// inside of an item stays there.
fn pieces(items: &[u8], most: usize) -> Vec<&[u8]> {
    let (mut pieces, mut start, mut depth) = (Vec::new(), 0_usize, 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    for (at, byte) in items.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => depth = depth.saturating_add(1),
            b',' | b']' if depth == 0 && pieces.len() < most => {
                pieces.extend(items.get(start..at));
                start = at.saturating_add(1);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    pieces.extend(items.get(start..));
    pieces.into_iter().map(<[u8]>::trim_ascii).filter(|piece| !piece.is_empty()).collect()
}

/// How many elements are told apart; what follows is one that nobody reads.
const ELEMENTS: usize = 20_000;
/// How much of an element a `Custom` event keeps; the raw store has the rest.
const KEPT_BYTES: usize = 65_536;
