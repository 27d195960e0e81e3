//! The last lines of a run.

use std::time::Duration;

use super::skip::Skip;
use super::tally::Tally;
use crate::output::seconds;

/// What is said at the end of a run.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) tally: Tally,
    /// What tests themselves reported.
    pub(crate) skipped_tests: Vec<Skip>,
    /// What this program left out.
    pub(crate) skipped_steps: Vec<Skip>,
    /// The steps that failed, with how.
    pub(crate) failure: Option<String>,
    /// A test that takes longer is warned about.
    pub(crate) long: Option<Duration>,
}

impl Summary {
    /// Whether something was skipped that has to be there.
    pub(crate) fn lacks_something(&self) -> bool {
        !self.tally.ignored.is_empty()
            || self.skipped_tests.iter().chain(&self.skipped_steps).any(|skip| !skip.optional)
    }

    /// All lines; the last one is the plain count.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let slowest = self.tally.slowest(10);
        if slowest.is_empty() && self.tally.runs > 0 {
            lines.push(
                "slowest tests: unknown, as `cargo test` does not say; cargo-nextest does"
                    .to_owned(),
            );
        }
        if !slowest.is_empty() {
            lines.push("slowest tests:".to_owned());
            lines.extend(
                slowest.iter().map(|(name, time)| format!("{:>12}  {name}", seconds(*time))),
            );
        }
        for (name, time) in &self.tally.times {
            if self.long.is_some_and(|long| *time > long) {
                lines.push(format!(
                    "warning: {name} took {}: give it a small form here, and its full form to `soak`",
                    seconds(*time)
                ));
            }
        }
        let ignored = self.tally.ignored.iter().map(|name| Skip::needed(name, "marked as ignored"));
        let skips: Vec<Skip> =
            self.skipped_tests.iter().chain(&self.skipped_steps).cloned().chain(ignored).collect();
        lines.extend(skips.iter().map(Skip::line));
        lines.push(format!("skipped in all: {}", skips.len()));
        lines.extend(self.tally.failures.iter().map(|name| format!("failed test: {name}")));
        if let Some(failure) = &self.failure {
            lines.push(format!("failed: {failure}"));
        }
        lines.push(self.count(skips.len()));
        lines
    }

    /// `N passed, N failed, N skipped`. A test that reported a skip returned at once, so its runner
    /// counted it as passed. A failed step without a failed test counts as one.
    fn count(&self, skipped: usize) -> String {
        let early = u64::try_from(self.skipped_tests.len()).unwrap_or(u64::MAX);
        let passed = self.tally.passed.saturating_sub(early);
        let failed = self.tally.failed.max(u64::from(self.failure.is_some()));
        format!("{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_skips_is_not_counted_as_passed() {
        let mut summary =
            Summary { skipped_tests: vec![Skip::optional("a", "b")], ..Summary::default() };
        summary.tally.passed = 10;
        assert!(!summary.lacks_something());
        assert_eq!(summary.lines().last().unwrap(), "9 passed, 0 failed, 1 skipped");
        summary.skipped_steps.push(Skip::needed("postfix", "missing"));
        assert!(summary.lacks_something());
        assert_eq!(summary.lines().last().unwrap(), "9 passed, 0 failed, 2 skipped");
        assert!(summary.lines().contains(&"skipped: postfix: missing".to_owned()));
    }

    #[test]
    fn an_ignored_test_is_a_skip() {
        let mut summary = Summary::default();
        summary.tally.ignored.push("core later".to_owned());
        assert!(summary.lacks_something());
        assert_eq!(summary.lines().last().unwrap(), "0 passed, 0 failed, 1 skipped");
    }

    #[test]
    fn a_failed_step_is_named_before_the_count() {
        let summary =
            Summary { failure: Some("clippy: exit 101".to_owned()), ..Summary::default() };
        let lines = summary.lines();
        assert_eq!(
            lines[lines.len() - 2..],
            ["failed: clippy: exit 101", "0 passed, 1 failed, 0 skipped"]
        );
    }

    #[test]
    fn long_tests_are_warned_about_and_at_most_ten_are_listed() {
        let mut summary = Summary { long: Some(Duration::from_secs(20)), ..Summary::default() };
        for n in 0..12 {
            summary.tally.times.insert(format!("core test{n}"), Duration::from_secs(10 + n));
        }
        let lines = summary.lines();
        assert_eq!(lines.iter().filter(|line| line.starts_with("   ")).count(), 10);
        assert_eq!(lines.iter().filter(|line| line.starts_with("warning: ")).count(), 1);
        assert_eq!(lines[1].trim(), "21.0 s  core test11");
    }
}
