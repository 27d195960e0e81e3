//! What the test runners' output says: how many tests, which, and how long each took.

use std::collections::BTreeMap;
use std::time::Duration;

/// Tests counted so far, over all runners.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// Names of tests that the runner did not run.
    pub(crate) ignored: Vec<String>,
    /// Names of tests that failed.
    pub(crate) failures: Vec<String>,
    /// How long each test took, if its runner says it.
    pub(crate) times: BTreeMap<String, Duration>,
    /// Test runs whose closing line was read.
    pub(crate) runs: u64,
}

impl Tally {
    /// Counts what a run of cargo-nextest printed.
    pub(crate) fn read_nextest(&mut self, output: &str) {
        for line in output.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix("Summary [") {
                self.read_nextest_summary(rest);
            } else if let Some((label, time, name)) = nextest_test(line) {
                match (label, time) {
                    ("SKIP", _) => note(&mut self.ignored, &name),
                    ("PASS" | "LEAK" | "FLAKY", _) => {}
                    _ => note(&mut self.failures, &name),
                }
                self.times.extend(time.map(|time| (name, time)));
            }
        }
    }

    /// `   0.004s] 10 tests run: 8 passed (1 slow), 1 failed, 1 timed out, 3 skipped`
    fn read_nextest_summary(&mut self, rest: &str) {
        let Some((_, counts)) = rest.split_once("run: ") else { return };
        self.runs += 1;
        for part in without_parentheses(counts).split(',') {
            let mut words = part.split_whitespace();
            let count = words.next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
            match words.next() {
                Some("passed") => self.passed += count,
                Some("skipped") | None => {}
                Some(_) => self.failed += count,
            }
        }
    }

    /// Counts what `cargo test` printed.
    pub(crate) fn read_libtest(&mut self, output: &str) {
        for line in output.lines() {
            if let Some(rest) = line.strip_prefix("test result: ") {
                self.runs += 1;
                self.passed += count_before(rest, " passed");
                self.failed += count_before(rest, " failed");
            } else if let Some((name, how)) =
                line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... "))
            {
                match how.split(',').next() {
                    Some("ignored") => note(&mut self.ignored, name),
                    Some("FAILED") => note(&mut self.failures, name),
                    _ => {}
                }
            }
        }
    }

    /// The slowest tests, the slowest first.
    pub(crate) fn slowest(&self, count: usize) -> Vec<(&str, Duration)> {
        let mut times: Vec<_> =
            self.times.iter().map(|(name, time)| (name.as_str(), *time)).collect();
        times.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        times.truncate(count);
        times
    }
}

fn note(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}

/// `PASS [   0.012s] ( 1/10) binary test::name`: the label, the time, the binary and the name.
fn nextest_test(line: &str) -> Option<(&str, Option<Duration>, String)> {
    let (label, rest) = line.split_once(" [")?;
    let label = label.split(' ').next()?;
    let is_end = matches!(
        label,
        "PASS" | "FAIL" | "LEAK" | "LEAK-FAIL" | "TIMEOUT" | "ABORT" | "FLAKY" | "SKIP"
    ) || label.starts_with("SIG");
    if !is_end {
        return None;
    }
    let (time, rest) = rest.split_once(']')?;
    let time = time.trim().strip_suffix('s').and_then(|time| time.parse().ok());
    let time = time.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let rest = rest.trim();
    let name = match rest.strip_prefix('(') {
        Some(counted) => counted.split_once(')')?.1.trim(),
        None => rest,
    };
    (name.split_whitespace().count() == 2).then(|| (label, time, name.to_owned()))
}

fn without_parentheses(text: &str) -> String {
    let mut depth = 0_u32;
    text.chars()
        .filter(|&c| {
            match c {
                '(' => depth += 1,
                ')' => {
                    depth = depth.saturating_sub(1);
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect()
}

/// The number that stands before a word, as in `12 passed`; zero if there is none.
fn count_before(text: &str, word: &str) -> u64 {
    text.split_once(word)
        .and_then(|(before, _)| before.rsplit([' ', ';']).next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXTEST: &str = "\
    Starting 4 tests across 2 binaries (1 test skipped)
        SKIP [         ] (─────) mailtrail-core::it later
        PASS [   0.012s] (1/4) mailtrail-core address::tests::folds
        SLOW [> 60.000s] (───) mailtrail-sled::it group
        FAIL [   1.500s] (2/4) mailtrail-core::it law::join
  stdout ───
    test law::join ... FAILED
    PASS [ is not a result ] of any test here
        PASS [  61.000s] (3/4) mailtrail-sled::it group
     TIMEOUT [   2.000s] (4/4) mailtrail-sled::it hangs
────────────
     Summary [  61.100s] 4 tests run: 2 passed (1 slow, 1 leaky), 1 failed, 1 timed out, 1 skipped
        FAIL [   1.500s] (2/4) mailtrail-core::it law::join
error: test run failed
";

    #[test]
    fn nextest_is_counted_by_its_summary_and_timed_by_its_lines() {
        let mut tally = Tally::default();
        tally.read_nextest(NEXTEST);
        assert_eq!((tally.passed, tally.failed, tally.runs), (2, 2, 1));
        assert_eq!(tally.ignored, ["mailtrail-core::it later"]);
        assert_eq!(tally.failures, ["mailtrail-core::it law::join", "mailtrail-sled::it hangs"]);
        assert_eq!(tally.times.len(), 4);
        assert_eq!(
            tally.slowest(2),
            [
                ("mailtrail-sled::it group", Duration::from_secs(61)),
                ("mailtrail-sled::it hangs", Duration::from_secs(2)),
            ]
        );
    }

    #[test]
    fn a_cancelled_nextest_run_is_counted() {
        let mut tally = Tally::default();
        tally
            .read_nextest("     Summary [   0.1s] 8/10 tests run: 7 passed, 1 failed, 0 skipped\n");
        assert_eq!((tally.passed, tally.failed), (7, 1));
    }

    #[test]
    fn every_result_of_libtest_is_added_up() {
        let mut tally = Tally::default();
        tally.read_libtest(
            "test a ... ok\ntest c ... FAILED\ntest src/lib.rs - x (line 3) ... ignored\ntest b ... ignored, needs a disk\n\
             test result: ok. 12 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.1s\n\n\
             test result: FAILED. 3 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s\n",
        );
        assert_eq!((tally.passed, tally.failed, tally.runs), (15, 4, 2));
        assert_eq!(tally.failures, ["c"]);
        assert_eq!(tally.ignored, ["src/lib.rs - x (line 3)", "b"]);
    }

    #[test]
    fn other_output_counts_nothing() {
        let mut tally = Tally::default();
        tally.read_nextest("error: could not compile `x`\n");
        tally.read_libtest("warning: unused\n");
        assert_eq!(tally, Tally::default());
    }
}
