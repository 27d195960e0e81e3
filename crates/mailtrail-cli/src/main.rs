//! The `mailtrail` program: what happened to each email after "Send Now"?

mod archive;
mod check;
mod command;
mod contacts;
mod demo;
mod engine;
mod failure;
mod http;
mod https;
mod intake;
mod lines;
mod output;
mod page;
mod provider;
mod secret;
mod setup;
mod subscriber;

use std::process::ExitCode;

use clap::Parser;

use crate::command::Command;
use crate::failure::Failure;
use crate::setup::Setup;

/// Threads that build a report make and drop many small parts: that of glibc takes a third of the time (ADR 20).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What happened to each email after "Send Now", with proof.
///
/// Exit codes: 0 done · 1 failed · 2 wrong usage · 3 altered · 4 cut (verify) · 65 the input is not what it should be ·
/// 66 an input can't be read · 75 the store is in use or not available now: try again.
#[derive(Debug, Parser)]
#[command(name = "mailtrail", version)]
struct Arguments {
    #[command(flatten)]
    setup: Setup,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::from(error).report(),
    };
    match runtime.block_on(arguments.command.run(&arguments.setup)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
