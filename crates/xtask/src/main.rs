//! The chores of the Mailtrail project: `cargo xtask CHORE`.
//!
//! `test` runs everything that a change has to pass. It never changes the system by itself: a server
//! that is missing is used from an unpacked package under `target/servers/`, or installed when
//! `--install` is given.
//!
//! # What tests are told
//! Tests learn from environment variables what they may use:
//!
//! | variable | meaning |
//! |---|---|
//! | `MAILTRAIL_POSTFIX` | a `postfix` command to call as `-c DIR start` and so on, as root; `postconf`, `postqueue` and the others lie beside it. Create the instance's queue folder, leave its data folder to Postfix. May be set by hand |
//! | `MAILTRAIL_EXIM`, `MAILTRAIL_OPENSMTPD` | a folder that holds all that the server needs, to be copied and started in with `chroot`, as root |
//! | `MAILTRAIL_STRACE` | an `strace` command that may trace. May be set by hand |
//! | `MAILTRAIL_CHROMEDRIVER` | a `chromedriver` command, with its browser. May be set by hand |
//! | `MAILTRAIL_QUICK` | `1`: start no server, even if one is there |
//! | `MAILTRAIL_SOAK` | `1`: run the full form of a long test |
//! | `MAILTRAIL_SEED` | the seed of random places and power cuts, to see a failure again. May be set by hand; `crash` draws one |
//! | `MAILTRAIL_SKIPS` | a file for the names of tests that had to skip |
//!
//! A test that lacks what it needs prints one line and appends the same line to the file that
//! `MAILTRAIL_SKIPS` names, with one write to a file opened for appending, and returns:
//!
//! ```text
//! skipped: relays_through_postfix: no postfix here
//! skipped (optional): reads_the_corpora: ../shared/corpora is not there
//! ```
//!
//! The name is the test's. With `CI=true` a skip that isn't optional fails the run, except with
//! `--quick`. Such a test counts as skipped, not as passed.
//!
//! # What benches print
//! Each `[[bench]]` of `mailtrail-benches` takes `--json` and names of figures, and then prints one
//! JSON object a line: `name value unit against ratio at_least at_most`, null where it doesn't apply.
//! So does `peers` of `mailtrail-bench-peers`, a workspace of its own in `benches/peers`, for the stores of
//! others: `cargo xtask bench peers` builds and runs it, and no other chore does.

mod accuracy;
mod bench;
mod book;
mod crash;
mod deps;
mod fuzz;
mod metadata;
mod output;
mod process;
mod project;
mod servers;
mod soak;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::project::Project;

/// The chores of the Mailtrail project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Run everything that a change has to pass.
    Test(test::Options),
    /// Prove that dependencies point one way and that the core stays free of I/O.
    Deps,
    /// Run the benches, print their figures, and fail if a bound is missed.
    Bench(bench::Options),
    /// Run the full forms of the tests that have a small form in `test`: those with `soak` in their
    /// name, and the stories.
    Soak(soak::Options),
    /// Cut the power of every store for a while: the full forms of the tests with `power_cut` in their name.
    Crash(crash::Options),
    /// Run the fuzz targets for a while.
    Fuzz(fuzz::Options),
    /// Read the corpora, score the answers, and fail if a figure has fallen.
    Accuracy(accuracy::Options),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = Project::here().and_then(|project| match &cli.chore {
        Chore::Test(options) => test::run(&project, options),
        Chore::Deps => deps::run(&project),
        Chore::Bench(options) => bench::run(&project, options),
        Chore::Soak(options) => soak::run(&project, options),
        Chore::Crash(options) => crash::run(&project, options),
        Chore::Fuzz(options) => fuzz::run(&project, options),
        Chore::Accuracy(options) => accuracy::run(&project, options),
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            output::complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
