//! `cargo xtask test`: everything that a change has to pass, in order, up to the first failure.

mod runner;
mod skip;
mod step;
mod summary;
mod tally;
mod tools;

use std::ffi::OsString;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::Args;

use self::skip::Skip;
use self::step::Step;
use self::tools::{CARGO_DENY, MDBOOK, Tool};
use crate::metadata::Metadata;
use crate::output::{line, seconds};
use crate::project::{Project, variable};
use crate::servers::Servers;
use crate::{book, deps, fuzz, process};

pub(crate) use self::runner::Runner;
pub(crate) use self::summary::Summary;

/// A test that takes longer belongs into `soak`, with a small form here.
const LONG: Duration = Duration::from_secs(20);
/// How long each fuzz target runs here.
const FUZZ: Duration = Duration::from_secs(20);

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Start no server, run no fuzz target
    #[arg(long, conflicts_with = "install")]
    quick: bool,
    /// Install what is missing: servers by apt for the whole system, cargo tools below target/tools
    #[arg(long)]
    install: bool,
    /// Run this step only; may be given several times
    #[arg(long, value_name = "STEP")]
    only: Vec<Step>,
}

/// Runs the steps. False if one failed, or if CI lacks something.
pub(crate) fn run(project: &Project, options: &Options) -> Result<bool> {
    let told = options.quick.then_some(("MAILTRAIL_QUICK", "1"));
    let servers = if options.quick { Servers::default() } else { Servers::locate(project) };
    let runner = Runner::new(project, servers, told)?;
    let summary = Summary { long: Some(LONG), ..Summary::default() };
    let mut run = Run { project, options, runner, summary };
    let started = Instant::now();
    for &step in Step::all() {
        if !options.only.is_empty() && !options.only.contains(&step) {
            continue;
        }
        let name = step.name();
        line(&format!("\n==> {name}"));
        let begun = Instant::now();
        let done = run.step(step);
        let time = seconds(begun.elapsed());
        match done {
            Ok(()) => line(&format!("<== {name}: done in {time}")),
            Err(error) => {
                line(&format!("<== {name}: FAILED after {time}"));
                run.summary.failure = Some(format!("{name}: {error:#}"));
                break;
            }
        }
    }
    line(&format!("\n==> summary after {}", seconds(started.elapsed())));
    let mut summary = run.summary;
    summary.skipped_tests = run.runner.skips()?;
    let ci = variable("CI").is_some_and(|ci| ci == "true");
    if ci && !options.quick && summary.failure.is_none() && summary.lacks_something() {
        summary.failure =
            Some("skips: with CI=true only what is optional may be skipped".to_owned());
    }
    for text in summary.lines() {
        line(&text);
    }
    Ok(summary.failure.is_none())
}

struct Run<'a> {
    project: &'a Project,
    options: &'a Options,
    runner: Runner<'a>,
    summary: Summary,
}

impl Run<'_> {
    fn step(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Servers => {
                self.servers();
                Ok(())
            }
            Step::Fmt => self.cargo(&["fmt", "--all", "--check"], None),
            Step::Clippy => self.cargo(
                &[
                    "clippy",
                    "--workspace",
                    "--all-targets",
                    "--all-features",
                    "--",
                    "-D",
                    "warnings",
                ],
                None,
            ),
            Step::Deps => self.deps(),
            Step::Deny => self.deny(),
            Step::Tests => self.runner.tests(&mut self.summary.tally, &[], (&[], &[])),
            Step::Doctests => self.runner.doctests(&mut self.summary.tally),
            Step::Examples => self.examples(),
            Step::Benches => self
                .cargo(&["test", "--workspace", "--all-features", "--benches", "--no-run"], None),
            Step::Docs => self.cargo(
                &["doc", "--workspace", "--no-deps", "--all-features"],
                Some(("RUSTDOCFLAGS", "-D warnings")),
            ),
            Step::Book => self.book(),
            Step::Fuzz => self.fuzz(),
        }
    }

    fn cargo(&self, args: &[&str], set: Option<(&str, &str)>) -> Result<()> {
        let mut command = process::cargo(self.project, args);
        command.envs(set);
        process::stream(command)?.success()?;
        Ok(())
    }

    fn servers(&mut self) {
        if self.options.quick {
            line("--quick: no servers");
            return;
        }
        let servers = Servers::provide(self.project, self.options.install);
        for (name, why) in servers.missing() {
            self.summary.skipped_steps.push(Skip::needed(name, why));
        }
        self.runner.set_servers(servers);
    }

    fn deps(&self) -> Result<()> {
        ensure!(deps::run(self.project)?, "dependencies are not as designed");
        Ok(())
    }

    fn deny(&mut self) -> Result<()> {
        let Some(program) = self.tool(CARGO_DENY)? else { return Ok(()) };
        let mut command = process::command(self.project, program);
        command.args(["--config", ".cargo/deny.toml", "--all-features"]);
        command.args(["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
        process::stream(command)?.success()?;
        let advisories = Skip::optional(
            "advisories",
            "their database can't be fetched everywhere; where it can: `cargo deny check advisories`",
        );
        line(&advisories.line());
        self.summary.skipped_steps.push(advisories);
        Ok(())
    }

    /// Builds every example as the tests were built, and runs it.
    fn examples(&self) -> Result<()> {
        let metadata = Metadata::read(self.project)?;
        let names: Vec<&str> =
            metadata.packages.iter().flat_map(|package| package.targets("example")).collect();
        if names.is_empty() {
            line("there are no examples");
            return Ok(());
        }
        self.cargo(
            &["build", "--profile", "test", "--workspace", "--all-features", "--examples"],
            None,
        )?;
        for name in names {
            line(&format!("-- example {name}"));
            let command =
                process::command(self.project, self.project.target("debug/examples").join(name));
            self.runner.stream(command)?.success()?;
        }
        Ok(())
    }

    fn book(&mut self) -> Result<()> {
        let faults = book::faults(self.project.root())?;
        for fault in &faults {
            line(fault);
        }
        if !faults.is_empty() {
            bail!("{} faults in the book or the README", faults.len());
        }
        let Some(program) = self.tool(MDBOOK)? else { return Ok(()) };
        let mut command = process::command(self.project, program);
        command.args(["build", "docs", "--dest-dir"]).arg(self.project.target("book"));
        process::stream(command)?.success()?;
        Ok(())
    }

    fn fuzz(&mut self) -> Result<()> {
        let targets = fuzz::targets(self.project)?;
        if !targets.is_empty() {
            fuzz::check(self.project, &targets)?;
        }
        let why = if self.options.quick {
            Some("--quick".to_owned())
        } else if targets.is_empty() {
            Some("there are no fuzz targets".to_owned())
        } else {
            fuzz::lacking(self.project)
        };
        if let Some(why) = why {
            self.summary.skipped_steps.push(Skip::optional("fuzz", why));
            return Ok(());
        }
        if !fuzz::each(self.project, &targets, FUZZ)? {
            bail!("a fuzz target has findings");
        }
        Ok(())
    }

    /// A cargo tool, or a note that it is missing.
    fn tool(&mut self, tool: Tool) -> Result<Option<OsString>> {
        let found = tools::provide(self.project, tool, self.options.install)?;
        if found.is_none() {
            let why = "it is neither on the PATH nor in target/tools/bin; --install brings it";
            self.summary.skipped_steps.push(Skip::needed(tool.name, why));
        }
        Ok(found.map(Into::into))
    }
}
