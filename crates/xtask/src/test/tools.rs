//! Cargo tools that the checks use, installed below `target/tools/` when asked.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::project::Project;
use crate::{output, process};

/// A tool from the registry, and the line of versions that this project is known to pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tool {
    pub(super) name: &'static str,
    version: &'static str,
}

/// About two minutes to build on two cores.
pub(super) const CARGO_DENY: Tool = Tool { name: "cargo-deny", version: "^0.20" };
/// About a minute and a half to build on two cores.
pub(super) const MDBOOK: Tool = Tool { name: "mdbook", version: "^0.5" };

/// Where a tool is; `None` if it is missing and was not to be installed.
pub(super) fn provide(project: &Project, tool: Tool, install: bool) -> Result<Option<PathBuf>> {
    if let Some(found) = project.program(tool.name) {
        return Ok(Some(found));
    }
    if !install {
        return Ok(None);
    }
    output::line(&format!("installing {} below target/tools: some minutes", tool.name));
    let mut command = process::cargo(
        project,
        ["install", "--locked", "--quiet", tool.name, "--version", tool.version],
    );
    command.arg("--root").arg(project.target("tools")).env_remove("CARGO_TARGET_DIR");
    process::stream(command)?.success()?;
    let found = project.program(tool.name);
    ensure!(found.is_some(), "`cargo install {}` brought no program of that name", tool.name);
    Ok(found)
}
