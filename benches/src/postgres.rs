//! A PostgreSQL of its own, for as long as it is measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A server that listens on a socket in its folder only, with the settings of a machine of this size.
#[derive(Debug)]
pub struct Postgres {
    bin: PathBuf,
    folder: PathBuf,
    /// The user that it runs as, where this is root: it refuses to be that.
    user: Option<&'static str>,
    sync: Sync,
}

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sync {
    Always,
    Never,
}

impl Postgres {
    /// Makes one in a new folder, and starts it; none where none is installed. It is for reading: what it commits is lost
    /// in a crash.
    ///
    /// # Panics
    /// If it is installed, and can't be started.
    pub fn start(folder: &Path) -> Option<Self> {
        Self::start_with(folder, Sync::Never)
    }

    /// The same, where a commit waits until it is on the disk: as PostgreSQL does by itself.
    ///
    /// # Panics
    /// If it is installed, and can't be started.
    pub fn start_durable(folder: &Path) -> Option<Self> {
        Self::start_with(folder, Sync::Always)
    }

    fn start_with(folder: &Path, sync: Sync) -> Option<Self> {
        let bin = bin()?;
        let is_root = said(Command::new("id").arg("-u")).trim() == "0";
        let user = is_root.then_some("postgres");
        fs::create_dir_all(folder).unwrap();
        if let Some(user) = user {
            said(Command::new("chown").arg(user).arg(folder));
        }
        let server = Self { bin, folder: folder.to_owned(), user, sync };
        said(
            server
                .command("initdb")
                .args(["-A", "trust", "-E", "UTF8", "--locale=C", "-D"])
                .arg(server.data()),
        );
        server.control("start");
        Some(server)
    }

    /// Where it may write what is asked for.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where clients written in Rust find it.
    pub fn url(&self) -> String {
        let user = self.user.map(|user| format!("&user={user}")).unwrap_or_default();
        format!("postgres:///postgres?host={}{user}", self.folder.display())
    }

    /// Starts it anew: afterwards nothing is in its memory.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn restart(&self) {
        self.control("restart");
    }

    /// Runs statements.
    ///
    /// # Panics
    /// If one fails.
    pub fn run(&self, sql: &str) -> String {
        said(self.psql().args(["-c", sql]))
    }

    /// Runs one statement over a new connection, and says how long that took the server.
    ///
    /// # Panics
    /// If it fails.
    pub fn time(&self, sql: &str) -> Duration {
        let said = said(self.psql().args(["-c", "\\timing on", "-c", sql]));
        let time = said.lines().find_map(|line| line.strip_prefix("Time: ")?.split(' ').next());
        Duration::from_secs_f64(time.unwrap().parse::<f64>().unwrap() / 1_000.0)
    }

    fn psql(&self) -> Command {
        let mut psql = self.command("psql");
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-h"]).arg(&self.folder);
        psql
    }

    fn control(&self, what: &str) {
        let sync = match self.sync {
            Sync::Always => "-c fsync=on -c synchronous_commit=on",
            Sync::Never => "-c fsync=off",
        };
        let settings = format!("-k {} {SETTINGS} {sync}", self.folder.display());
        let mut command = self.command("pg_ctl");
        command.arg("-D").arg(self.data()).arg("-l").arg(self.folder.join("log"));
        command.args(["-w", "-m", "fast", "-o", &settings, what]);
        // It would hold on to our ends.
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        assert!(status.success(), "PostgreSQL: {log}");
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = match self.user {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("runuser");
                command.args(["-u", user, "--"]).arg(program);
                command
            }
        };
        command.current_dir("/");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut command = self.command("pg_ctl");
        command.arg("-D").arg(self.data()).args(["-w", "-m", "immediate", "stop"]);
        command.output().ok();
    }
}

/// The folder with all its programs.
fn bin() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find_map(|folder| {
        fs::canonicalize(folder.join("initdb")).ok()?.parent().map(Path::to_owned)
    });
    let of_debian = || {
        let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
        let bins = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
        bins.filter(|bin| bin.join("initdb").is_file()).max()
    };
    on_path.filter(|bin| bin.join("psql").is_file()).or_else(of_debian)
}

fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Everything fits into memory, sorts too; both cores work on one query. Compiling a query of a second costs more than it
/// brings.
const SETTINGS: &str = "-c listen_addresses= -c shared_buffers=2GB -c work_mem=512MB -c effective_cache_size=8GB \
    -c maintenance_work_mem=1GB -c max_parallel_workers_per_gather=2 -c max_wal_size=8GB -c random_page_cost=1.1 \
    -c jit=off -c timezone=UTC";
