//! The programs of others that tests start: three mail servers, strace, DuckDB and a browser; and axe-core,
//! which runs in it.

mod apt;
mod cage;
mod npm;
mod pip;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use cage::Cage;

use crate::project::{Project, variable};
use crate::{output, process};

/// A program that tests may start, if it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Postfix,
    /// The folder that it sees as the whole system.
    Exim,
    /// The folder that it sees as the whole system.
    OpenSmtpd,
    Strace,
    /// A Python that has it.
    DuckDb,
    /// What drives a browser.
    Chromedriver,
    /// A script that looks for what keeps people from using a page.
    Axe,
}

/// What was found of them.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    found: Vec<(Server, PathBuf)>,
    missing: Vec<(Server, String)>,
}

impl Server {
    const ALL: [Self; 7] = [
        Self::Postfix,
        Self::Exim,
        Self::OpenSmtpd,
        Self::Strace,
        Self::DuckDb,
        Self::Chromedriver,
        Self::Axe,
    ];

    /// The command.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postfix => "postfix",
            Self::Exim => "exim",
            Self::OpenSmtpd => "opensmtpd",
            Self::Strace => "strace",
            Self::DuckDb => "duckdb",
            Self::Chromedriver => "chromedriver",
            Self::Axe => "axe-core",
        }
    }

    /// The package that holds it.
    fn package(self) -> &'static str {
        match self {
            Self::Exim => "exim4-daemon-light",
            Self::Chromedriver => "chromium-driver",
            _ => self.name(),
        }
    }

    /// What it needs to run without being installed beside a Postfix, if it does.
    fn cage(self) -> Option<&'static Cage> {
        match self {
            Self::Exim => Some(&cage::EXIM),
            Self::OpenSmtpd => Some(&cage::OPENSMTPD),
            _ => None,
        }
    }

    /// The variable that tells tests where it is.
    fn variable(self) -> &'static str {
        match self {
            Self::Postfix => "MAILTRAIL_POSTFIX",
            Self::Exim => "MAILTRAIL_EXIM",
            Self::OpenSmtpd => "MAILTRAIL_OPENSMTPD",
            Self::Strace => "MAILTRAIL_STRACE",
            Self::DuckDb => "MAILTRAIL_DUCKDB",
            Self::Chromedriver => "MAILTRAIL_CHROMEDRIVER",
            Self::Axe => "MAILTRAIL_AXE",
        }
    }

    /// Says why the command can't be used here, if so. Changes nothing.
    fn trial(self, project: &Project, path: &Path) -> Result<()> {
        match self {
            Self::Postfix => {
                let id = process::capture(arguments(process::command(project, "id"), &["-u"]))?;
                anyhow::ensure!(id.trim() == "0", "a Postfix instance starts as root only");
                let postconf = path.with_file_name("postconf");
                process::capture(arguments(
                    process::command(project, postconf),
                    &["-d", "-h", "mail_version"],
                ))?;
            }
            Self::Exim => cage::EXIM.trial(project, path, &["-bV"])?,
            Self::OpenSmtpd => cage::OPENSMTPD.trial(project, path, &["-n"])?,
            Self::Strace => {
                process::capture(arguments(
                    process::command(project, path),
                    &["-o", "/dev/null", "true"],
                ))
                .context("it may not trace here")?;
            }
            Self::DuckDb => {
                let python = process::command(project, path);
                process::capture(arguments(python, &["-c", "import duckdb"]))?;
            }
            Self::Chromedriver => {
                process::capture(arguments(process::command(project, path), &["--version"]))?;
            }
            Self::Axe => {
                let is_it =
                    fs::read_to_string(path)?.starts_with(&format!("/*! axe v{}", npm::AXE));
                anyhow::ensure!(is_it, "it is not axe-core {}", npm::AXE);
            }
        }
        Ok(())
    }

    /// Makes a command of an unpacked Debian package.
    fn wrap(self, project: &Project, root: &Path) -> Result<PathBuf> {
        let folders = apt::library_folders(root)?;
        let libraries =
            folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(":");
        let template = match self {
            Self::Postfix => include_str!("postfix.sh"),
            Self::Strace => include_str!("strace.sh"),
            _ => anyhow::bail!("it is no command of a package that is unpacked"),
        };
        let script = template
            .replace("@ROOT@", &root.display().to_string())
            .replace("@LIBRARIES@", &libraries);
        let path = self.unpacked(project);
        let bin = path.parent().context("the target folder is no folder")?;
        fs::create_dir_all(bin)?;
        fs::write(&path, script)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        if self == Self::Postfix {
            for entry in fs::read_dir(root.join("usr/sbin"))? {
                let sibling = bin.join(entry?.file_name());
                if !sibling.exists() {
                    symlink(self.name(), sibling)?;
                }
            }
        }
        Ok(path)
    }

    /// Where the command of its unpacked package lies.
    fn unpacked(self, project: &Project) -> PathBuf {
        let folder = project.target("servers").join(self.name());
        folder.join(match self {
            Self::Postfix | Self::Strace | Self::Chromedriver => format!("bin/{}", self.name()),
            Self::Exim | Self::OpenSmtpd => "root".to_owned(),
            Self::DuckDb => "bin/python".to_owned(),
            Self::Axe => "node_modules/axe-core/axe.min.js".to_owned(),
        })
    }

    /// Finds the command: as the environment says, else on the `PATH`, else unpacked before.
    fn locate(self, project: &Project) -> Result<PathBuf> {
        let unpacked = self.unpacked(project);
        let path = variable(self.variable())
            .map(PathBuf::from)
            .or_else(|| project.program(self.name()).filter(|_| self.is_installed()))
            .or_else(|| self.is_unpacked(&unpacked).then_some(unpacked))
            .context("it is neither on the PATH nor below target/servers")?;
        self.trial(project, &path).with_context(|| format!("{} can't be used", path.display()))?;
        Ok(path)
    }

    /// Whether it may be installed for the system: what conflicts with another of them isn't, nor
    /// what is of `PyPI` or npm.
    fn is_installed(self) -> bool {
        !matches!(self, Self::Exim | Self::OpenSmtpd | Self::DuckDb | Self::Axe)
    }

    fn is_unpacked(self, path: &Path) -> bool {
        if self.cage().is_some() { cage::is_complete(path) } else { path.is_file() }
    }

    /// Unpacks its package and tries it.
    fn unpack(self, project: &Project) -> Result<PathBuf> {
        anyhow::ensure!(self != Self::Chromedriver, "a browser runs only where it is installed");
        output::line(&format!("{}: unpacking its package below target/servers", self.name()));
        let folder = project.target("servers").join(self.name());
        let path = match self {
            Self::DuckDb => {
                pip::unpack(project, &folder, self.name())?;
                self.unpacked(project)
            }
            Self::Axe => {
                npm::unpack(project, &folder)?;
                self.unpacked(project)
            }
            Self::Exim | Self::OpenSmtpd => {
                let root = apt::unpack(project, self.package(), &folder)?;
                self.cage().context("it has no cage")?.build(project, &root)?;
                root
            }
            Self::Postfix | Self::Strace | Self::Chromedriver => {
                self.wrap(project, &apt::unpack(project, self.package(), &folder)?)?
            }
        };
        self.trial(project, &path).context("its unpacked package can't be used")?;
        Ok(path)
    }
}

