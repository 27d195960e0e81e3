//! Where the project lies and what the environment says.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The checkout, and what this run may know of its environment.
#[derive(Debug)]
pub(crate) struct Project {
    root: PathBuf,
    target: PathBuf,
}

impl Project {
    /// The checkout that this program was built from.
    pub(crate) fn here() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .context("xtask does not lie in crates/xtask of the project")?
            .to_path_buf();
        let target =
            variable("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
        Ok(Self { root, target })
    }

    /// A project of nothing but a folder.
    #[cfg(test)]
    pub(crate) fn for_tests(root: &Path) -> Self {
        Self { root: root.to_path_buf(), target: root.join("target") }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A folder or file below the target folder.
    pub(crate) fn target(&self, name: &str) -> PathBuf {
        self.target.join(name)
    }

    /// Where programs are looked for: our own tools, the `PATH`, and folders for system programs.
    pub(crate) fn path(&self) -> Vec<PathBuf> {
        let path = variable("PATH").unwrap_or_default();
        let mut folders = vec![self.target("tools/bin")];
        folders.extend(env::split_paths(&path));
        folders.extend([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")]);
        folders
    }

    /// The first file of this name among these folders.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        self.path().into_iter().map(|folder| folder.join(name)).find(|file| file.is_file())
    }
}

/// An environment variable that is set and not empty.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
