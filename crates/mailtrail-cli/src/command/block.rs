//! `block`: the Blocked Email list.

use clap::{Args, Subcommand};
use mailtrail::core::EmailAddress;
use mailtrail::core::event::Event;
use mailtrail::core::id::{Category, Kind};
use mailtrail::core::store::{Filter, Position};
use mailtrail::core::suppression::{Scope, Suppression};
use serde_json::json;

use crate::failure::Failure;
use crate::output;
use crate::setup::{Opened, Setup};

/// What to do with the list.
#[derive(Debug, Subcommand)]
pub(crate) enum Block {
    /// Put an address on the list.
    Add(Change),
    /// Take an address off the list. The block of another scope stays.
    Remove(Change),
    /// Show the list.
    List,
}

/// One change of the list.
#[derive(Debug, Args)]
pub(crate) struct Change {
    /// The address.
    address: String,
    /// For this type of broadcast only; for all if not given.
    #[arg(long)]
    kind: Option<Kind>,
    /// Who decides it.
    #[arg(long, env = "USER", default_value = "cli")]
    actor: String,
    /// Why.
    #[arg(long)]
    note: Option<String>,
}

impl Block {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        let opened = setup.open().await?;
        match self {
            Self::Add(change) => change.run(&opened, true).await,
            Self::Remove(change) => change.run(&opened, false).await,
            Self::List => list(&opened, setup.json).await,
        }
    }
}

impl Change {
    async fn run(self, opened: &Opened, block: bool) -> Result<(), Failure> {
        let address = EmailAddress::parse(&self.address).map_err(Failure::data)?;
        let scope = self.kind.map_or(Scope::AllKinds, Scope::Kind);
        let (tracker, note) = (&opened.tracker, self.note.as_deref());
        if block {
            tracker.block(&address, scope, &self.actor, note).await?;
        } else {
            tracker.unblock(&address, scope, &self.actor, note).await?;
        }
        Ok(())
    }
}

async fn list(opened: &Opened, as_json: bool) -> Result<(), Failure> {
    let mut addresses: std::collections::BTreeMap<String, Suppression> =
        std::collections::BTreeMap::new();
    let filter = Filter::all().category(Category::ADDRESS);
    let mut next = Some(Position::START);
    while let Some(after) = next {
        let page = opened.tracker.store().read_all(&filter, after, 1_000).await?;
        for envelope in &page.events {
            let is_entry = envelope.fact().is_ok_and(|fact| {
                matches!(fact.event, Event::AddressBlocked(_) | Event::AddressUnblocked(_))
            });
            let address = envelope.private().normal_address.filter(|_| is_entry);
            if let Some(address) = address {
                addresses.entry(address.into()).or_default().add(envelope);
            }
        }
        next = page.next;
    }
    for (address, list) in &addresses {
        for (scope, entry) in list.entries().filter(|(_, entry)| entry.blocked) {
            let since = entry.since.format("%Y-%m-%dT%H:%M:%SZ").to_string();
            if as_json {
                output::json(
                    &json!({ "address": address, "scope": scope, "cause": entry.cause, "since": since }),
                )?;
            } else {
                let scope = match scope {
                    Scope::AllKinds => "all types",
                    Scope::Kind(kind) => kind.as_str(),
                };
                output::line(format!(
                    "{address}  {scope}  since {since}: {}",
                    entry.cause.words()
                ))?;
            }
        }
    }
    Ok(())
}
