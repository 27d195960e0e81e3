//! What brought a fact.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What brought a fact: `planner`, `smtp`, `dsn`, `webhook:postmark`, `pixel`, `cli` … Clones share the
/// text.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Source(Name);

#[derive(Clone)]
enum Name {
    Known(&'static str),
    Shared(Arc<str>),
}

impl Source {
    /// A source of this crate's family.
    pub const fn known(name: &'static str) -> Self {
        Self(Name::Known(name))
    }

    /// Of a stored name: those of our own are not copied.
    pub(crate) fn from_utf8(name: &[u8]) -> Option<Self> {
        match OWN.iter().find(|own| own.as_bytes() == name) {
            Some(own) => Some(Self::known(own)),
            None => std::str::from_utf8(name).ok().map(Self::from),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Known(name) => name,
            Name::Shared(name) => name,
        }
    }
}

impl From<&str> for Source {
    fn from(name: &str) -> Self {
        Self(Name::Shared(name.into()))
    }
}

impl From<String> for Source {
    fn from(name: String) -> Self {
        Self::from(name.as_str())
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        source.as_str().to_owned()
    }
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Source {}

impl fmt::Debug for Source {
    /// The same wherever the text is kept.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.as_str()).finish()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Sources of this crate's family that bring most events.
const OWN: [&str; 7] = ["smtp", "planner", "dsn", "pixel", "link", "judge", "client"];
