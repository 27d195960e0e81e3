//! Texts, each held once, and the place of each among all of them in alphabetical order.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use memchr::memmem::Finder;

use super::IndexFull;
use super::leading::leading;

/// The number of a text.
pub(super) type Code = u32;

/// The texts of an index. Equal texts have one number; those that differ in upper and lower case only have one place.
#[derive(Debug, Clone)]
pub(super) struct Texts {
    given: Arena,
    lower: Arena,
    by_text: HashTable<Code>,
    hasher: RandomState,
    /// All that have a place, in its order.
    sorted: Vec<Code>,
    /// With room between them, so that a new one moves no other.
    places: Vec<u64>,
}

impl Texts {
    /// The number of the empty text.
    pub(super) const EMPTY: Code = 0;

    /// The number of a text. A new one gets its place with the next [`place_new`](Self::place_new).
    pub(super) fn code(&mut self, text: &str) -> Result<Code, IndexFull> {
        if let Some(code) = self.find(text) {
            return Ok(code);
        }
        let code = Code::try_from(self.len()).map_err(|_| IndexFull)?;
        self.push(text, code);
        Ok(code)
    }

    /// The number of a text that is held.
    pub(super) fn find(&self, text: &str) -> Option<Code> {
        let is_it = |code: &Code| self.given(*code) == text.as_bytes();
        self.by_text.find(self.hasher.hash_one(text.as_bytes()), is_it).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.given.starts.len()
    }

    /// A text as it was given.
    pub(super) fn given(&self, code: Code) -> &[u8] {
        self.given.get(code)
    }

    /// The place of a text among all: comparing places is comparing texts in lower case.
    pub(super) fn place(&self, code: Code) -> u64 {
        self.places.get(code as usize).copied().unwrap_or(u64::MAX)
    }

    /// Which texts hold this one, in upper or lower case; `part` is in lower case.
    pub(super) fn saying(&self, part: &str) -> Vec<bool> {
        let mut saying = vec![part.is_empty(); self.len()];
        let finder = Finder::new(part);
        let (mut from, mut begun) = (0, 0);
        while let Some(found) = self.lower.bytes.get(from..).and_then(|rest| finder.find(rest)) {
            let at = from.saturating_add(found);
            let starts = self.lower.starts.get(begun..).unwrap_or_default();
            begun = begun.saturating_add(starts.partition_point(|start| *start <= at));
            // The last that begins no later holds it.
            if let Some(says) = saying.get_mut(begun.saturating_sub(1)) {
                *says = true;
            }
            let Some(next) = self.lower.starts.get(begun) else { break };
            from = *next;
        }
        saying
    }

    /// Gives all new texts their places.
    pub(super) fn place_new(&mut self) {
        let mut new: Vec<Code> = (0..).take(self.len()).skip(self.sorted.len()).collect();
        if new.is_empty() {
            return;
        }
        new.sort_unstable_by_key(|code| self.lower.get(*code));
        self.places.resize(self.len(), u64::MAX);
        let mut merged: Vec<Code> = Vec::with_capacity(self.len());
        let sorted = std::mem::take(&mut self.sorted);
        let (mut old, mut new) = (sorted.as_slice(), new.as_slice());
        let mut had_room = true;
        while let Some(first) = new.first() {
            let first = self.lower.get(*first);
            let before = leading(old, |code| self.lower.get(*code) <= first);
            let (earlier, later) = old.split_at_checked(before).unwrap_or((old, &[]));
            merged.extend_from_slice(earlier);
            old = later;
            let count = old.first().map_or(new.len(), |next| {
                let next = self.lower.get(*next);
                leading(new, |code| self.lower.get(*code) < next)
            });
            let (run, later) = new.split_at_checked(count).unwrap_or((new, &[]));
            had_room &= self.place_between(merged.last().copied(), run, old.first().copied());
            merged.extend_from_slice(run);
            new = later;
        }
        merged.extend_from_slice(old);
        if !had_room {
            self.place_between(None, &merged, None);
        }
        self.sorted = merged;
    }

