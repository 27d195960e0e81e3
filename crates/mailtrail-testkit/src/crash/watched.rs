//! A process that is given up on after a while.

use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a look at a store may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How a process ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// With this code, and what it said on standard error.
    Exit(i32, String),
    /// By a signal: how, and the last that it said.
    Killed(String),
    /// Not in time.
    Hung,
}

/// Runs a process to its end, or for as long as it may take.
#[expect(clippy::expect_used, reason = "a test")]
pub(super) fn watched(mut command: Command) -> Ending {
    let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the test binary starts");
    let mut said = child.stderr.take().expect("piped");
    // Read as it comes, or a full pipe would hold it up.
    let reader = thread::spawn(move || {
        let mut text = String::new();
        said.read_to_string(&mut text).ok();
        text
    });
    let since = Instant::now();
    let status = loop {
        match child.try_wait().expect("it can be waited for") {
            Some(status) => break status,
            None if since.elapsed() > PATIENCE => {
                child.kill().ok();
                child.wait().ok();
                return Ending::Hung;
            }
            None => thread::sleep(Duration::from_millis(2)),
        }
    };
    let said = reader.join().unwrap_or_default();
    match status.code() {
        Some(code) => Ending::Exit(code, said),
        None => Ending::Killed(format!("{status}: {}", said.lines().last().unwrap_or_default())),
    }
}
