//! What the index knows on disk: three keyspaces of fjall.
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | `ids` | event id 16 | position u64 |
//! | `streams` | category 15, id 16, page u32 | positions of 512 versions |
//! | `kinds` | category 15, the first 16 of SHA-256(type), first position u64 | positions |
//!
//! Positions are postcard: the first, then the steps from each to the next. Each keyspace has one entry more, with the
//! key 0: the position of the last event that it knows of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use mailtrail_core::event::EventType;
use mailtrail_core::id::Category;
use mailtrail_core::store::{Filter, OpenError, ReadError};
use mailtrail_core::{EventId, StreamId};
use sha2::{Digest, Sha256};

use super::recent::Recent;
use crate::engine::{self, guarded};

/// The keyspaces.
pub(crate) struct Tables {
    ids: fjall::Keyspace,
    streams: fjall::Keyspace,
    kinds: fjall::Keyspace,
    /// The kinds that there are: what the keys of `kinds` begin with.
    known: RwLock<BTreeSet<Kind>>,
    _database: fjall::Database,
}

type Kind = [u8; 31];
type PageKey = [u8; 35];

impl Tables {
    pub(super) fn open(path: &Path, cache_bytes: u64) -> Result<Self, OpenError> {
        let (database, keyspaces) = engine::open(path, cache_bytes, |database| {
            let keyspace = |name| engine::keyspace(database, name);
            Ok((keyspace("ids")?, keyspace("streams")?, keyspace("kinds")?))
        })?;
        let (ids, streams, kinds) = keyspaces;
        let known = kinds_in(&kinds).map_err(|error| OpenError::Corrupt { cause: error.into() })?;
        Ok(Self { ids, streams, kinds, known: RwLock::new(known), _database: database })
    }

    /// Whether each keyspace knows of all events up to a position: fjall empties one that it finds without its `current`
    /// file, and says nothing.
    pub(super) fn reach(&self, position: u64) -> bool {
        [&self.ids, &self.streams, &self.kinds].into_iter().all(|keyspace| {
            let known = guarded(|| keyspace.get(REACHED)).ok().flatten();
            known.and_then(|value| position_of(&value)).is_some_and(|known| known >= position)
        })
    }

    pub(super) fn position(&self, id: EventId) -> Result<Option<u64>, ReadError> {
        let found = guarded(|| self.ids.get(id.as_bytes()))?;
        found.map(|value| position_of(&value).ok_or(DAMAGED)).transpose()
    }

    /// The positions of a page of a stream.
    pub(super) fn page(&self, stream: StreamId, page: u64) -> Result<Vec<u64>, ReadError> {
        let Some(key) = page_key(stream, page) else { return Ok(Vec::new()) };
        let value = guarded(|| self.streams.get(key))?;
        value.map_or(Ok(Vec::new()), |value| positions_of(&value).ok_or(DAMAGED))
    }

    /// How many events a stream has.
    pub(super) fn count(&self, stream: StreamId) -> Result<u64, ReadError> {
        let length = |page| -> Result<u64, ReadError> {
            Ok(u64::try_from(self.page(stream, page)?.len()).unwrap_or(u64::MAX))
        };
        // Most streams have one page or none.
        let first = length(0)?;
        if first < PAGE {
            return Ok(first);
        }
        // Pages are full up to `full`; `not` is not.
        let (mut full, mut not) = (0_u64, 1_u64);
        while length(not)? == PAGE {
            (full, not) = (not, not.saturating_mul(2));
        }
        while not.saturating_sub(full) > 1 {
            let between = full.midpoint(not);
            if length(between)? == PAGE { full = between } else { not = between }
        }
        Ok(not.saturating_mul(PAGE).saturating_add(length(not)?))
    }

    /// Adds at most so many positions of matching events behind one, of each kind.
    pub(super) fn matching(
        &self,
        filter: &Filter,
        after: u64,
        limit: usize,
        to: &mut Vec<u64>,
    ) -> Result<(), ReadError> {
        for kind in self.kinds_of(filter) {
            let mut found = 0_usize;
            let start = guarded(|| {
                let before =
                    self.kinds.range(kind_key(&kind, 0)..=kind_key(&kind, after)).next_back();
                before.map(fjall::Guard::key).transpose()
            })?;
            let start = start.map_or_else(|| kind_key(&kind, 0), |key| key.to_vec());
            let mut entries = self.kinds.range(start..=kind_key(&kind, u64::MAX));
            while found < limit {
                let next = guarded(|| entries.next().map(fjall::Guard::value).transpose())?;
                let Some(value) = next else { break };
                let positions = positions_of(&value).ok_or(DAMAGED)?;
                let from = positions.partition_point(|position| *position <= after);
                let of_entry = positions.iter().skip(from).take(limit.saturating_sub(found));
                found = found.saturating_add(of_entry.len());
                to.extend(of_entry);
            }
        }
        Ok(())
    }

    fn kinds_of(&self, filter: &Filter) -> Vec<Kind> {
        let types: Vec<_> = filter.event_types.iter().map(hashed).collect();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let wanted = |kind: &&Kind| {
            let (category, named) = kind.split_at(15);
            (filter.categories.is_empty()
                || filter.categories.iter().any(|wanted| padded(*wanted) == category))
                && (types.is_empty() || types.iter().any(|wanted| wanted == named))
        };
        known.iter().filter(wanted).copied().collect()
    }

