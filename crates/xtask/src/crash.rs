//! `cargo xtask crash`: power cuts, again and again, with a fresh seed each time.
//!
//! Runs the tests with `power_cut` in their name of all stores in their full form (`MAILTRAIL_SOAK=1`), in release builds. Each
//! names its seed, which `MAILTRAIL_SEED` repeats.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;

use crate::output::{line, seconds};
use crate::process;
use crate::project::{Project, variable};

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// For how long; what was begun is ended
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Only stores with this in the name of their test or package: fjall, sled, sqlite, folder (raw bodies)
    store: Option<String>,
}

/// Where stores are tested.
const TARGETS: [&str; 12] = [
    "-p",
    "mailtrail-folder",
    "-p",
    "mailtrail-fjall",
    "-p",
    "mailtrail-sled",
    "-p",
    "mailtrail",
    "--test",
    "it",
    "--example",
    "custom_store",
];

/// Where Linux has files in memory.
const MEMORY: &str = "/dev/shm";

/// Runs them. False if one failed.
pub(crate) fn run(project: &Project, options: &Options) -> Result<bool> {
    ensure!(
        project.program("cargo-nextest").is_some(),
        "no cargo-nextest: `cargo install --locked cargo-nextest` brings it"
    );
    let which = options.store.as_ref().map_or_else(
        || "test(power_cut)".to_owned(),
        |store| format!("test(power_cut) & (test({store}) | package(~{store}))"),
    );
    let (begun, time) = (Instant::now(), Duration::from_secs(options.minutes * 60));
    let mut tests: BTreeMap<String, Tally> = BTreeMap::new();
    let (mut rounds, mut failed) = (0_u32, 0_u32);
    while rounds == 0 || begun.elapsed() < time {
        rounds += 1;
        let seed = RandomState::new().hash_one(rounds);
        line(&format!("-- round {rounds}: MAILTRAIL_SEED={seed}"));
        if !round(project, &which, seed, &mut tests)? {
            failed += 1;
        }
    }
    ensure!(
        !tests.is_empty(),
        "no test said what it found: there is none of this name, or no strace"
    );
    line(&format!("{rounds} rounds in {}, {failed} failed", seconds(begun.elapsed())));
    for (test, tally) in &tests {
        line(&format!("{test}: {} folders opened, {} broken", tally.opened, tally.broken));
    }
    Ok(failed == 0)
}

/// Runs each test once. False if one failed: then all that it said is shown.
fn round(
    project: &Project,
    which: &str,
    seed: u64,
    tests: &mut BTreeMap<String, Tally>,
) -> Result<bool> {
    let mut command = process::cargo(project, ["nextest", "run", "--release", "--no-fail-fast"]);
    command.args(TARGETS).args(["--success-output", "immediate", "-E", which]);
    command.env("MAILTRAIL_SOAK", "1").env("MAILTRAIL_SEED", seed.to_string());
    // The folders are written and opened in memory, where that is to be had: no real disk has to sync them.
    if variable("TMPDIR").is_none() && Path::new(MEMORY).is_dir() {
        command.env("TMPDIR", MEMORY);
    }
    let finished = process::stream_each(command, |text| {
        if let Some((test, found)) = found(text) {
            line(text.trim());
            let tally = tests.entry(test.to_owned()).or_default();
            tally.opened += found.opened;
            tally.broken += found.broken;
        }
    })?;
    if !finished.ok {
        line(&finished.output);
    }
    Ok(finished.ok)
}

/// How many folders were opened, and how many of them were broken.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    opened: u64,
    broken: u64,
}

/// What a test says it found: `power cuts: TEST: 340 folders opened, 0 broken in 3.1 s; MAILTRAIL_SEED=7`.
fn found(text: &str) -> Option<(&str, Tally)> {
    let (test, counts) = text.trim().strip_prefix("power cuts: ")?.split_once(": ")?;
    let (opened, rest) = counts.split_once(" folders opened, ")?;
    let (broken, _) = rest.split_once(" broken")?;
    Some((test, Tally { opened: opened.parse().ok()?, broken: broken.parse().ok()? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_found_is_read() {
        let said =
            "    power cuts: it::sled: 340 folders opened, 2 broken in 3.1 s; MAILTRAIL_SEED=7";
        assert_eq!(found(said), Some(("it::sled", Tally { opened: 340, broken: 2 })));
        assert_eq!(found("340 folders opened, 2 broken"), None);
    }
}
