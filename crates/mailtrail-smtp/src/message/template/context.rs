//! What a template can ask for.

use std::str::FromStr;

use chrono::format::StrftimeItems;
use chrono::{DateTime, FixedOffset, SecondsFormat};
use chrono_tz::Tz;
use minijinja::value::Value;
use minijinja::{Error, ErrorKind, State, context};

use crate::message::Letter;

/// The values of a letter. What the row does not have is undefined, so that nobody reads "Dear none".
pub(super) fn of(letter: &Letter<'_>, data: &Value) -> Value {
    let Letter { row, private, .. } = letter;
    context! {
        name => optional(private.name.as_deref()),
        address => letter.address.as_given(),
        contact => row.contact.as_str(),
        broadcast => row.broadcast.as_str(),
        kind => row.kind.as_str(),
        from => optional(row.from.as_deref()),
        labels => Value::from_pairs(private.labels.iter().map(|(key, label)| (key.as_str(), label.as_str()))),
        time_zone => optional(row.time_zone.as_deref()),
        date => letter.date.to_rfc3339_opts(SecondsFormat::Secs, true),
        data => data.clone(),
    }
}

/// The filter `dateformat`: a time (RFC 3339) in a time zone, by default that of the contact, else in UTC.
pub(super) fn dateformat(
    state: &State<'_, '_>,
    time: &str,
    format: &str,
    zone: Option<&str>,
) -> Result<String, Error> {
    let time = DateTime::parse_from_rfc3339(time)
        .map_err(|error| wrong("the time is not as in RFC 3339").with_source(error))?;
    let items = StrftimeItems::new(format)
        .parse()
        .map_err(|error| wrong("the format is not one of strftime").with_source(error))?;
    let own = state.lookup("time_zone");
    let zone = zone.or_else(|| own.as_ref().and_then(Value::as_str));
    Ok(in_zone(time, zone)?.format_with_items(items.iter()).to_string())
}

fn in_zone(time: DateTime<FixedOffset>, zone: Option<&str>) -> Result<DateTime<Tz>, Error> {
    let zone = zone.map_or(Ok(Tz::UTC), Tz::from_str);
    let zone = zone.map_err(|error| wrong("the time zone is unknown").with_source(error))?;
    Ok(time.with_timezone(&zone))
}

fn wrong(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

fn optional(text: Option<&str>) -> Value {
    text.map_or(Value::UNDEFINED, Value::from)
}

/// Their names.
pub(super) const NAMES: [&str; 10] = [
    "name",
    "address",
    "contact",
    "broadcast",
    "kind",
    "from",
    "labels",
    "time_zone",
    "date",
    "data",
];