impl Servers {
    /// Finds what is there already.
    pub(crate) fn locate(project: &Project) -> Self {
        let mut servers = Self::default();
        for server in Server::ALL {
            servers.note(server, server.locate(project));
        }
        servers
    }

    /// Finds what is there, and brings what is missing: installed if asked, else unpacked.
    pub(crate) fn provide(project: &Project, install: bool) -> Self {
        let mut servers = Self::locate(project);
        let missing: Vec<Server> = servers.missing.drain(..).map(|(server, _)| server).collect();
        let installed = missing.iter().filter(|server| server.is_installed());
        let names: Vec<&str> = installed.map(|server| server.package()).collect();
        if install
            && !names.is_empty()
            && let Err(error) = apt::install(project, &names)
        {
            output::line(&format!("cannot install {}: {error:#}", names.join(" and ")));
        }
        for server in missing {
            let found = server.locate(project).or_else(|_| server.unpack(project));
            servers.note(server, found);
        }
        for (server, path) in &servers.found {
            output::line(&format!("{}: {}", server.name(), path.display()));
        }
        for (server, why) in &servers.missing {
            output::line(&format!("{}: missing: {why}", server.name()));
        }
        servers
    }

    /// What is missing, and why.
    pub(crate) fn missing(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.missing.iter().map(|(server, why)| (server.name(), why.as_str()))
    }