    /// Spreads texts, in their order, between two places. Says whether there was room.
    fn place_between(&mut self, after: Option<Code>, run: &[Code], before: Option<Code>) -> bool {
        let low = after.map_or(0, |code| self.place(code));
        let high = before.map_or(u64::MAX, |code| self.place(code));
        let differing = u64::try_from(run.len()).unwrap_or(u64::MAX).saturating_add(1);
        let step = high.saturating_sub(low).checked_div(differing).unwrap_or(0);
        let (mut last, mut place) = (after, low);
        for code in run {
            if last.is_none_or(|last| self.lower.get(last) != self.lower.get(*code)) {
                place = place.saturating_add(step);
            }
            if let Some(held) = self.places.get_mut(*code as usize) {
                *held = place;
            }
            last = Some(*code);
        }
        step > 0
    }

    fn push(&mut self, text: &str, code: Code) {
        self.given.push(text);
        self.lower.push(&text.to_lowercase());
        let (given, hasher) = (&self.given, &self.hasher);
        let hash = hasher.hash_one(text.as_bytes());
        self.by_text.insert_unique(hash, code, |code| hasher.hash_one(given.get(*code)));
    }
}

impl Default for Texts {
    fn default() -> Self {
        let mut texts = Self {
            given: Arena::default(),
            lower: Arena::default(),
            by_text: HashTable::new(),
            hasher: RandomState::new(),
            sorted: Vec::new(),
            places: Vec::new(),
        };
        texts.push("", Self::EMPTY);
        texts.place_new();
        texts
    }
}

/// Texts, one behind the other.
#[derive(Debug, Clone, Default)]
struct Arena {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Arena {
    fn push(&mut self, text: &str) {
        self.starts.push(self.bytes.len());
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(END);
    }

    fn get(&self, code: Code) -> &[u8] {
        let code = code as usize;
        let Some(start) = self.starts.get(code) else { return &[] };
        let next = self.starts.get(code.saturating_add(1)).unwrap_or(&self.bytes.len()).to_owned();
        self.bytes.get(*start..next.saturating_sub(1)).unwrap_or_default()
    }
}

/// In no text: it is not UTF-8.
const END: u8 = 0xff;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn places_are_in_the_order_of_the_texts(
            batches in vec(vec("[abAB\u{df}\u{130}]{0,3}|\\PC{0,3}", 0..6), 0..6),
            part in "\\PC{0,2}|[ab]",
        ) {
            let (mut texts, mut given) = (Texts::default(), Vec::new());
            for batch in batches {
                for text in batch {
                    prop_assert_eq!(texts.code(&text).unwrap(), texts.code(&text).unwrap());
                    given.push(text);
                }
                texts.place_new();
            }
            let part = part.to_lowercase();
            let saying = texts.saying(&part);
            for one in &given {
                let code = texts.find(one).unwrap();
                prop_assert_eq!(texts.given(code), one.as_bytes());
                prop_assert_eq!(saying[code as usize], one.to_lowercase().contains(&part));
                for other in &given {
                    let places = texts.place(code).cmp(&texts.place(texts.find(other).unwrap()));
                    prop_assert_eq!(places, one.to_lowercase().cmp(&other.to_lowercase()));
                }
            }
        }
    }

    /// Each between the last one and the end: the room between two is halved every time.
    #[test]
    fn room_is_made_where_there_is_none_left() {
        let mut texts = Texts::default();
        texts.code("b").unwrap();
        for number in 0..200 {
            texts.code(&format!("a{number:03}")).unwrap();
            texts.place_new();
        }
        let place = |text: &str| texts.place(texts.find(text).unwrap());
        assert!((0..199).all(|at| place(&format!("a{at:03}")) < place(&format!("a{:03}", at + 1))));
        assert!(place("a199") < place("b"));
    }
}
