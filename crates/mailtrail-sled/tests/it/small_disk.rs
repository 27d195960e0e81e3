//! A small disk in memory, gone when dropped.

use std::path::Path;
use std::process::{Command, Stdio};

pub(crate) struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where it can't be mounted: that needs root.
    pub(crate) fn mount(size: &str) -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        let size = format!("size={size}");
        mount(&["-t", "tmpfs", "-o", &size, "tmpfs"], disk.path()).then_some(disk)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Lets nobody write any more, or lets them again.
    pub(crate) fn set_read_only(&self, read_only: bool) -> bool {
        mount(&["-o", if read_only { "remount,ro" } else { "remount,rw" }], self.path())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.path()).status().ok();
    }
}

fn mount(arguments: &[&str], path: &Path) -> bool {
    let mounted = Command::new("mount").args(arguments).arg(path).stderr(Stdio::null()).status();
    mounted.is_ok_and(|status| status.success())
}
