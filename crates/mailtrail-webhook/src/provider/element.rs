//! One element of a request: what stands for itself, in whatever batch it comes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use mailtrail_core::event::RawHash;
use serde_json::value::RawValue;
use serde_json_borrow::{OwnedValue, Value};

use super::fields::Fields;

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
    /// Of what was decoded for this element. Boxed, as nearly all are borrowed.
    Owned(Box<OwnedValue>),
}

impl<'a> Element<'a> {
    /// The element that these bytes are.
    pub fn new(bytes: &'a [u8]) -> Self {
        let value = serde_json::from_slice(bytes).map_or(Parsed::Nothing, Parsed::Borrowed);
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
            Parsed::Borrowed(_) => OwnedValue::from_slice(&bytes)
                .map_or(Parsed::Nothing, |value| Parsed::Owned(value.into())),
        };
        Element { bytes: Cow::Owned(bytes), value, delivery: self.delivery }
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

    /// As it was written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it is a JSON object.
    pub fn is_object(&self) -> bool {
        self.value().is_some_and(Value::is_object)
    }

    /// Its members, if it is a JSON object.
    pub(super) fn fields(&self) -> Option<Fields<'_>> {
        self.value().and_then(Fields::of)
    }

    fn value(&self) -> Option<&Value<'_>> {
        match &self.value {
            Parsed::Nothing => None,
            Parsed::Borrowed(value) => Some(value),
            Parsed::Owned(value) => Some(value.get_value()),
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
        self.value()?;
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

/// The items of an array, of which the opening bracket is gone: read one by one, so that each costs
/// one pass; from the first that can't be read on by their brackets.
fn items_of(items: &[u8]) -> Vec<Element<'_>> {
    let (mut elements, mut rest) = (Vec::new(), items.trim_ascii_start());
    while elements.len() < ELEMENTS {
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Value<'_>>();
        let Some(Ok(value)) = values.next() else { break };
        let Some((bytes, behind)) = rest.split_at_checked(values.byte_offset()) else { break };
        let behind = behind.trim_ascii_start();
        let Some((b',' | b']', next)) = behind.split_first() else { break };
        elements.push(Element {
            bytes: Cow::Borrowed(bytes),
            value: Parsed::Borrowed(value),
            delivery: None,
        });
        rest = next.trim_ascii_start();
        if behind.starts_with(b"]") && rest.is_empty() {
            return elements;
        }
    }
    let room = ELEMENTS.saturating_sub(elements.len());
    elements.extend(pieces(rest, room).into_iter().map(Element::new));
    elements
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
