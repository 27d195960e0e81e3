//! Many fragments, found in one pass over a text.

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError};

/// Fragments of texts, compiled.
///
/// Most replies are plain ASCII, and so are most fragments: these have an automaton of their own, which
/// is small enough to stay in a processor's cache. The others are looked for in texts that can hold them.
///
/// ```
/// use mailtrail_classify::Fragments;
/// let fragments = Fragments::new(["mailbox is full", "full", "переполнен"])?;
/// let found: Vec<_> = fragments.find("sorry, mailbox is full").map(|hit| hit.fragment).collect();
/// assert_eq!(found, [0, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Fragments {
    plain: Part,
    other: Part,
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

#[derive(Debug, Clone)]
struct Part {
    matcher: AhoCorasick,
    fragments: Vec<usize>,
}

impl Fragments {
    /// Compiles fragments.
    ///
    /// # Errors
    /// If they are too many for one automaton: several million characters.
    pub fn new<'f>(fragments: impl IntoIterator<Item = &'f str>) -> Result<Self, BuildError> {
        let numbered = fragments.into_iter().enumerate();
        let (plain, other): (Vec<_>, Vec<_>) = numbered.partition(|(_, text)| text.is_ascii());
        Ok(Self {
            plain: Part::of(&plain, AhoCorasickKind::DFA)?,
            other: Part::of(&other, AhoCorasickKind::ContiguousNFA)?,
        })
    }

    /// All fragments in a text, those that overlap as well.
    pub fn find<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Hit> + 't {
        let other = (!text.is_ascii()).then(|| self.other.find(text));
        self.plain.find(text).chain(other.into_iter().flatten())
    }
}

impl Part {
    fn of(fragments: &[(usize, &str)], kind: AhoCorasickKind) -> Result<Self, BuildError> {
        let texts = fragments.iter().map(|(_, text)| text);
        Ok(Self {
            matcher: AhoCorasick::builder().kind(Some(kind)).build(texts)?,
            fragments: fragments.iter().map(|(number, _)| *number).collect(),
        })
    }

    fn find<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Hit> + 't {
        self.matcher.find_overlapping_iter(text).filter_map(|found| {
            let fragment = self.fragments.get(found.pattern().as_usize()).copied()?;
            Some(Hit { fragment, start: found.start() })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_finds_what_is_there(
            fragments in prop::collection::vec("[abé]{1,3}", 1..8), text in "[abé]{0,12}",
        ) {
            let compiled = Fragments::new(fragments.iter().map(String::as_str)).unwrap();
            let mut found: Vec<_> = compiled.find(&text).map(|hit| (hit.fragment, hit.start)).collect();
            found.sort_unstable();
            let starts = |fragment: &str| -> Vec<usize> {
                (0..text.len()).filter(|at| text.get(*at..).is_some_and(|rest| rest.starts_with(fragment))).collect()
            };
            let each = fragments.iter().enumerate();
            let expected: Vec<_> = each.flat_map(|(number, fragment)| {
                starts(fragment).into_iter().map(move |start| (number, start))
            }).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
