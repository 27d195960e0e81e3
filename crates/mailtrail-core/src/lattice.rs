//! What evidence is made of: values that only grow, whatever the order and repetition of facts.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::id::EventId;

/// A join semilattice: commutative, associative, idempotent; `Default` is its identity.
///
/// ```
/// use mailtrail_core::lattice::{Distinct, Join};
/// let mut seen = Distinct::of("a");
/// assert!(seen.join(Distinct::of("b")));        // it grew
/// assert!(!seen.join(Distinct::of("a")));       // nothing new
/// assert_eq!(seen.len(), 2);
/// ```
pub trait Join: Default {
    /// Takes in what the other knows. Says whether anything of it was new.
    fn join(&mut self, other: Self) -> bool;
}

/// When a fact was, as far as its source says, and which fact it is. Ordered by time, then id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a pair by definition")]
pub struct Moment {
    /// The claimed time.
    #[serde(with = "instant")]
    pub at: Option<DateTime<Utc>>,
    /// The fact.
    pub event: EventId,
}

/// The first of some facts: a fact without a time counts only if none has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct First<T>(Option<(Moment, T)>);

/// The last of some facts: a fact without a time counts only if none has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last<T>(Option<(Moment, T)>);

impl<T> First<T> {
    /// Of one fact.
    pub fn of(moment: Moment, value: T) -> Self {
        Self(Some((moment, value)))
    }

    /// Its moment.
    pub fn moment(&self) -> Option<Moment> {
        self.0.as_ref().map(|(moment, _)| *moment)
    }

    /// Its claimed time.
    pub fn at(&self) -> Option<DateTime<Utc>> {
        self.moment().and_then(|moment| moment.at)
    }

    /// Its value.
    pub fn value(&self) -> Option<&T> {
        self.0.as_ref().map(|(_, value)| value)
    }
}

impl<T> Last<T> {
    /// Of one fact.
    pub fn of(moment: Moment, value: T) -> Self {
        Self(Some((moment, value)))
    }

    /// Its moment.
    pub fn moment(&self) -> Option<Moment> {
        self.0.as_ref().map(|(moment, _)| *moment)
    }

    /// Its claimed time.
    pub fn at(&self) -> Option<DateTime<Utc>> {
        self.moment().and_then(|moment| moment.at)
    }

    /// Its value.
    pub fn value(&self) -> Option<&T> {
        self.0.as_ref().map(|(_, value)| value)
    }
}

impl<T> Default for First<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Default for Last<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Join for First<T> {
    fn join(&mut self, other: Self) -> bool {
        let earlier = |new: Moment, old: Moment| {
            (new.at.is_none(), new.at, new.event) < (old.at.is_none(), old.at, old.event)
        };
        replace_if(&mut self.0, other.0, earlier)
    }
}

impl<T> Join for Last<T> {
    fn join(&mut self, other: Self) -> bool {
        replace_if(&mut self.0, other.0, |new, old| (new.at, new.event) > (old.at, old.event))
    }
}

fn replace_if<T>(
    held: &mut Option<(Moment, T)>,
    other: Option<(Moment, T)>,
    wins: impl Fn(Moment, Moment) -> bool,
) -> bool {
    let grows = match (&held, &other) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some((old, _)), Some((new, _))) => wins(*new, *old),
    };
    if grows {
        *held = other;
    }
    grows
}

/// A set that only grows, in order. Nearly always of one or a few elements: a sorted vector that
/// holds its first element in place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(bound(serialize = "T: Serialize", deserialize = "T: Deserialize<'de>"))]
pub struct Distinct<T>(SmallVec<[T; 1]>);

impl<T: Ord> Distinct<T> {
    /// Of one element.
    pub fn of(element: T) -> Self {
        Self(SmallVec::from_buf([element]))
    }

    /// Adds an element. Says whether it was new.
    pub fn insert(&mut self, element: T) -> bool {
        match self.0.binary_search(&element) {
            Ok(_) => false,
            Err(at) => {
                self.0.insert(at, element);
                true
            }
        }
    }

    /// Whether it holds the element.
    pub fn contains(&self, element: &T) -> bool {
        self.0.binary_search(element).is_ok()
    }

    /// The elements in order.
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Ord> FromIterator<T> for Distinct<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        let mut of = Self::default();
        for element in elements {
            of.insert(element);
        }
        of
    }
}

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self(SmallVec::new())
    }
}

impl<T: Ord> Join for Distinct<T> {
    fn join(&mut self, other: Self) -> bool {
        if self.0.is_empty() {
            self.0 = other.0;
            return !self.0.is_empty();
        }
        other.0.into_iter().fold(false, |grew, element| self.insert(element) | grew)
    }
}

/// Per key a value that grows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(
    serialize = "K: Serialize, V: Serialize",
    deserialize = "K: Deserialize<'de> + Ord, V: Deserialize<'de>"
))]
pub struct Each<K, V>(BTreeMap<K, V>);

impl<K: Ord, V: Join> Each<K, V> {
    /// Joins a value into that of a key. Says whether it grew.
    pub fn join_at(&mut self, key: K, value: V) -> bool {
        match self.0.entry(key) {
            std::collections::btree_map::Entry::Occupied(mut held) => held.get_mut().join(value),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(value);
                true
            }
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key)
    }

    /// All keys and values, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter()
    }
}

impl<K, V> Default for Each<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord, V: Join> Join for Each<K, V> {
    fn join(&mut self, other: Self) -> bool {
        other.0.into_iter().fold(false, |grew, (key, value)| self.join_at(key, value) | grew)
    }
}

/// The greatest of some values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Greatest<T>(Option<T>);

impl<T> Default for Greatest<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Ord> Greatest<T> {
    /// Of one value.
    pub fn of(value: T) -> Self {
        Self(Some(value))
    }

    /// The value.
    pub fn value(&self) -> Option<&T> {
        self.0.as_ref()
    }
}

impl<T: Ord> Join for Greatest<T> {
    fn join(&mut self, other: Self) -> bool {
        let grows = other.0 > self.0;
        if grows {
            self.0 = other.0;
        }
        grows
    }
}

/// Something that most evidence doesn't have: a pointer until it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sparse<T>(Option<Box<T>>);

impl<T> Sparse<T> {
    /// What it holds, if anything.
    pub fn value(&self) -> Option<&T> {
        self.0.as_deref()
    }
}

impl<T: Default> Sparse<T> {
    /// What it holds, made if there is nothing: to be grown at once, or it would not be its default.
    pub fn grow(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

impl<T> Default for Sparse<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Join> Join for Sparse<T> {
    fn join(&mut self, other: Self) -> bool {
        match (&mut self.0, other.0) {
            (_, None) => false,
            (Some(held), Some(other)) => held.join(*other),
            (held @ None, other @ Some(_)) => {
                *held = other;
                true
            }
        }
    }
}

/// A time as seconds and nanoseconds since 1970, as records have it.
mod instant {
    use chrono::{DateTime, Utc};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    type Parts = Option<(i64, u32)>;

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(
        at: &Option<DateTime<Utc>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let parts: Parts = at.map(|at| (at.timestamp(), at.timestamp_subsec_nanos()));
        parts.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<DateTime<Utc>>, D::Error> {
        let parts = Parts::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom("a time out of range");
        let time = |(seconds, nanos)| DateTime::from_timestamp(seconds, nanos).ok_or_else(wrong);
        parts.map(time).transpose()
    }
}
