//! The parts of `cargo metadata` that the chores look at.

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::process;
use crate::project::Project;

/// The packages of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) dependencies: Vec<Dependency>,
    #[serde(default)]
    pub(crate) targets: Vec<Target>,
}

/// A dependency as the manifest declares it.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None` for a normal one, else `dev` or `build`.
    #[serde(default)]
    pub(crate) kind: Option<String>,
    /// The version asked for; `*` for one by path alone.
    pub(crate) req: String,
}

impl Dependency {
    pub(crate) fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

impl Metadata {
    /// Reads the workspace's own packages.
    pub(crate) fn read(project: &Project) -> Result<Self> {
        Self::of(project, "Cargo.toml")
    }

    /// Reads the packages of a manifest, which is named from the project's root.
    pub(crate) fn of(project: &Project, manifest: &str) -> Result<Self> {
        let mut command =
            process::cargo(project, ["metadata", "--format-version", "1", "--no-deps"]);
        command.arg("--manifest-path").arg(project.root().join(manifest));
        let text = process::capture(command)?;
        serde_json::from_str(&text).context("cannot read the output of `cargo metadata`")
    }

    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }
}

impl Package {
    /// The names of its targets of one kind: `bench`, `example` and so on.
    pub(crate) fn targets(&self, kind: &str) -> impl Iterator<Item = &str> {
        self.targets
            .iter()
            .filter(move |target| target.kind.iter().any(|have| have == kind))
            .map(|target| target.name.as_str())
    }
}
