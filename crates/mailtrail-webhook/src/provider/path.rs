//! Where something stands in an element.

use std::borrow::Cow;

/// Where something stands in an element: names of members, separated by slashes, with the numbers of items of arrays, as
/// in `delivery-status/code` or `msg/smtp_events/0/diag`.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(from = "String")]
pub(super) struct Path {
    text: Cow<'static, str>,
    /// Which of the wanted members its first name is: found once, not in every element.
    index: Option<usize>,
    /// The text behind the first slash.
    rest: Option<usize>,
}

impl Path {
    /// One name, which is wanted at this place.
    pub(super) const fn member(name: &'static str, index: usize) -> Self {
        Self { text: Cow::Borrowed(name), index: Some(index), rest: None }
    }

    /// As it is written.
    #[cfg(feature = "mock")]
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Its first name is wanted at this place.
    pub(super) fn found(&mut self, index: Option<usize>) {
        self.index = index;
    }
}

impl From<String> for Path {
    fn from(text: String) -> Self {
        let rest = text.find('/').map(|slash| slash.saturating_add(1));
        Self { text: text.into(), index: None, rest }
    }
}

/// What tells where something stands: a text, or a path that may know its place among what is wanted.
pub(super) trait Locate {
    /// The first name, its place if it is known, and what stands behind its slash.
    fn parts(&self) -> (&str, Option<usize>, Option<&str>);
}

impl Locate for str {
    fn parts(&self) -> (&str, Option<usize>, Option<&str>) {
        self.split_once('/').map_or((self, None, None), |(name, rest)| (name, None, Some(rest)))
    }
}

impl Locate for &str {
    fn parts(&self) -> (&str, Option<usize>, Option<&str>) {
        (**self).parts()
    }
}

impl Locate for Path {
    fn parts(&self) -> (&str, Option<usize>, Option<&str>) {
        let Some(at) = self.rest else { return (&self.text, self.index, None) };
        let name = self.text.get(..at.saturating_sub(1)).unwrap_or_default();
        (name, self.index, self.text.get(at..))
    }
}

/// Names the members that a dialect reads, and how they are written: a [`Path`] of each name, and all of them together.
macro_rules! members {
    ($all:ident: $($name:ident = $text:literal),+ $(,)?) => {
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "the names of the paths")]
        enum Place { $($name),+ }
        $(static $name: $crate::provider::path::Path =
            $crate::provider::path::Path::member($text, Place::$name as usize);)+
        static $all: std::sync::LazyLock<$crate::provider::wanted::Wanted> =
            std::sync::LazyLock::new(|| $crate::provider::wanted::Wanted::of([$($text),+]));
    };
}
pub(super) use members;
