//! Changes of bytes, all decided before the first is made.

use std::ops::Range;

/// What stands in a place instead. An empty place is an insertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) at: Range<usize>,
    pub(super) new: Vec<u8>,
}

impl Edit {
    pub(super) fn replace(at: Range<usize>, new: impl Into<Vec<u8>>) -> Self {
        Self { at, new: new.into() }
    }

    pub(super) fn insert(at: usize, new: impl Into<Vec<u8>>) -> Self {
        Self::replace(at..at, new)
    }
}

/// The bytes with the changes in them; those at the same place keep their order.
pub(super) fn apply(bytes: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    // What is inserted where something is replaced goes before it.
    edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
    let mut changed = Vec::with_capacity(bytes.len());
    let mut done = 0;
    for Edit { at, new } in edits {
        // Places come from one reading of the bytes, so they neither overlap nor end outside.
        let Some(before) = bytes.get(done..at.start) else { continue };
        changed.extend_from_slice(before);
        changed.extend_from_slice(&new);
        done = at.end;
    }
    changed.extend_from_slice(bytes.get(done..).unwrap_or_default());
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_stays_as_it_is() {
        let edits = vec![Edit::insert(5, "!"), Edit::replace(1..3, "EL"), Edit::insert(5, "?")];
        assert_eq!(apply(b"hello", edits), b"hELlo!?");
        assert_eq!(apply(b"hello", Vec::new()), b"hello");
        let edits = vec![Edit::replace(0..5, "world"), Edit::insert(0, ">")];
        assert_eq!(apply(b"hello", edits), b">world");
    }
}