    /// Writes what is recent, durably: sorted, into tables of its own.
    pub(super) fn write(&self, recent: &Recent) -> Result<(), ReadError> {
        let head = recent.head.position.get();
        let mut ids: Vec<_> = recent.ids.iter().collect();
        ids.sort_unstable();
        let ids = ids.into_iter().map(|(id, at)| (*id.as_bytes(), at.to_be_bytes()));
        ingest(&self.ids, head, ids)?;
        ingest(&self.streams, head, self.pages(recent)?.into_iter())?;
        let kinds = chunks(recent);
        let known: BTreeSet<Kind> =
            kinds.keys().filter_map(|key| key.first_chunk::<31>().copied()).collect();
        ingest(&self.kinds, head, kinds.into_iter().map(|(key, at)| (key, encoded(at))))?;
        self.known.write().unwrap_or_else(PoisonError::into_inner).extend(known);
        Ok(())
    }

    /// The pages that change, in order of their keys.
    fn pages(&self, recent: &Recent) -> Result<Vec<(PageKey, Vec<u8>)>, ReadError> {
        let mut pages = Vec::with_capacity(recent.streams.len());
        for (stream, run) in &recent.streams {
            let mut version = run.first;
            while version < run.end() {
                let page = version / PAGE;
                let begun = version % PAGE;
                let mut positions = if begun == 0 { Vec::new() } else { self.page(*stream, page)? };
                // After a crash the page may be there already, whole.
                positions.truncate(usize::try_from(begun).unwrap_or(usize::MAX));
                let room = usize::try_from(PAGE.saturating_sub(begun)).unwrap_or(usize::MAX);
                positions.extend(run.from(version).iter().take(room));
                version = page.saturating_add(1).saturating_mul(PAGE);
                pages.extend(page_key(*stream, page).map(|key| (key, encoded(&positions))));
            }
        }
        pages.sort_unstable();
        Ok(pages)
    }

    /// Merges what is there, so that reads look at less.
    pub(super) fn compact(&self) -> Result<(), ReadError> {
        [&self.ids, &self.streams, &self.kinds]
            .into_iter()
            .try_for_each(|keyspace| guarded(|| keyspace.major_compact()))
    }
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables").finish_non_exhaustive()
    }
}

fn ingest<K: Into<fjall::UserKey>, V: Into<fjall::UserValue>>(
    keyspace: &fjall::Keyspace,
    reached: u64,
    entries: impl Iterator<Item = (K, V)>,
) -> Result<(), ReadError> {
    guarded(|| {
        let mut ingestion = keyspace.start_ingestion()?;
        ingestion.write(REACHED, reached.to_be_bytes())?;
        for (key, value) in entries {
            ingestion.write(key, value)?;
        }
        ingestion.finish()
    })
}

/// The positions of each kind, in pieces.
fn chunks(recent: &Recent) -> BTreeMap<Vec<u8>, &[u64]> {
    let of_kind = recent.kinds.iter().flat_map(|((category, event_type), positions)| {
        let kind = kind_of(*category, event_type);
        positions
            .chunks(CHUNK)
            .filter_map(move |chunk| chunk.first().map(|first| (kind_key(&kind, *first), chunk)))
    });
    of_kind.collect()
}

/// Every kind once, without reading what is between.
fn kinds_in(keyspace: &fjall::Keyspace) -> Result<BTreeSet<Kind>, ReadError> {
    let mut kinds = BTreeSet::new();
    let mut from = vec![1];
    while let Some(key) =
        guarded(|| keyspace.range(from.clone()..).next().map(fjall::Guard::key).transpose())?
    {
        let kind: Kind = *key.first_chunk().ok_or(DAMAGED)?;
        kinds.insert(kind);
        from = kind_key(&kind, u64::MAX);
        from.push(0);
    }
    Ok(kinds)
}

fn kind_of(category: Category, event_type: &EventType) -> Kind {
    let mut kind = [0; 31];
    let (first, second) = kind.split_at_mut(15);
    first.copy_from_slice(&padded(category));
    second.copy_from_slice(&hashed(event_type));
    kind
}

fn padded(category: Category) -> [u8; 15] {
    let mut padded = [0; 15];
    padded.iter_mut().zip(category.as_str().bytes()).for_each(|(to, byte)| *to = byte);
    padded
}

fn hashed(event_type: &EventType) -> [u8; 16] {
    let hash: [u8; 32] = Sha256::digest(event_type.as_str()).into();
    let mut first = [0; 16];
    first.iter_mut().zip(hash).for_each(|(to, byte)| *to = byte);
    first
}

fn kind_key(kind: &Kind, position: u64) -> Vec<u8> {
    [kind.as_slice(), &position.to_be_bytes()].concat()
}

/// `None` where a stream is longer than 2 trillion events.
fn page_key(stream: StreamId, page: u64) -> Option<PageKey> {
    let page = u32::try_from(page).ok()?;
    let mut key = [0; 35];
    let parts = stream.to_bytes().into_iter().chain(page.to_be_bytes());
    key.iter_mut().zip(parts).for_each(|(to, byte)| *to = byte);
    Some(key)
}

fn position_of(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

fn encoded(positions: &[u64]) -> Vec<u8> {
    let mut before = 0;
    let steps = positions.iter().map(|position| {
        let step = position.saturating_sub(before);
        before = *position;
        step
    });
    postcard::to_allocvec(&steps.collect::<Vec<u64>>()).unwrap_or_default()
}

fn positions_of(value: &[u8]) -> Option<Vec<u64>> {
    let mut positions: Vec<u64> = postcard::from_bytes(value).ok()?;
    let mut before = 0_u64;
    for position in &mut positions {
        before = before.checked_add(*position)?;
        *position = before;
    }
    Some(positions)
}

/// The key before all others.
const REACHED: [u8; 1] = [0];
const DAMAGED: ReadError = ReadError::Corrupt { position: None };
/// Versions in a page.
pub(super) const PAGE: u64 = 512;
/// Positions of a kind in one entry.
const CHUNK: usize = 4_096;
