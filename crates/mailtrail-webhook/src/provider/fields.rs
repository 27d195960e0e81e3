//! Reading members of a JSON object: what has another form than documented is absent.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json_borrow::{ObjectAsVec, Value};

use super::path::Locate;
use super::picked::Picked;

/// The members of an object.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fields<'a> {
    Whole(&'a ObjectAsVec<'a>),
    /// Those that the dialect asked for.
    Picked(&'a Picked<'a>),
}

impl<'a> Fields<'a> {
    /// Those of a value, if it is an object.
    pub(super) fn of(value: &'a Value<'a>) -> Option<Self> {
        match value {
            Value::Object(object) => Some(Self::Whole(object)),
            _ => None,
        }
    }

    /// The value at a path.
    pub(super) fn get(self, path: &(impl Locate + ?Sized)) -> Option<&'a Value<'a>> {
        let (first, index, rest) = path.parts();
        let mut value = match self {
            Self::Whole(members) => members.get(first)?,
            Self::Picked(picked) => picked.get(first, index)?,
        };
        // Most paths are one name.
        let Some(rest) = rest else { return Some(value) };
        for name in rest.split('/') {
            value = match value {
                Value::Object(object) => object.get(name)?,
                Value::Array(items) => items.get(name.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(value)
    }

    /// A text that is not empty.
    pub(super) fn text(self, path: &(impl Locate + ?Sized)) -> Option<&'a str> {
        text_of(self.get(path)?)
    }

    /// The first of these that is a text.
    pub(super) fn first_text(self, paths: &[&(impl Locate + ?Sized)]) -> Option<&'a str> {
        paths.iter().find_map(|path| self.text(*path))
    }

    /// A text or a number.
    pub(super) fn text_or_number(self, path: &(impl Locate + ?Sized)) -> Option<Cow<'a, str>> {
        written(self.get(path)?)
    }

    /// A boolean, or a text or number that says the same.
    pub(super) fn flag(self, path: &(impl Locate + ?Sized)) -> Option<bool> {
        match self.get(path)? {
            Value::Bool(flag) => Some(*flag),
            Value::Number(number) => number.as_i64().map(|number| number != 0),
            Value::Str(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::Str(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// What may be our token: the member `mt_delivery` of the object at a path, also where that is
    /// JSON in a text; or the text itself.
    pub(super) fn token(self, path: &(impl Locate + ?Sized)) -> Option<&'a str> {
        match self.get(path)? {
            Value::Object(object) => text_of(object.get(TOKEN)?),
            other => {
                let text = text_of(other)?;
                if !text.starts_with('{') {
                    return Some(text);
                }
                serde_json::from_str::<Metadata<'a>>(text).ok()?.mt_delivery
            }
        }
    }

    /// The first member that is an object.
    pub(super) fn first_object(self) -> Option<Self> {
        match self {
            Self::Whole(members) => members.values().find_map(Self::of),
            Self::Picked(_) => None,
        }
    }

    /// Whether there are no members.
    pub(super) fn is_empty(self) -> bool {
        matches!(self, Self::Whole(members) if members.is_empty())
    }

    /// A nested object.
    pub(super) fn object(self, path: &(impl Locate + ?Sized)) -> Option<Self> {
        Self::of(self.get(path)?)
    }

    /// The items of a nested array; none if there is none.
    pub(super) fn list(self, path: &(impl Locate + ?Sized)) -> impl Iterator<Item = &'a Value<'a>> {
        let items = match self.get(path) {
            Some(Value::Array(items)) => items.as_slice(),
            _ => &[],
        };
        items.iter()
    }

    /// The objects in a nested array; none if there is none.
    pub(super) fn objects(self, path: &(impl Locate + ?Sized)) -> impl Iterator<Item = Self> {
        self.list(path).filter_map(Self::of)
    }

    /// The member of this name in an array of `{name, value}` objects, as providers give headers.
    pub(super) fn named(self, path: &(impl Locate + ?Sized), name: &str) -> Option<&'a str> {
        self.objects(path).find_map(|item| {
            let own = item.first_text(&["name", "key"])?;
            own.eq_ignore_ascii_case(name).then(|| item.text("value")).flatten()
        })
    }

    /// The time at a path.
    pub(super) fn time(self, path: &(impl Locate + ?Sized), form: Time) -> Claim<'a> {
        let is_told = |value: &&Value<'_>| value.is_number() || text_of(value).is_some();
        let Some(told) = self.get(path).filter(is_told) else { return Claim::default() };
        let whole = match told {
            Value::Number(number) => number.as_i64(),
            _ => None,
        };
        // Most times are whole numbers: they need no text.
        let at = whole.and_then(|number| form.of_number(number));
        let at = at.or_else(|| form.read(&written(told)?));
        Claim { at, written: Some(told) }
    }

    /// The time at the first of these paths that has a text.
    pub(super) fn first_time(self, paths: &[&(impl Locate + ?Sized)], form: Time) -> Claim<'a> {
        let claims = paths.iter().map(|path| self.time(*path, form));
        claims.into_iter().find(|claim| claim.written.is_some()).unwrap_or_default()
    }
}

/// Metadata of ours that came back as a text. A token has nothing that JSON escapes.
#[derive(serde::Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    mt_delivery: Option<&'a str>,
}

/// A value as a text that is not empty.
pub(super) fn text_of<'a>(value: &'a Value<'a>) -> Option<&'a str> {
    match value {
        Value::Str(text) => Some(trimmed(text)).filter(|text| !text.is_empty()),
        _ => None,
    }
}

