//! The members that a dialect reads of an element: all others are skipped unread.

use super::path::{Locate, Path};

/// The names of those members.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    names: Vec<(Ends, Box<str>)>,
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
        let ends = Ends::of(name);
        self.names.push((ends, name.into()));
        let number = u8::try_from(self.names.len()).unwrap_or_default();
        let free = ends.places().find(|at| self.places.get(*at) == Some(&0));
        if let Some(place) = free.and_then(|at| self.places.get_mut(at)) {
            *place = number;
        }
    }

    /// How many they are.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Which of them a name is.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let ends = Ends::of(name);
        for at in ends.places() {
            let index = usize::from(*self.places.get(at)?).checked_sub(1)?;
            let (own_ends, own) = self.names.get(index)?;
            if *own_ends == ends && (ends.are_all() || **own == *name) {
                return Some(index);
            }
        }
        None
    }
}

/// The length of a name, and what it begins and ends with: all of it, if it is short. Most are, and so
/// are told apart without a look at their bytes one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ends {
    length: usize,
    first: u64,
    last: u64,
}

impl Ends {
    fn of(name: &str) -> Self {
        let bytes = name.as_bytes();
        let (first, last) = match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => ends_of_few(bytes),
        };
        Self { length: bytes.len(), first, last }
    }

    /// Whether the name has no byte between them.
    fn are_all(self) -> bool {
        self.length <= 16
    }

    /// Where such a name may be, the likeliest place first.
    fn places(self) -> impl Iterator<Item = usize> + use<> {
        let mixed = self.first ^ self.last.rotate_left(29);
        let [.., hash] = mixed.wrapping_mul(SPREADING).to_le_bytes();
        (0..PLACES).map(move |step| usize::from(hash).wrapping_add(step) % PLACES)
    }
}

/// The ends of less than eight bytes.
fn ends_of_few(bytes: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return (u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into());
    }
    (bytes.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)), 0)
}

const PLACES: usize = 256;
/// 2^64 over the golden ratio: what is multiplied with it differs in its first bits (Knuth, *The Art of
/// Computer Programming*, 6.4).
const SPREADING: u64 = 0x9e37_79b9_7f4a_7c15;
/// Half of the places, so that a search is short.
const MOST_NAMES: usize = 128;
