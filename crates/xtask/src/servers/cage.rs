//! A folder that a server sees as the whole system (`chroot`): Exim and OpenSMTPD know their users and
//! folders by names that are compiled in, and their packages conflict with Postfix's.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::apt;
use crate::process;
use crate::project::Project;

/// What a server needs around its package.
pub(super) struct Cage {
    /// Below the folder.
    pub(super) programs: &'static [&'static str],
    /// Its users, each with a group of the same name and number.
    pub(super) users: &'static [(&'static str, u32)],
    /// A configuration that it takes for one, to try it with.
    pub(super) config: (&'static str, &'static str),
}

pub(super) const EXIM: Cage = Cage {
    programs: &["usr/sbin/exim4"],
    users: &[("Debian-exim", 52_101)],
    config: ("etc/exim4/exim4.conf", "primary_hostname = mail.relay.example\n"),
};

pub(super) const OPENSMTPD: Cage = Cage {
    programs: &["usr/sbin/smtpd", "usr/sbin/smtpctl"],
    users: &[("opensmtpd", 52_102), ("opensmtpq", 52_103)],
    config: ("etc/smtpd.conf", "action \"out\" relay\nmatch for any action \"out\"\n"),
};

impl Cage {
    /// Makes an unpacked package one. Where that ends early, [`is_complete`] says no.
    pub(super) fn build(&self, project: &Project, root: &Path) -> Result<()> {
        self.libraries(project, root)?;
        for program in self.programs {
            // Root starts it, and it gives up what it doesn't need.
            fs::set_permissions(root.join(program), fs::Permissions::from_mode(0o755))?;
        }
        write(root, "dev/null", "")?;
        fs::set_permissions(root.join("dev/null"), fs::Permissions::from_mode(0o666))?;
        fs::create_dir_all(root.join("tmp"))?;
        fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))?;
        write(root, self.config.0, self.config.1)?;
        let users = self.users.iter();
        let groups = users.clone().map(|(name, id)| format!("{name}:x:{id}:\n"));
        write(root, "etc/group", &format!("root:x:0:\n{}", groups.collect::<String>()))?;
        let users = users.map(|(name, id)| format!("{name}:x:{id}:{id}::/:/usr/sbin/nologin\n"));
        let users: String = users.collect();
        write(root, PASSWD, &format!("root:x:0:0:root:/:/bin/sh\n{users}"))
    }

    /// Says why the server can't be used here, if so.
    pub(super) fn trial(&self, project: &Project, root: &Path, arguments: &[&str]) -> Result<()> {
        let mut id = process::command(project, "id");
        id.arg("-u");
        anyhow::ensure!(process::capture(id)?.trim() == "0", "it starts as root only");
        let program = self.programs.first().context("it has no program")?;
        let mut command = process::command(project, "chroot");
        command.arg(root).arg(Path::new("/").join(program)).args(arguments);
        process::capture(command).map(drop)
    }

    /// Takes along the libraries of this system that the package doesn't bring.
    fn libraries(&self, project: &Project, root: &Path) -> Result<()> {
        let own = std::env::join_paths(apt::library_folders(root)?)?;
        for program in self.programs {
            let mut ldd = process::command(project, "ldd");
            ldd.arg(root.join(program)).env("LD_LIBRARY_PATH", &own).env("LC_ALL", "C");
            for library in needed(&process::capture(ldd)?)? {
                if !library.starts_with(root) {
                    let inside = root.join(library.strip_prefix("/")?);
                    fs::create_dir_all(inside.parent().context("a library in no folder")?)?;
                    fs::copy(&library, inside)
                        .with_context(|| format!("cannot copy {}", library.display()))?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a folder was made to the end.
pub(super) fn is_complete(root: &Path) -> bool {
    root.join(PASSWD).is_file()
}

/// The files in what `ldd` prints: `NAME => FILE (ADDRESS)`, and `FILE (ADDRESS)` for the loader.
fn needed(printed: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for line in printed.lines() {
        let (name, file) = line.split_once(" => ").unwrap_or((line, line));
        if file.trim() == "not found" {
            bail!("its library {} is missing", name.trim());
        }
        let file = file.trim().split(" (").next().unwrap_or_default();
        if file.starts_with('/') {
            files.push(PathBuf::from(file));
        }
    }
    Ok(files)
}

fn write(root: &Path, name: &str, text: &str) -> Result<()> {
    let file = root.join(name);
    fs::create_dir_all(file.parent().context("a file in no folder")?)?;
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Written last.
const PASSWD: &str = "etc/passwd";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_of_a_program_are_found_or_named() {
        let printed = "\tlinux-vdso.so.1 (0x1)\n\tlibdb-5.3.so => /lib/x/libdb-5.3.so (0x2)\n\
                       \t/lib64/ld-linux-x86-64.so.2 (0x3)\n";
        let files = needed(printed).unwrap();
        assert_eq!(
            files,
            ["/lib/x/libdb-5.3.so", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from)
        );
        let error = needed("\tlibidn.so.12 => not found\n").unwrap_err();
        assert_eq!(error.to_string(), "its library libidn.so.12 is missing");
    }

    #[test]
    fn a_cage_is_complete_when_it_has_its_users() {
        let root = tempfile::tempdir().unwrap();
        let project = Project::for_tests(root.path());
        let cage = Cage { programs: &[], ..EXIM };
        assert!(!is_complete(root.path()));
        cage.build(&project, root.path()).unwrap();
        assert!(is_complete(root.path()));
        let passwd = fs::read_to_string(root.path().join("etc/passwd")).unwrap();
        assert!(passwd.contains("\nDebian-exim:x:52101:52101:"), "{passwd}");
    }
}