/// Most texts have no space at their ends, and show it by their first and last byte.
fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// A value as a text or number is written, if it is one.
fn written<'a>(value: &'a Value<'a>) -> Option<Cow<'a, str>> {
    match value {
        Value::Number(number) => Some(number.to_string().into()),
        other => text_of(other).map(Cow::Borrowed),
    }
}

/// The time that a provider claims.
#[derive(Debug, Clone, Default)]
pub(super) struct Claim<'a> {
    pub(super) at: Option<DateTime<Utc>>,
    /// The text or number that says so.
    pub(super) written: Option<&'a Value<'a>>,
}

impl<'a> Claim<'a> {
    /// As written.
    pub(super) fn text(&self) -> Option<Cow<'a, str>> {
        written(self.written?)
    }
}

/// How a provider writes times: known for each field, never guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Time {
    /// Unix seconds, with or without a fraction, as number or text.
    Seconds,
    /// Unix milliseconds, as number or text. Less than 10^11 is taken for seconds: before 1973.
    Milliseconds,
    /// ISO 8601 with any number of fractional digits; without an offset it is UTC.
    Iso,
    /// Month, day, year and a clock of twelve hours, in UTC, as in `3/26/2026 5:14:02 PM`.
    UnitedStates,
}

impl Time {
    /// The time that a text is.
    pub(super) fn read(self, text: &str) -> Option<DateTime<Utc>> {
        let text = text.trim();
        match self {
            Self::Seconds => seconds(text),
            Self::Milliseconds => self.of_number(text.parse().ok()?),
            Self::Iso => iso(text),
            Self::UnitedStates => {
                let naive = NaiveDateTime::parse_from_str(text, "%m/%d/%Y %I:%M:%S %p").ok()?;
                Some(naive.and_utc())
            }
        }
    }

    /// The time that a whole number is.
    fn of_number(self, number: i64) -> Option<DateTime<Utc>> {
        match self {
            Self::Milliseconds if number.unsigned_abs() >= 100_000_000_000 => {
                DateTime::from_timestamp_millis(number)
            }
            Self::Seconds | Self::Milliseconds => DateTime::from_timestamp(number, 0),
            Self::Iso | Self::UnitedStates => None,
        }
    }
}

/// Exact: a float would lose the microseconds.
fn seconds(text: &str) -> Option<DateTime<Utc>> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.get(..fraction.len().min(9))?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos = format!("{digits:0<9}").parse().ok()?;
    DateTime::from_timestamp(whole.parse().ok()?, nanos)
}

fn iso(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    // `2024-01-01 12:00:00.0+00`, and times that do not say that they are UTC.
    let with_offset = ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"];
    let parsed = with_offset.iter().find_map(|form| DateTime::parse_from_str(text, form).ok());
    let naive = || {
        let forms = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"];
        let text = text.trim_end_matches("UTC").trim_end();
        forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
    };
    parsed.map(|time| time.to_utc()).or_else(|| naive().map(|time| time.and_utc()))
}

/// The name of our token in metadata.
const TOKEN: &str = "mt_delivery";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_whatever_form_metadata_come_back() {
        for (json, token) in [
            (r#"{"m":{"mt_delivery":"t"}}"#, Some("t")),
            (r#"{"m":"t"}"#, Some("t")),
            (r#"{"m":"{\"a\":[1],\"mt_delivery\":\"t\"}"}"#, Some("t")),
            (r#"{"m":"{\"mt_delivery\":5}"}"#, None),
            (r#"{"m":"{nonsense"}"#, None),
            (r#"{"m":{}}"#, None),
            (r#"{"mt_delivery":"t"}"#, None),
        ] {
            let value = serde_json::from_str(json).unwrap();
            assert_eq!(Fields::of(&value).unwrap().token("m"), token, "{json}");
        }
    }

    #[test]
    fn times_are_read_in_their_own_form() {
        let read =
            |form: Time, text| form.read(text).map(|time| time.to_rfc3339()).unwrap_or_default();
        for (form, text, expected) in [
            (Time::Seconds, "1700000000", "2023-11-14T22:13:20+00:00"),
            (Time::Seconds, "1700000000.123456", "2023-11-14T22:13:20.123456+00:00"),
            (Time::Seconds, "1700000000.x", ""),
            (Time::Milliseconds, "1700000000123", "2023-11-14T22:13:20.123+00:00"),
            (Time::Milliseconds, "1700000000", "2023-11-14T22:13:20+00:00"),
            (Time::Iso, "2023-11-14T17:13:20.1234567-05:00", "2023-11-14T22:13:20.123456700+00:00"),
            (Time::Iso, "2023-11-14 22:13:20.0+00", "2023-11-14T22:13:20+00:00"),
            (Time::Iso, "2023-11-14 22:13:20", "2023-11-14T22:13:20+00:00"),
            (Time::Iso, "2023-11-14T22:13:20.5", "2023-11-14T22:13:20.500+00:00"),
            (Time::Iso, "yesterday", ""),
            (Time::UnitedStates, "11/14/2023 10:13:20 PM", "2023-11-14T22:13:20+00:00"),
            (Time::UnitedStates, "3/4/2023 1:02:03 AM", "2023-03-04T01:02:03+00:00"),
            (Time::UnitedStates, "14/11/2023 10:13:20 PM", ""),
        ] {
            assert_eq!(read(form, text), expected, "{form:?} {text}");
        }
    }
}
