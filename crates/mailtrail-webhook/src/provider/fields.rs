//! Reading members of a JSON object: what has another form than documented is absent.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

/// The members of an element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// A text that is not empty.
    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty())
    }

    /// A text or an integer.
    pub(super) fn text_or_number(self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::Number(number) => Some(number.to_string()),
            _ => self.text(name).map(str::to_owned),
        }
    }

    /// A boolean, or a text that says the same.
    pub(super) fn flag(self, name: &str) -> Option<bool> {
        match self.0.get(name)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// A nested object.
    pub(super) fn object(self, name: &str) -> Option<Self> {
        self.0.get(name)?.as_object().map(Fields)
    }

    /// A time of RFC 3339, with any number of fractional digits.
    pub(super) fn rfc3339(self, name: &str) -> Claim {
        self.claim(name, |text| DateTime::parse_from_rfc3339(text).ok().map(Into::into))
    }

    /// A Unix time in seconds, as number or text.
    pub(super) fn unix_seconds(self, name: &str) -> Claim {
        self.claim(name, |text| DateTime::from_timestamp(text.parse().ok()?, 0))
    }

    fn claim(self, name: &str, parse: impl FnOnce(&str) -> Option<DateTime<Utc>>) -> Claim {
        let text = self.text_or_number(name);
        let at = text.as_deref().and_then(parse);
        Claim { at, text }
    }
}

/// The time that a provider claims.
#[derive(Debug, Clone, Default)]
pub(super) struct Claim {
    pub(super) at: Option<DateTime<Utc>>,
    /// As written.
    pub(super) text: Option<String>,
}
