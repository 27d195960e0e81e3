//! What could not be run here, by name.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// One thing that was not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    pub(crate) name: String,
    pub(crate) why: String,
    /// It may be missing even where everything has to be there.
    pub(crate) optional: bool,
}

impl Skip {
    pub(crate) fn needed(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { name: name.into(), why: why.into(), optional: false }
    }

    pub(crate) fn optional(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { optional: true, ..Self::needed(name, why) }
    }

    /// Reads a line as tests write it: `skipped: NAME: WHY` or `skipped (optional): NAME: WHY`.
    fn parse(line: &str) -> Option<Self> {
        let (optional, rest) = match line.trim().strip_prefix("skipped (optional): ") {
            Some(rest) => (true, rest),
            None => (false, line.trim().strip_prefix("skipped: ")?),
        };
        let (name, why) = rest.split_once(": ").unwrap_or((rest, "no reason given"));
        Some(Self { name: name.to_owned(), why: why.to_owned(), optional })
    }

    /// The line for people.
    pub(crate) fn line(&self) -> String {
        let optional = if self.optional { " (optional)" } else { "" };
        format!("skipped{optional}: {}: {}", self.name, self.why)
    }
}

/// What tests wrote into their file, each name once.
pub(crate) fn read(file: &Path) -> Result<Vec<Skip>> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text.with_context(|| format!("cannot read {}", file.display()))?,
    };
    let mut skips: Vec<Skip> = Vec::new();
    for skip in text.lines().filter_map(Skip::parse) {
        match skips.iter_mut().find(|known| known.name == skip.name) {
            Some(known) => known.optional &= skip.optional,
            None => skips.push(skip),
        }
    }
    skips.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(skips)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_counts_once_and_is_needed_if_it_ever_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("skips");
        assert_eq!(read(&file).unwrap(), []);
        fs::write(
            &file,
            "skipped: relays: no postfix\nskipped (optional): corpora: not there: ../x\n\nnoise\n\
             skipped (optional): relays: again\n",
        )
        .unwrap();
        let skips = read(&file).unwrap();
        assert_eq!(
            skips,
            [Skip::optional("corpora", "not there: ../x"), Skip::needed("relays", "no postfix")]
        );
        for skip in skips {
            assert_eq!(Skip::parse(&skip.line()), Some(skip));
        }
    }
}
