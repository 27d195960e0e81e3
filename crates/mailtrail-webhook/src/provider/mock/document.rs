//! What a request says, before it is written and signed.

use serde_json::{Map, Value};

/// A body that is not yet bytes.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) value: Value,
    pub(super) shape: Shape,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Json,
    /// Each item of the array on a line.
    Lines,
    /// The members of the object, which are texts.
    Form,
}

impl Document {
    pub(super) fn json(value: Value) -> Self {
        Self { value, shape: Shape::Json }
    }

    /// The document that a body is.
    pub(super) fn read(body: &str, is_form: bool) -> Option<Self> {
        if is_form {
            let pairs = form_urlencoded::parse(body.as_bytes());
            let fields: Map<_, _> =
                pairs.map(|(name, value)| (name.into_owned(), value.into())).collect();
            return Some(Self { value: fields.into(), shape: Shape::Form });
        }
        serde_json::from_str(body).ok().map(Self::json)
    }

    pub(super) fn content_type(&self) -> &'static str {
        match self.shape {
            Shape::Json => "application/json",
            Shape::Lines => "application/x-ndjson",
            Shape::Form => FORM,
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        match (self.shape, &self.value) {
            (Shape::Lines, Value::Array(items)) => {
                let lines: Vec<_> = items.iter().map(Value::to_string).collect();
                lines.join("\n").into_bytes()
            }
            (Shape::Form, Value::Object(fields)) => {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                form(fields.iter().map(|(name, value)| (name.as_str(), text(value))))
            }
            _ => self.value.to_string().into_bytes(),
        }
    }

    /// The text at a path of the first element.
    pub(super) fn word(&self, path: &str) -> Option<&str> {
        let element = self.value.get(0).unwrap_or(&self.value);
        path.split('/').try_fold(element, |value, name| value.get(name))?.as_str()
    }

    /// Each object that stands for itself.
    pub(super) fn elements(&mut self) -> impl Iterator<Item = &mut Value> {
        match &mut self.value {
            Value::Array(items) => items.iter_mut(),
            one => std::slice::from_mut(one).iter_mut(),
        }
    }
}

/// A form as bytes.
pub(super) fn form<'a>(fields: impl Iterator<Item = (&'a str, String)>) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes()
}

/// The value at a path, as mapping files write it.
pub(super) fn at<'v>(value: &'v mut Value, path: &str) -> Option<&'v mut Value> {
    path.split('/').try_fold(value, |value, name| match value {
        Value::Object(members) => members.get_mut(name),
        Value::Array(items) => items.get_mut(name.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Puts a value at a path, and makes what is missing on the way.
pub(super) fn put(value: &mut Value, path: &str, new: Value) {
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    let index = name.parse::<usize>().ok();
    if value.is_null() {
        *value = if index.is_some() { Value::Array(Vec::new()) } else { Map::new().into() };
    }
    let member = match (value, index) {
        (Value::Object(members), _) => members.entry(name).or_insert(Value::Null),
        (Value::Array(items), Some(index)) => {
            if items.len() == index {
                items.push(Value::Null);
            }
            let Some(item) = items.get_mut(index) else { return };
            item
        }
        _ => return,
    };
    if rest.is_empty() { *member = new } else { put(member, rest, new) }
}

/// Writes texts in the place of others, wherever they stand in texts; once each.
pub(super) fn replace(value: &mut Value, pairs: &[(String, String)]) {
    match value {
        Value::String(text) => *text = replaced(text, pairs),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, pairs)),
        Value::Object(members) => members.values_mut().for_each(|member| replace(member, pairs)),
        _ => {}
    }
}

fn replaced(text: &str, pairs: &[(String, String)]) -> String {
    let (mut written, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let pair = pairs.iter().find(|(old, _)| !old.is_empty() && rest.starts_with(old.as_str()));
        let (old, new) = match pair {
            Some((old, new)) => (old.len(), new.as_str()),
            None => (first.len_utf8(), rest.get(..first.len_utf8()).unwrap_or_default()),
        };
        written.push_str(new);
        rest = rest.get(old..).unwrap_or_default();
    }
    written
}

/// Changes one byte: the last letter becomes a large one, or a small one.
pub(super) fn flip(bytes: &mut [u8]) {
    if let Some(letter) = bytes.iter_mut().rfind(|byte| byte.is_ascii_alphabetic()) {
        *letter ^= 0x20;
    }
}

pub(super) const FORM: &str = "application/x-www-form-urlencoded";
