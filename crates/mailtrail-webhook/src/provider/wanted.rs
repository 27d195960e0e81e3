//! The members that a dialect reads of an element: all others are skipped unread.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json_borrow::Value;

use super::path::{Locate, Path};

/// The names of those members.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    names: Vec<Box<str>>,
    /// Places in `names`, plus one, by hash; those of one hash one after the other.
    places: Box<[u8; PLACES]>,
}

impl Wanted {
    /// These names.
    pub(super) fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut wanted = Self { names: Vec::new(), places: Box::new([0; PLACES]) };
        names.into_iter().for_each(|name| wanted.add(name));
        wanted
    }

    /// Also the first name of a path, which from now on knows its place.
    pub(super) fn with(&mut self, path: &mut Path) {
        let (name, ..) = path.parts();
        self.add(name);
        let index = self.find(name);
        path.found(index);
    }

    fn add(&mut self, name: &str) {
        // There is always a free place: a name too many is never found, and so never read.
        if self.find(name).is_some() || self.names.len() >= MOST_NAMES {
            return;
        }
        self.names.push(name.into());
        let number = u8::try_from(self.names.len()).unwrap_or_default();
        let free = probe(name).find(|at| self.places.get(*at) == Some(&0));
        if let Some(place) = free.and_then(|at| self.places.get_mut(at)) {
            *place = number;
        }
    }

    /// Which of them a name is.
    fn find(&self, name: &str) -> Option<usize> {
        for at in probe(name) {
            let index = usize::from(*self.places.get(at)?).checked_sub(1)?;
            if self.names.get(index).is_some_and(|own| **own == *name) {
                return Some(index);
            }
        }
        None
    }
}

/// Where a name may be, the likeliest place first. Length and ends tell the names of JSON well apart.
fn probe(name: &str) -> impl Iterator<Item = usize> + use<> {
    let bytes = name.as_bytes();
    let end = |byte: Option<&u8>| usize::from(byte.copied().unwrap_or_default());
    let (first, last) = (end(bytes.first()), end(bytes.last()));
    let hash = bytes.len().wrapping_mul(31).wrapping_add(first.wrapping_mul(7)).wrapping_add(last);
    (0..PLACES).map(move |step| hash.wrapping_add(step) % PLACES)
}

/// The members of an object that were wanted.
#[derive(Debug, Clone)]
pub(super) struct Picked<'a> {
    wanted: &'a Wanted,
    values: Values<'a>,
}

/// A value for each name that is wanted.
type Values<'a> = Vec<Option<Value<'a>>>;

impl<'a> Picked<'a> {
    /// A member, of which the place may be known.
    pub(super) fn get(&self, name: &str, index: Option<usize>) -> Option<&Value<'a>> {
        self.values.get(index.or_else(|| self.wanted.find(name))?)?.as_ref()
    }

    /// The room for the values, to be used again.
    pub(super) fn into_room(self) -> Values<'a> {
        self.values
    }
}

/// Reads one object into this room.
pub(super) struct Pick<'a> {
    pub(super) wanted: &'a Wanted,
    pub(super) room: Values<'a>,
}

impl<'de> DeserializeSeed<'de> for Pick<'de> {
    type Value = Picked<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Picked<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Pick<'de> {
    type Value = Picked<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Picked<'de>, A::Error> {
        let Self { wanted, room: mut values } = self;
        values.clear();
        values.resize_with(wanted.names.len(), || None);
        while let Some(index) = members.next_key_seed(Name(wanted))? {
            match index.and_then(|index| values.get_mut(index)) {
                // Of members of the same name the first counts, wherever it is read.
                Some(value @ None) => *value = Some(members.next_value()?),
                _ => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Picked { wanted, values })
    }
}

/// The name of a member, read as its place.
struct Name<'w>(&'w Wanted);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.find(name))
    }
}

const PLACES: usize = 256;
/// Half of the places, so that a search is short.
const MOST_NAMES: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn picks_what_a_whole_object_has(
            names in prop::collection::vec("[a-c_]{0,4}", 0..20),
            members in prop::collection::vec(("[a-c_]{0,4}", 0_u32..9), 0..20),
        ) {
            let wanted = Wanted::of(names.iter().map(String::as_str));
            let text = members.iter().map(|(name, value)| format!("{name:?}:[{value}]"));
            let text = format!("{{{}}}", text.collect::<Vec<_>>().join(","));
            let whole: Value<'_> = serde_json::from_str(&text).unwrap();
            let room = vec![Some(Value::Bool(true)); 3];
            let pick = Pick { wanted: &wanted, room };
            let picked = pick.deserialize(&mut serde_json::Deserializer::from_str(&text)).unwrap();
            for name in &names {
                let expected = whole.as_object().unwrap().get(name.as_str());
                prop_assert_eq!(picked.get(name, None), expected, "{} of {}", name, text);
                prop_assert_eq!(picked.get("", wanted.find(name)), expected, "{} of {}", name, text);
            }
            prop_assert!(picked.get("never", None).is_none());
        }
    }
}
