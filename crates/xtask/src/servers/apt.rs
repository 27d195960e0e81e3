//! Debian packages: unpacked below the target folder, or installed when asked.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::process;
use crate::project::Project;

/// Where a package asks whether its server may be started.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs packages for the whole system, without starting what they bring.
pub(super) fn install(project: &Project, packages: &[&str]) -> Result<()> {
    ensure!(project.program("apt-get").is_some(), "this system has no apt-get");
    process::stream(apt(project, "apt-get", &["update", "-q"]))?.success()?;
    let _quiet = NoStart::set()?;
    no_service(project)?;
    let mut command = apt(project, "apt-get", &["install", "-q", "-y", "--no-install-recommends"]);
    process::stream({
        command.args(packages);
        command
    })?
    .success()?;
    Ok(())
}

/// Tells Postfix's package not to set up a mail server for the system: tests have their own instances.
fn no_service(project: &Project) -> Result<()> {
    let mut command = process::command(project, "debconf-set-selections");
    let (answers, mut writer) = std::io::pipe()?;
    writer.write_all(b"postfix postfix/main_mailer_type select No configuration\n")?;
    drop(writer);
    command.stdin(answers);
    process::capture(command).map(drop)
}

/// Downloads a package and the libraries that this system lacks for it, and unpacks all into one
/// folder in this one. Changes nothing else: the package lists lie below the target folder, too.
pub(super) fn unpack(project: &Project, package: &str, folder: &Path) -> Result<PathBuf> {
    for name in ["apt-get", "apt-cache", "dpkg", "dpkg-query"] {
        ensure!(project.program(name).is_some(), "this system has no {name} to unpack it with");
    }
    let home = project.target("servers");
    let lists = home.join("apt");
    fs::create_dir_all(lists.join("lists/partial"))?;
    fs::create_dir_all(lists.join("cache/archives/partial"))?;
    let own = [
        format!("-oDir::State::lists={}", lists.join("lists").display()),
        format!("-oDir::Cache={}", lists.join("cache").display()),
        "-oAPT::Sandbox::User=root".to_owned(),
    ];
    let with_own = |program: &str, args: &[&str]| {
        let mut command = apt(project, program, &[]);
        command.args(&own).args(args).current_dir(lists.join("cache"));
        command
    };
    process::capture(with_own("apt-get", &["update", "-q"]))?;
    let depends = process::capture(with_own(
        "apt-cache",
        &[
            "depends",
            "--recurse",
            "--important",
            "--no-conflicts",
            "--no-breaks",
            "--no-replaces",
            "--no-enhances",
            package,
        ],
    ))?;
    let mut wanted = vec![package];
    wanted.extend(libraries(&depends).filter(|library| !is_installed(project, library)));
    let root = folder.join("root");
    fs::create_dir_all(&root)?;
    for name in wanted {
        let before = archives(&lists.join("cache"))?;
        process::capture(with_own("apt-get", &["download", "-q", name]))?;
        let archive = archives(&lists.join("cache"))?
            .into_iter()
            .find(|file| !before.contains(file))
            .with_context(|| format!("apt-get brought no archive of {name}"))?;
        let mut dpkg = process::command(project, "dpkg");
        dpkg.arg("-x").arg(&archive).arg(&root);
        process::capture(dpkg)?;
        fs::remove_file(archive)?;
    }
    Ok(root)
}

/// The folders below an unpacked package that hold shared libraries.
pub(super) fn library_folders(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = [root.join("usr/lib"), root.join("lib")].into();
    while let Some(folder) = open.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries.with_context(|| format!("cannot read {}", folder.display()))?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            } else if entry.file_name().to_string_lossy().contains(".so")
                && !found.contains(&folder)
            {
                found.push(folder.clone());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn apt(project: &Project, program: &str, args: &[&str]) -> std::process::Command {
    let mut command = process::command(project, program);
    command.env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C").args(args);
    command
}

fn archives(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "deb") {
            files.push(file);
        }
    }
    Ok(files)
}

/// The libraries among what `apt-cache depends --recurse` prints, but for the C library: an
/// unpacked one would not fit the system's loader.
fn libraries(depends: &str) -> impl Iterator<Item = &str> {
    depends
        .lines()
        .filter(|line| line.starts_with("lib") && !line.contains(' '))
        .filter(|name| !name.starts_with("libc6") && !name.contains("perl"))
}

fn is_installed(project: &Project, package: &str) -> bool {
    let mut query = process::command(project, "dpkg-query");
    query.args(["-W", "-f", "${db:Status-Status}", package]);
    process::capture(query).is_ok_and(|status| status == "installed")
}

/// While it lives, packages don't start their servers.
struct NoStart {
    ours: bool,
}

impl NoStart {
    fn set() -> Result<Self> {
        let written = fs::OpenOptions::new().write(true).create_new(true).open(POLICY);
        match written {
            Ok(mut file) => {
                let policy = Self { ours: true };
                file.write_all(b"#!/bin/sh\nexit 101\n")?;
                file.set_permissions(fs::Permissions::from_mode(0o755))?;
                Ok(policy)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Self { ours: false }),
            Err(error) => Err(error).with_context(|| format!("cannot write {POLICY}")),
        }
    }
}

impl Drop for NoStart {
    fn drop(&mut self) {
        if self.ours && fs::remove_file(POLICY).is_err() {
            crate::output::complain(&format!("cannot remove {POLICY}: remove it by hand"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_libraries_are_taken_along() {
        let depends = "postfix\n  Depends: libdb5.3\n |Depends: debconf\nlibdb5.3\nlibc6\nadduser\nlibicu72\n\
                       libtext-glob-perl\n<debconf-2.0>\n";
        assert_eq!(libraries(depends).collect::<Vec<_>>(), ["libdb5.3", "libicu72"]);
    }

    #[test]
    fn folders_with_libraries_are_found() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("usr/lib/x/y");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("liba.so.3"), "").unwrap();
        fs::write(root.path().join("usr/lib/x/readme"), "").unwrap();
        assert_eq!(library_folders(root.path()).unwrap(), [deep]);
    }
}
