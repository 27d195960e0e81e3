//! Starting other programs.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::output;
use crate::project::Project;

/// What a program that ran to its end left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Whether it said that it succeeded.
    pub(crate) ok: bool,
    /// How it ended, in words.
    pub(crate) status: String,
    /// All that it printed, standard output and error in one.
    pub(crate) output: String,
}

impl Finished {
    /// An error if the program failed.
    pub(crate) fn success(self) -> Result<Self> {
        if !self.ok {
            bail!("{}", self.status);
        }
        Ok(self)
    }
}

/// `cargo` in the project's root.
pub(crate) fn cargo<I, S>(project: &Project, args: I) -> Command
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = command(project, "cargo");
    command.args(args);
    command
}

/// A program in the project's root.
///
/// It finds our own tools. What `cargo run` told us about our own package is not passed on: build
/// scripts watch some of it, and would run again each time.
pub(crate) fn command(project: &Project, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(project.root()).env("CARGO_TERM_COLOR", "never").stdin(Stdio::null());
    if let Ok(path) = std::env::join_paths(project.path()) {
        command.env("PATH", path);
    }
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs a program, printing what it prints as it comes.
pub(crate) fn stream(command: Command) -> Result<Finished> {
    stream_each(command, output::line)
}

/// Runs a program, handing out each line of what it prints as it comes.
pub(crate) fn stream_each(mut command: Command, mut each: impl FnMut(&str)) -> Result<Finished> {
    let shown = shown(&command);
    let (reader, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().with_context(|| format!("cannot start `{shown}`"))?;
    // The command holds the pipe's other end: without this, the pipe would never end.
    drop(command);
    let mut printed = String::new();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        each(text);
        printed.push_str(text);
        printed.push('\n');
        line.clear();
    }
    let status = child.wait()?;
    Ok(Finished { ok: status.success(), status: format!("`{shown}`: {status}"), output: printed })
}

/// Runs a program quietly and gives its standard output; its standard error is part of the error.
pub(crate) fn capture(mut command: Command) -> Result<String> {
    let shown = shown(&command);
    let output = command.output().with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{shown}`: {}: {}", output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command line, for people.
pub(crate) fn shown(command: &Command) -> String {
    let mut shown = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        shown.push(' ');
        shown.push_str(&arg.to_string_lossy());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_streams_are_read_to_their_end() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let mut lines = Vec::new();
        let finished = stream_each(command, |line| lines.push(line.to_owned())).unwrap();
        assert!(!finished.ok);
        assert_eq!(finished.output, "out\nerr\n");
        assert_eq!(lines, ["out", "err"]);
        assert!(finished.success().unwrap_err().to_string().contains("exit status: 3"));
    }

    #[test]
    fn an_error_holds_what_the_program_said() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such thing >&2; exit 1"]);
        assert!(capture(command).unwrap_err().to_string().ends_with("no such thing"));
    }
}
