//! A small disk of its own, for what can't be tried on a real one: to be full, or read-only.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::{NamedTempFile, TempDir};

/// A small disk, gone when dropped. To mount one needs root: where that can't be done there is none, and a test says
/// that it was [skipped](super::skipped).
///
/// ```
/// use mailtrail_testkit::crash::{SmallDisk, skipped};
/// match SmallDisk::in_memory("1m") {
///     Some(disk) => assert!(std::fs::write(disk.path().join("large"), vec![1; 2 << 20]).is_err()),
///     None => skipped("a_full_disk_is_told", "a disk can't be mounted: this needs root"),
/// }
/// ```
#[derive(Debug)]
pub struct SmallDisk {
    folder: TempDir,
    image: Option<NamedTempFile>,
}

impl SmallDisk {
    /// A disk in memory of this size, as `mount` writes it: `6m`.
    pub fn in_memory(size: &str) -> Option<Self> {
        let disk = Self { folder: tempfile::tempdir().ok()?, image: None };
        disk.run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).then_some(disk)
    }

    /// A disk with a file system of the ext4 kind in a file of so many bytes: one that can [fail](Self::fail).
    pub fn ext4(bytes: u64) -> Option<Self> {
        let image = NamedTempFile::new().ok()?;
        image.as_file().set_len(bytes).ok()?;
        let made = quiet(Command::new("mkfs.ext4").arg("-q").arg(image.path()));
        let disk = Self { folder: tempfile::tempdir().ok()?, image: Some(image) };
        (made && disk.mount_image()).then_some(disk)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Gives a disk in memory another size. Says whether that was done.
    #[must_use]
    pub fn resize(&self, size: &str) -> bool {
        self.run("mount", &["-o", &format!("remount,size={size}")])
    }

    /// Lets nobody write any more, or lets them again; not while someone has a file open for it. Says whether that was
    /// done.
    #[must_use]
    pub fn set_read_only(&self, read_only: bool) -> bool {
        self.run("mount", &["-o", if read_only { "remount,ro" } else { "remount,rw" }])
    }

    /// Lets nobody write any more, also who has files open: what the kernel does with an ext4 disk after an error of
    /// the device. Says whether that was done.
    #[must_use]
    pub fn fail(&self) -> bool {
        self.image.is_some() && self.run("mount", &["-o", "remount,abort"])
    }

    /// Takes a disk that failed away and mounts it again, when nobody uses it. Says whether that was done.
    #[must_use]
    pub fn mount_again(&self) -> bool {
        self.run("umount", &[]) && self.mount_image()
    }

    fn mount_image(&self) -> bool {
        let Some(image) = &self.image else { return false };
        let image = image.path().to_string_lossy();
        self.run("mount", &["-o", "loop", &image])
    }

    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        quiet(Command::new(program).args(arguments).arg(self.path()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.run("umount", &["-l"]);
    }
}

/// Whether it could be run and went well.
fn quiet(command: &mut Command) -> bool {
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
