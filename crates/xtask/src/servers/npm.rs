//! npm packages: of one version each, whose hash is known here.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::process;
use crate::project::Project;

/// Brings the packages that the lock file names into this folder. npm refuses one whose hash is another; nothing of theirs is
/// run.
pub(super) fn unpack(project: &Project, folder: &Path) -> Result<()> {
    let npm = project.program("npm").context("this system has no npm")?;
    fs::create_dir_all(folder)?;
    fs::write(folder.join("package.json"), include_str!("npm/package.json"))?;
    fs::write(folder.join("package-lock.json"), include_str!("npm/package-lock.json"))?;
    let mut bring = process::command(project, npm);
    bring.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
    process::capture(bring).map(drop)
}

/// The version of axe-core that the lock file names.
pub(super) const AXE: &str = "4.14.1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_pinned_with_its_hash() {
        let lock: serde_json::Value =
            serde_json::from_str(include_str!("npm/package-lock.json")).unwrap();
        let packages = lock["packages"].as_object().unwrap();
        let brought: Vec<_> = packages.iter().filter(|(path, _)| !path.is_empty()).collect();
        assert!(!brought.is_empty());
        for (path, package) in brought {
            assert!(package["integrity"].as_str().unwrap().starts_with("sha512-"), "{path}");
            // The registry is that of whoever asks.
            assert!(package["resolved"].is_null(), "{path}");
        }
        assert_eq!(packages["node_modules/axe-core"]["version"], AXE);
    }
}
