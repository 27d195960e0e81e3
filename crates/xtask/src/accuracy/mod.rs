//! `cargo xtask accuracy`: how much of the corpora is read as their sources say.

mod answers;

use std::io;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::project::Project;

/// What to do.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Read inputs from standard input, one JSON object a line, and write answers to standard output
    Answers,
}

/// Runs it. False if a figure has fallen.
pub(crate) fn run(_project: &Project, options: &Options) -> Result<bool> {
    match options.what {
        Some(What::Answers) => answers::write(io::stdin().lock(), io::stdout().lock()).map(|()| true),
        None => Ok(true),
    }
}
