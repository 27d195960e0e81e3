//! Python packages: each in an environment of its own below the target folder.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::process;
use crate::project::Project;

/// Makes an environment in this folder, and brings a package from `PyPI` into it.
pub(super) fn unpack(project: &Project, folder: &Path, package: &str) -> Result<()> {
    let python = project.program("python3").context("this system has no python3")?;
    let mut make = process::command(project, python);
    make.args(["-m", "venv"]).arg(folder);
    process::capture(make)?;
    let mut bring = process::command(project, folder.join("bin/python"));
    bring.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]);
    process::capture(bring).map(drop)
}
