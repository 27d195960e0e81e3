//! `cargo xtask fuzz`: runs the fuzz targets for a while.

use std::fs;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::metadata::Metadata;
use crate::output::{complain, line, seconds};
use crate::process;
use crate::project::Project;

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// One target; none: all
    target: Option<String>,
    /// How long each target runs
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// Runs the targets. False if one has findings.
pub(crate) fn run(project: &Project, options: &Options) -> Result<bool> {
    let mut targets = targets(project)?;
    if let Some(target) = &options.target {
        ensure!(
            targets.contains(target),
            "there is no fuzz target {target}: there are {targets:?}"
        );
        targets.retain(|name| name == target);
    }
    ensure!(!targets.is_empty(), "there are no fuzz targets in fuzz/fuzz_targets");
    if let Some(lacking) = lacking(project) {
        bail!("{lacking}");
    }
    each(project, &targets, Duration::from_secs(options.seconds))
}

/// The names of all targets.
pub(crate) fn targets(project: &Project) -> Result<Vec<String>> {
    let folder = project.root().join("fuzz/fuzz_targets");
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("cannot read {}", folder.display()))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Checks that the manifest can be read and names the targets: where there is no fuzzer, nothing else reads it.
pub(crate) fn check(project: &Project, targets: &[String]) -> Result<()> {
    let metadata = Metadata::of(project, "fuzz/Cargo.toml")?;
    let mut named: Vec<&str> =
        metadata.packages.iter().flat_map(|package| package.targets("bin")).collect();
    named.sort_unstable();
    ensure!(
        named == targets,
        "fuzz/Cargo.toml names {named:?}, but fuzz/fuzz_targets holds {targets:?}"
    );
    Ok(())
}

/// What is missing for fuzzing here, and how to get it.
pub(crate) fn lacking(project: &Project) -> Option<String> {
    if process::capture(process::cargo(project, ["+nightly", "--version"])).is_err() {
        return Some(
            "no nightly toolchain: `rustup toolchain install nightly` brings it".to_owned(),
        );
    }
    if project.program("cargo-fuzz").is_none() {
        return Some("no cargo-fuzz: `cargo install --locked cargo-fuzz` brings it".to_owned());
    }
    None
}

/// Runs each target for that long, and says what came of it.
pub(crate) fn each(project: &Project, targets: &[String], time: Duration) -> Result<bool> {
    let mut clean = true;
    let mut report = Vec::new();
    for target in targets {
        line(&format!("-- building {target}"));
        // Optimised, without debug assertions, as it is used: the mail parser has one that broken mails
        // reach, and no panic may be caught under a fuzzer.
        process::stream(process::cargo(project, ["+nightly", "fuzz", "build", "-O", target]))?
            .success()?;
        line(&format!("-- fuzzing {target} for {}", seconds(time)));
        let corpus = project.root().join("fuzz/corpus").join(target);
        fs::create_dir_all(&corpus)?;
        let mut command = process::cargo(project, ["+nightly", "fuzz", "run", "-O", target]);
        command.arg(corpus);
        let seeds = project.root().join("fuzz/seeds").join(target);
        if seeds.is_dir() {
            command.arg(seeds);
        }
        command.args(["--", "-print_final_stats=1", "-timeout=10"]);
        command.arg(format!("-max_total_time={}", time.as_secs()));
        let begun = Instant::now();
        let finished = process::stream_each(command, |text| {
            // The fuzzer's own progress is of no use afterwards.
            if !text.starts_with('#') {
                complain(text);
            }
        })?;
        let found = findings(&finished.output);
        let count = executions(&finished.output);
        if finished.ok && found.is_empty() {
            ensure!(count > 0, "the fuzz target {target} ran no input");
        }
        clean &= finished.ok && found.is_empty();
        let took = seconds(begun.elapsed());
        report.push(match (finished.ok, found.as_slice()) {
            (true, []) => format!("{target}: {count} executions in {took}, no findings"),
            (_, []) => format!("{target}: {count} executions in {took}, {}", finished.status),
            (_, found) => {
                format!("{target}: {count} executions in {took}, FINDINGS: {}", found.join(" "))
            }
        });
    }
    for text in report {
        line(&text);
    }
    Ok(clean)
}

/// How many inputs were run, by the fuzzer's last statistics.
fn executions(output: &str) -> u64 {
    output
        .lines()
        .filter_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
        .filter_map(|count| count.trim().parse::<u64>().ok())
        .next_back()
        .unwrap_or(0)
}

/// The files with the inputs that broke the target.
fn findings(output: &str) -> Vec<&str> {
    output
        .lines()
        .filter_map(|line| line.split_once("Test unit written to "))
        .map(|(_, file)| file)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_and_findings_are_read() {
        let output = "#1024 pulse cov: 3\nstat::number_of_executed_units: 4711\n\
                      artifact_prefix='x/'; Test unit written to fuzz/artifacts/mail/crash-1\n";
        assert_eq!(executions(output), 4_711);
        assert_eq!(findings(output), ["fuzz/artifacts/mail/crash-1"]);
        assert_eq!(executions("nothing"), 0);
        assert!(findings("Done 3 runs").is_empty());
    }
}
