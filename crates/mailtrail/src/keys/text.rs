//! The text of a keys file, read and changed. What a person wrote beside the keys stays.

use std::collections::HashSet;
use std::ops::Range;

use data_encoding::HEXLOWER;
use mailtrail_core::token::{Key, Keys};
use serde::Deserialize;
use toml::Spanned;

/// A key as the file has it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct FileKey {
    pub(super) id: u8,
    secret: [u8; 32],
    pub(super) is_retired: bool,
}

/// The keys in a text, and where they stand.
pub(super) struct Text {
    pub(super) keys: Vec<FileKey>,
    places: Vec<Place>,
}

struct Place {
    id: Range<usize>,
    retired: Option<Range<usize>>,
}

#[derive(Deserialize)]
struct File {
    key: Vec<Written>,
}

#[derive(Deserialize)]
struct Written {
    id: Spanned<u8>,
    secret: String,
    retired: Option<Spanned<bool>>,
}

impl Text {
    /// Reads a text, or says what is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        // The parser's own message quotes the line, and the line holds the secret.
        let file: File =
            toml::from_str(text).map_err(|_| "it is not a list of [[key]] with id and secret")?;
        let (mut keys, mut places) = (Vec::new(), Vec::new());
        let mut ids = HashSet::new();
        for Written { id, secret, retired } in file.key {
            let bytes = HEXLOWER.decode(secret.as_bytes()).ok();
            let secret = bytes.and_then(|bytes| bytes.try_into().ok());
            let secret = secret.ok_or("a secret is 64 hexadecimal digits")?;
            if !ids.insert(*id.get_ref()) {
                return Err("two keys have the same id");
            }
            places.push(Place { id: id.span(), retired: retired.as_ref().map(Spanned::span) });
            let is_retired = retired.is_some_and(Spanned::into_inner);
            keys.push(FileKey { id: id.into_inner(), secret, is_retired });
        }
        if keys.iter().all(|key| key.is_retired) {
            return Err("no key signs: all are retired");
        }
        Ok(Self { keys, places })
    }

    /// The place of the key that signs: the first that is not retired.
    pub(super) fn signing(&self) -> Option<usize> {
        self.keys.iter().position(|key| !key.is_retired)
    }

    /// As tokens need them.
    pub(super) fn keys(&self) -> Option<Keys> {
        let signing = self.signing()?;
        let signs = self.keys.get(signing)?.key();
        let others = self.keys.iter().enumerate().filter(|(at, _)| *at != signing);
        Some(others.fold(Keys::new(signs), |keys, (_, key)| keys.and(key.key())))
    }
}

impl FileKey {
    pub(super) fn new(id: u8, secret: [u8; 32]) -> Self {
        Self { id, secret, is_retired: false }
    }

    pub(super) fn key(&self) -> Key {
        let key = Key::new(self.id, self.secret);
        if self.is_retired { key.retired() } else { key }
    }

    pub(super) fn written(&self) -> String {
        let (id, secret) = (self.id, HEXLOWER.encode(&self.secret));
        format!("[[key]]\nid = {id}\nsecret = \"{secret}\"\n")
    }
}

/// The text with a key before all others, if it can be put there.
pub(super) fn with_first(text: &str, key: &FileKey) -> Option<String> {
    let mut lines = text.split_inclusive('\n');
    let before = lines.by_ref().take_while(|line| !line.trim_start().starts_with("[[key]]"));
    let at = before.map(str::len).sum();
    let (before, after) = text.split_at_checked(at)?;
    let new = format!("{before}{}\n{after}", key.written());
    let mut expected = vec![key.clone()];
    expected.extend(Text::read(text).ok()?.keys);
    (Text::read(&new).ok()?.keys == expected).then_some(new)
}

/// The text with this key retired, if that can be written there.
pub(super) fn with_retired(text: &str, id: u8) -> Option<String> {
    let read = Text::read(text).ok()?;
    let at = read.keys.iter().position(|key| key.id == id)?;
    let place = read.places.get(at)?;
    let mut expected = read.keys.clone();
    expected.get_mut(at)?.is_retired = true;
    // A table has its fields on lines; an inline table has commas between them.
    let ways = match &place.retired {
        Some(retired) => vec![(retired.clone(), "true")],
        None => ["\nretired = true", ", retired = true"]
            .map(|field| (place.id.end..place.id.end, field))
            .into(),
    };
    ways.into_iter().find_map(|(place, new)| {
        let mut text = text.to_owned();
        text.get(place.clone())?;
        text.replace_range(place, new);
        (Text::read(&text).ok()?.keys == expected).then_some(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<(u8, bool)> {
        let keys = Text::read(text).unwrap_or_else(|error| panic!("{error}")).keys;
        keys.into_iter().map(|key| (key.id, key.is_retired)).collect()
    }

    #[test]
    fn what_a_person_wrote_stays() {
        let secret = "0".repeat(64);
        let text = format!(
            "# Ours.\n[[key]] # since 2024\nid = 7 # seven\nsecret = \"{secret}\"\nretired = false\n\n\
             [[key]]\nsecret = '{secret}'\nid = 0x08 # eight\n"
        );
        let added = with_first(&text, &FileKey::new(9, [1; 32])).unwrap();
        assert_eq!(ids(&added), [(9, false), (7, false), (8, false)]);
        let retired = with_retired(&with_retired(&added, 7).unwrap(), 8).unwrap();
        assert_eq!(ids(&retired), [(9, false), (7, true), (8, true)]);
        for line in text.lines().filter(|line| !line.starts_with("retired")) {
            assert!(retired.contains(line.split(" # eight").next().unwrap()), "{line}");
        }
        assert!(retired.starts_with("# Ours.\n[[key]]\nid = 9\n"));
    }

    #[test]
    fn inline_tables_are_retired_too() {
        let secret = "0".repeat(64);
        let key = |id: u8| format!("{{ id = {id}, secret = \"{secret}\" }}");
        let text = format!("key = [{}, {}]\n", key(1), key(2));
        assert_eq!(ids(&with_retired(&text, 1).unwrap()), [(1, true), (2, false)]);
        assert_eq!(with_first(&text, &FileKey::new(3, [1; 32])), None);
    }

    #[test]
    fn the_last_key_that_signs_is_not_retired() {
        let text = FileKey::new(1, [1; 32]).written();
        assert_eq!(with_retired(&text, 1), None);
        assert_eq!(with_retired(&text, 2), None);
    }
}
