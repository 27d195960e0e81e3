//! Runs test binaries: by cargo-nextest where it is at hand, else by `cargo test`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

use super::skip::{self, Skip};
use super::tally::Tally;
use crate::output;
use crate::process::{self, Finished};
use crate::project::Project;
use crate::servers::Servers;

/// What the tests of one run are told, and the file that they answer in.
#[derive(Debug)]
pub(crate) struct Runner<'a> {
    project: &'a Project,
    servers: Servers,
    told: Option<(&'static str, &'static str)>,
    skips: PathBuf,
}

impl<'a> Runner<'a> {
    /// Starts a run with no skips. `told` is one more variable for the tests.
    pub(crate) fn new(
        project: &'a Project,
        servers: Servers,
        told: Option<(&'static str, &'static str)>,
    ) -> Result<Self> {
        let folder = project.target("xtask");
        fs::create_dir_all(&folder)?;
        let skips = folder.join("skips.txt");
        fs::write(&skips, "")?;
        Ok(Self { project, servers, told, skips })
    }

    /// Changes which servers later tests are told of.
    pub(crate) fn set_servers(&mut self, servers: Servers) {
        self.servers = servers;
    }

    /// What tests have reported so far.
    pub(crate) fn skips(&self) -> Result<Vec<Skip>> {
        skip::read(&self.skips)
    }

    /// Runs the tests of the whole workspace. `only` narrows them: arguments for cargo-nextest, and
    /// arguments for `cargo test`.
    pub(crate) fn tests(
        &self,
        tally: &mut Tally,
        cargo_args: &[&str],
        only: (&[&str], &[&str]),
    ) -> Result<()> {
        let runs = tally.runs;
        let finished = if self.project.program("cargo-nextest").is_some() {
            // The names of all skipped tests, where these are the ignored ones only.
            let level = if only.0.is_empty() { "skip" } else { "pass" };
            let mut command = process::cargo(self.project, ["nextest", "run", "--no-fail-fast"]);
            command.args(["--status-level", level, "--workspace", "--all-features"]);
            command.args(cargo_args).args(only.0);
            let finished = self.stream(command)?;
            tally.read_nextest(&finished.output);
            finished
        } else {
            output::line("cargo-nextest is not at hand: `cargo test` runs the tests instead");
            let mut command = process::cargo(self.project, ["test", "--no-fail-fast"]);
            command.args(["--workspace", "--all-features", "--lib", "--bins", "--tests"]);
            command.args(cargo_args).args(only.1);
            let finished = self.stream(command)?;
            tally.read_libtest(&finished.output);
            finished
        };
        finished.success()?;
        ensure!(tally.runs > runs, "the test runner said nothing that could be counted");
        Ok(())
    }

    /// Runs the examples in doc comments.
    pub(crate) fn doctests(&self, tally: &mut Tally) -> Result<()> {
        let command = process::cargo(
            self.project,
            ["test", "--doc", "--workspace", "--all-features", "--no-fail-fast"],
        );
        let finished = self.stream(command)?;
        tally.read_libtest(&finished.output);
        finished.success()?;
        Ok(())
    }

    /// Runs a command as a test: with the servers and the file for skips.
    pub(crate) fn stream(&self, mut command: Command) -> Result<Finished> {
        self.servers.tell(&mut command);
        command.env_remove("MAILTRAIL_QUICK").env_remove("MAILTRAIL_SOAK");
        command.env("MAILTRAIL_SKIPS", &self.skips);
        if let Some((name, value)) = self.told {
            command.env(name, value);
        }
        process::stream(command)
    }
}
