//! The subcommands: one file each.

mod block;
mod erase;
mod explain;
mod export;
mod import;
pub(crate) mod ingest;
mod ingest_log;
mod ingest_mail;
mod keys;
mod migrate;
mod parse;
pub(crate) mod plan;
mod projection;
mod provider;
mod raw;
mod rebuild;
mod reclassify;
pub(crate) mod report;
mod rules;
pub(crate) mod send;
pub(crate) mod serve;
mod subscriber;
mod tail;
mod verify;
mod webhook;

use clap::{Subcommand, ValueEnum};
use mailtrail::core::evidence::OnDoubt;

use crate::demo::Demo;
use crate::failure::Failure;
use crate::setup::Setup;

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the main job: a broadcast from plan to report, with ten statuses.
    Demo(Demo),
    /// Plan a broadcast to the contacts of a CSV file, or to rows of an earlier broadcast. Planning again only adds rows.
    Plan(plan::Plan),
    /// Send what is planned, and try again what is due.
    Send(Box<send::Send>),
    /// Take in what came back.
    #[command(subcommand)]
    Ingest(ingest::Ingest),
    /// Show what a port makes of bytes, without a store.
    #[command(subcommand)]
    Parse(parse::Parse),
    /// Print a report.
    #[command(subcommand)]
    Report(report::Report),
    /// Tell why a delivery has its status, event by event.
    Explain(explain::Explain),
    /// The Blocked Email list.
    #[command(subcommand)]
    Block(block::Block),
    /// The keys that sign tokens: list them, add one, retire one.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// The kept states of reports: how far they are, and what to do where one stands still.
    #[command(subcommand)]
    Projection(projection::Projection),
    /// Build the states of the reports anew from the events.
    Rebuild(rebuild::Rebuild),
    /// Rules of your own: check them, and see which rule decides.
    #[command(subcommand)]
    Rules(rules::Rules),
    /// Providers of webhooks: list them, and test a file that describes one.
    #[command(subcommand)]
    Provider(provider::Provider),
    /// Read old failures again by today's rules: show what would move, and apply it with --yes.
    Reclassify(reclassify::Reclassify),
    /// Whether a log is what was stored: an export, or a store.
    Verify(verify::Verify),
    /// Write the log as lines that prove themselves.
    Export(export::Export),
    /// Take in an export.
    Import(import::Import),
    /// Move a store to another, and compare.
    Migrate(migrate::Migrate),
    /// Write a mail or a request as it came in.
    Raw(raw::Raw),
    /// Erase what identifies a contact.
    Erase(erase::Erase),
    /// Print events as they are stored.
    Tail(tail::Tail),
    /// Serve webhooks, the pixel and the intake of bounce mails.
    Serve(serve::Serve),
    /// Who is told of changes: how far each one is, dead letters, and what to do where one stands still.
    #[command(subcommand)]
    Subscriber(subscriber::Subscriber),
    /// Requests of providers that were refused: list them, and verify them again.
    #[command(subcommand)]
    Webhook(webhook::Webhook),
}

impl Command {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        match self {
            Self::Demo(demo) => demo.run(setup).await,
            Self::Plan(plan) => plan.run(setup).await,
            Self::Send(send) => send.run(setup).await,
            Self::Ingest(ingest) => ingest.run(setup).await,
            Self::Parse(parse) => parse.run(setup),
            Self::Report(report) => report.run(setup).await,
            Self::Explain(explain) => explain.run(setup).await,
            Self::Block(block) => block.run(setup).await,
            Self::Keys(keys) => keys.run(setup),
            Self::Projection(projection) => projection.run(setup).await,
            Self::Rebuild(rebuild) => rebuild.run(setup).await,
            Self::Rules(rules) => rules.run(setup),
            Self::Provider(provider) => provider.run(setup),
            Self::Reclassify(reclassify) => reclassify.run(setup).await,
            Self::Verify(verify) => verify.run(setup).await,
            Self::Export(export) => export.run(setup).await,
            Self::Import(import) => import.run(setup).await,
            Self::Migrate(migrate) => migrate.run(setup).await,
            Self::Raw(raw) => raw.run(setup).await,
            Self::Erase(erase) => erase.run(setup).await,
            Self::Tail(tail) => tail.run(setup).await,
            Self::Serve(serve) => serve.run(setup).await,
            Self::Subscriber(subscriber) => subscriber.run(setup),
            Self::Webhook(webhook) => webhook.run(setup).await,
        }
    }
}

/// What to do about attempts of which no outcome is known.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Doubt {
    #[default]
    Hold,
    Resend,
}

impl From<Doubt> for OnDoubt {
    fn from(doubt: Doubt) -> Self {
        match doubt {
            Doubt::Hold => Self::Hold,
            Doubt::Resend => Self::Resend,
        }
    }
}
