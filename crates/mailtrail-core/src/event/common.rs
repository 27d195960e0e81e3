//! What every event's `data` may hold beside its own fields.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};

use super::canonical;
use super::raw_hash::RawHash;
use crate::correlation::Attribution;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Common {
    #[serde(skip_serializing_if = "is_of_a_delivery")]
    pub(super) attribution: Attribution,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) raw: Option<RawHash>,
}

/// A payload with them; what they say goes before a field of their name in it.
#[derive(Serialize)]
struct Whole<'a, T> {
    #[serde(flatten)]
    payload: &'a T,
    #[serde(flatten)]
    common: &'a Common,
}

impl Common {
    /// The bytes of a payload with them.
    pub(super) fn encode(&self, payload: &impl Serialize) -> serde_json::Result<Vec<u8>> {
        if *self == Self::default() {
            canonical::to_vec(payload)
        } else {
            canonical::to_vec(&Whole { payload, common: self })
        }
    }

    /// Most events have neither, and are not read for it: an object in which no string is a field's name, and no escape
    /// could hide one, doesn't have the field.
    pub(super) fn decode(text: &str) -> serde_json::Result<Self> {
        static NAMES: LazyLock<[Finder<'static>; 2]> =
            LazyLock::new(|| [Finder::new(r#""attribution""#), Finder::new(r#""raw""#)]);
        let data = text.as_bytes();
        let may_have = !data.starts_with(b"{")
            || memchr::memchr(b'\\', data).is_some()
            || NAMES.iter().any(|name| name.find(data).is_some());
        if may_have { serde_json::from_str(text) } else { Ok(Self::default()) }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_of_a_delivery(attribution: &Attribution) -> bool {
    *attribution == Attribution::Delivery
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// It says what reading all of the text says.
        #[test]
        fn what_is_skipped_is_not_there(
            fields in proptest::collection::vec(
                prop_oneof![
                    Just(r#""attribution":"recipient""#),
                    Just(r#""\u0061ttribution":"message""#),
                    Just(r#""r\u0061w":null"#),
                    Just(r#""raw":null"#),
                    Just(r#""raw":"no hash""#),
                    Just(r#""other":"attribution""#),
                    Just(r#""other":{"attribution":7}"#),
                    Just(r#""attribution ":1"#),
                ],
                0..4,
            ),
            ends in prop_oneof![Just(("{", "}")), Just(("[", "]")), Just((" {", "} ")), Just(("{", ""))],
        ) {
            let text = format!("{}{}{}", ends.0, fields.join(","), ends.1);
            let all: Result<Common, _> = serde_json::from_str(&text);
            match Common::decode(&text) {
                Ok(read) => prop_assert!(
                    all.as_ref().is_ok_and(|all| *all == read) || all.is_err() && ends.1.is_empty(),
                    "{}: {:?}", text, all
                ),
                Err(_) => prop_assert!(all.is_err(), "{}", text),
            }
        }
    }
}
