//! Folding a log: evidence per stream, and per delivery over all streams that it names.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::event::Envelope;
use crate::evidence::Evidence;
use crate::id::{Category, DeliveryId, StreamId};
use crate::lattice::{Distinct, Join};

/// The evidence of every delivery in a log. Itself a join: parts of a log may be folded apart.
///
/// ```
/// use mailtrail_core::fold::Fold;
/// use mailtrail_core::{DeliveryId, Status};
/// let fold = Fold::default();
/// assert_eq!(fold.evidence(DeliveryId::from_bytes([0; 16])).status(), Status::Unsent);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fold {
    /// Boxed: a table that grows moves what it holds.
    streams: HashMap<StreamId, Box<Evidence>, ById>,
    named_by: HashMap<StreamId, Distinct<DeliveryId>, ById>,
}

impl Fold {
    /// Takes in an event. Says whether it was new.
    pub fn add(&mut self, envelope: &Envelope) -> bool {
        let stream = envelope.stream;
        if !is_evidence(stream.category()) {
            return false;
        }
        let evidence = self.streams.entry(stream).or_default();
        let keys = evidence.keys().len();
        let grew = evidence.add_envelope(envelope);
        let new_keys = evidence.keys().len() > keys;
        if let Some(delivery) = stream.as_delivery().filter(|_| new_keys) {
            for key in evidence.keys() {
                self.named_by.entry(*key).or_default().insert(delivery);
            }
        }
        grew
    }

    /// The evidence of a delivery: of its own stream and of the streams of the keys that it names.
    pub fn evidence(&self, delivery: DeliveryId) -> Evidence {
        let own = self.streams.get(&StreamId::delivery(delivery));
        let mut evidence = own.map(|own| (**own).clone()).unwrap_or_default();
        for key in own.map(|own| own.keys()).unwrap_or_default() {
            if let Some(of_key) = self.streams.get(key) {
                evidence.join((**of_key).clone());
            }
        }
        evidence
    }

    /// The evidence of one stream alone.
    pub fn stream(&self, stream: StreamId) -> Option<&Evidence> {
        self.streams.get(&stream).map(|evidence| &**evidence)
    }

    /// The deliveries that an event on this stream concerns.
    pub fn concerned(&self, stream: StreamId) -> Vec<DeliveryId> {
        match stream.as_delivery() {
            Some(delivery) => vec![delivery],
            None => {
                self.named_by.get(&stream).map(|set| set.as_slice().to_vec()).unwrap_or_default()
            }
        }
    }

    /// All deliveries that have a stream of their own, in no order.
    pub fn deliveries(&self) -> impl Iterator<Item = DeliveryId> {
        self.streams.keys().filter_map(StreamId::as_delivery)
    }

    /// The streams of feedback that no delivery names: *unmatched feedback*, in no order.
    pub fn unmatched(&self) -> impl Iterator<Item = (StreamId, &Evidence)> {
        let unnamed = |stream: &StreamId, evidence: &Evidence| match stream.as_delivery() {
            Some(_) => evidence.planned().is_none(),
            None => !self.named_by.contains_key(stream),
        };
        self.streams.iter().filter(move |(s, e)| unnamed(s, e)).map(|(s, e)| (*s, &**e))
    }
}

impl Join for Fold {
    fn join(&mut self, other: Self) -> bool {
        let mut grew = false;
        for (stream, evidence) in other.streams {
            grew |= self.streams.entry(stream).or_default().join(*evidence);
        }
        for (key, deliveries) in other.named_by {
            grew |= self.named_by.entry(key).or_default().join(deliveries);
        }
        grew
    }
}

/// Whether events of such streams are evidence of deliveries.
pub fn is_evidence(category: Category) -> bool {
    matches!(category, Category::DELIVERY | Category::KEY | Category::MESSAGE)
}

/// Ids are hashes already, or drawn by us, and nobody but the holder of the namespace can choose them: their bytes serve
/// nearly as they are. A log that is imported brings its own event ids: chosen to collide, they cost time, and nothing else.
pub type ById = BuildHasherDefault<IdHasher>;

/// See [`ById`].
#[derive(Debug, Clone, Copy, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(rest) {
                *to = *from;
            }
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(SPREAD);
    }
}

/// An odd constant near 2^64 / φ: spreads ids that differ in few bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