    /// Tells a command where the servers are, and of no others.
    pub(crate) fn tell(&self, command: &mut Command) {
        for server in Server::ALL {
            command.env_remove(server.variable());
        }
        for (server, path) in &self.found {
            command.env(server.variable(), path);
        }
    }

    fn note(&mut self, server: Server, found: Result<PathBuf>) {
        match found {
            Ok(path) => self.found.push((server, path)),
            Err(error) => self.missing.push((server, format!("{error:#}"))),
        }
    }
}

fn arguments(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stand-in for each command: says how it was called.
    const STAND_IN: &str = "#!/bin/sh\necho \"$(basename \"$0\") $* $LD_LIBRARY_PATH\"\n";

    #[test]
    fn an_unpacked_postfix_is_told_once_where_its_parts_are() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::for_tests(folder.path());
        let root = project.target("servers/postfix/root");
        fs::create_dir_all(root.join("usr/sbin")).unwrap();
        fs::create_dir_all(root.join("usr/lib/postfix")).unwrap();
        fs::write(root.join("usr/lib/postfix/libpostfix-util.so"), "").unwrap();
        for name in ["postfix", "postqueue"] {
            let file = root.join("usr/sbin").join(name);
            fs::write(&file, STAND_IN).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let instance = folder.path().join("instance");
        fs::create_dir(&instance).unwrap();
        fs::write(instance.join("main.cf"), "queue_directory = /q").unwrap();

        let path = Server::Postfix.wrap(&project, &root).unwrap();
        let mut said = String::new();
        for name in ["postfix", "postqueue"] {
            let mut command = process::command(&project, path.with_file_name(name));
            command.arg("-c").arg(&instance).arg("x");
            said += &process::capture(command).unwrap();
        }
        let libraries = root.join("usr/lib/postfix");
        let instance = instance.display();
        assert_eq!(
            said,
            format!(
                "postfix -c {instance} x {0}\npostqueue -c {instance} x {0}\n",
                libraries.display()
            )
        );
        let settings = fs::read_to_string(format!("{instance}/main.cf")).unwrap();
        assert!(settings.starts_with("queue_directory = /q\n"), "{settings}");
        assert_eq!(settings.matches("daemon_directory = ").count(), 1, "{settings}");
    }

    #[test]
    fn what_excludes_another_server_is_never_installed() {
        for server in Server::ALL {
            assert!(server.cage().is_none() || !server.is_installed(), "{}", server.name());
        }
    }

    #[test]
    fn tests_hear_only_of_servers_that_were_found() {
        let servers = Servers {
            found: vec![(Server::Strace, PathBuf::from("/usr/bin/strace"))],
            missing: vec![(Server::Postfix, "not here".to_owned())],
        };
        let mut command = Command::new("true");
        servers.tell(&mut command);
        let told: Vec<_> =
            command.get_envs().filter_map(|(name, value)| value.map(|_| name)).collect();
        assert_eq!(told, ["MAILTRAIL_STRACE"]);
        assert_eq!(servers.missing().collect::<Vec<_>>(), [("postfix", "not here")]);
    }
}
