//! The steps of `cargo xtask test`, in their order.

use clap::ValueEnum;

/// One step; the name that `--only` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// Find Postfix and strace, or bring them
    Servers,
    /// Formatting
    Fmt,
    /// Lints, warnings denied
    Clippy,
    /// Directions of dependencies
    Deps,
    /// Bans, licenses and sources of dependencies
    Deny,
    /// Unit, property, integration and end-to-end tests
    Tests,
    /// Examples in doc comments, the README and the book
    Doctests,
    /// Programs in `examples/`
    Examples,
    /// Benches compile and link
    Benches,
    /// API documentation, warnings denied
    Docs,
    /// Chapters and links of the book and the README
    Book,
    /// Each fuzz target for 20 seconds
    Fuzz,
}

impl Step {
    /// All of them, in order.
    pub(crate) fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}
