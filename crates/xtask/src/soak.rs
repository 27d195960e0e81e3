//! `cargo xtask soak`: the full forms of the long tests, in release builds.
//!
//! These are the tests with `soak` or `damage` in their name and all tests of binaries with `stories` in
//! their name. They find `MAILTRAIL_SOAK=1` in their environment. Without cargo-nextest only those with
//! `soak` run.

use anyhow::Result;
use clap::Args;

use crate::output::line;
use crate::project::Project;
use crate::servers::Servers;
use crate::test::{Runner, Summary};

/// Which tests, for cargo-nextest.
const WHICH: &str = "test(soak) or test(damage) or binary_id(~stories)";

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only tests with this in their name
    name: Option<String>,
}

/// Runs them. False if one failed.
pub(crate) fn run(project: &Project, options: &Options) -> Result<bool> {
    let runner =
        Runner::new(project, Servers::provide(project, false), Some(("MAILTRAIL_SOAK", "1")))?;
    let mut summary = Summary::default();
    let mut nextest = vec!["-E", WHICH];
    nextest.extend(options.name.as_deref());
    let libtest = [options.name.as_deref().unwrap_or("soak")];
    let done = runner.tests(&mut summary.tally, &["--release"], (&nextest, &libtest));
    summary.failure = done.err().map(|error| format!("{error:#}"));
    summary.skipped_tests = runner.skips()?;
    for text in summary.lines() {
        line(&text);
    }
    Ok(summary.failure.is_none())
}
