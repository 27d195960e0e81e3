//! `erase`: the right to be forgotten.

use clap::Args;
use mailtrail::audit::Erasure;
use mailtrail::core::ContactId;

use crate::failure::Failure;
use crate::output;
use crate::setup::Setup;

/// Erases what identifies a contact: lists it, then deletes it. Statuses, sums and the chain stay.
#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// The contact.
    contact: ContactId,
    /// Only list what would be erased.
    #[arg(long)]
    dry_run: bool,
}

impl Erase {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        let opened = setup.open().await?;
        let store = &**opened.tracker.store();
        let erasure = Erasure::find(store, &self.contact).await?;
        if setup.json {
            let events: Vec<_> = erasure.events.iter().map(ToString::to_string).collect();
            let raw: Vec<_> = erasure.raw.iter().map(ToString::to_string).collect();
            let unreadable: Vec<_> = erasure.unreadable.iter().map(ToString::to_string).collect();
            output::json(&serde_json::json!({
                "contact": self.contact, "events": events, "raw": raw, "unreadable": unreadable,
                "erased": !self.dry_run,
            }))?;
        } else {
            for event in &erasure.events {
                output::line(format!("event {event}"))?;
            }
            for raw in &erasure.raw {
                output::line(format!("raw body {raw}"))?;
            }
            for event in &erasure.unreadable {
                output::line(format!(
                    "can no longer be read again by better rules: event {event}"
                ))?;
            }
        }
        if self.dry_run {
            output::note("nothing is erased yet: run it without --dry-run");
            return Ok(());
        }
        let erased = erasure
            .erase(store, &*opened.raw, opened.tracker.states().map(|states| &**states))
            .await?;
        output::note(format!(
            "erased: the private part of {} events, {} raw bodies. Copies elsewhere are not reached.",
            erased.events, erased.raw
        ));
        Ok(())
    }
}
