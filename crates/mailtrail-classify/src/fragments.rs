//! Many fragments, found in one pass over a text.

use daachorse::errors::DaachorseError;
use daachorse::{DoubleArrayAhoCorasick, DoubleArrayAhoCorasickBuilder};

/// Fragments of texts, compiled into a double array: a fifteenth of the size of a table of states, so that
/// it stays in a processor's cache between two mails.
///
/// ```
/// use mailtrail_classify::Fragments;
/// let fragments = Fragments::new(["mailbox is full", "full", "переполнен"])?;
/// let found: Vec<_> = fragments.find("sorry, mailbox is full").map(|hit| hit.fragment).collect();
/// assert_eq!(found, [0, 1]);
/// # Ok::<(), mailtrail_classify::FragmentsError>(())
/// ```
#[derive(Clone)]
pub struct Fragments {
    matcher: DoubleArrayAhoCorasick<u32>,
}

/// A fragment in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hit {
    /// Which, in the order in which they were given.
    pub fragment: usize,
    /// Where in the text it starts.
    pub start: usize,
}

/// Why fragments can't be compiled: they are too many, more than some million characters.
#[derive(Debug, thiserror::Error)]
#[error("the fragments are too many for one matcher: {limit}")]
pub struct FragmentsError {
    limit: DaachorseError,
}

impl std::fmt::Debug for Fragments {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let states = self.matcher.num_states();
        formatter.debug_struct("Fragments").field("states", &states).finish_non_exhaustive()
    }
}

impl Fragments {
    /// Compiles fragments. One that is empty is never found.
    ///
    /// # Errors
    /// [`FragmentsError`] if they are too many.
    pub fn new<'f>(fragments: impl IntoIterator<Item = &'f str>) -> Result<Self, FragmentsError> {
        let texts: Vec<&str> = fragments.into_iter().collect();
        let numbered = (0..).zip(texts.iter().copied()).filter(|(_, text)| !text.is_empty());
        // Most texts leave a fragment after its first letters: what stands for those lies together.
        let fronts =
            texts.iter().map(|text| text.as_bytes().get(..FRONT).unwrap_or(text.as_bytes()));
        let matcher = DoubleArrayAhoCorasickBuilder::new()
            .corpus(fronts)
            .build_with_values(numbered.map(|(number, text)| (text, number)));
        Ok(Self { matcher: matcher.map_err(|limit| FragmentsError { limit })? })
    }

    /// All fragments in a text, those that overlap as well.
    pub fn find<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Hit> + 't {
        self.matcher.find_overlapping_iter(text).filter_map(|found| {
            Some(Hit { fragment: usize::try_from(found.value()).ok()?, start: found.start() })
        })
    }
}

/// Letters of a fragment that are looked at most.
const FRONT: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_finds_what_is_there(
            fragments in prop::collection::vec("[abé]{0,3}", 0..8), text in "[abé]{0,12}",
        ) {
            let compiled = Fragments::new(fragments.iter().map(String::as_str)).unwrap();
            let mut found: Vec<_> = compiled.find(&text).map(|hit| (hit.fragment, hit.start)).collect();
            found.sort_unstable();
            let starts = |fragment: &str| -> Vec<usize> {
                let ends = if fragment.is_empty() { 0 } else { text.len() };
                (0..ends).filter(|at| text.get(*at..).is_some_and(|rest| rest.starts_with(fragment))).collect()
            };
            let each = fragments.iter().enumerate();
            let expected: Vec<_> = each.flat_map(|(number, fragment)| {
                starts(fragment).into_iter().map(move |start| (number, start))
            }).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
