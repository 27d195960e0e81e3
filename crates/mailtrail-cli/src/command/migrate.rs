//! `migrate`: a store moved to another, and compared.

use std::path::Path;

use clap::Args;
use mailtrail::Tracker;
use mailtrail::audit::{Finding, verify_store};
use mailtrail::core::projection::{Checkpoint, Projection, StateId};
use mailtrail::core::store::Filter;
use mailtrail::core::{EventStore, Position};
use mailtrail::fjall::FjallRaw;
use mailtrail::report::render::{Cells, csv};
use mailtrail::report::{BroadcastSummary, EmailLog, EmailLogRow, Query, Trails};

use crate::command::rebuild::checked;
use crate::engine::Place;
use crate::failure::Failure;
use crate::output;
use crate::setup::Setup;

/// Moves a store: every record with its position, version, times and hash, then verifies it, builds the kept states
/// of its reports, checks them as `rebuild --check` does, and compares the reports. Run it again to go on after an interruption. The source stays as it is.
#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// The store to read.
    #[arg(long, value_name = "STORE")]
    from: String,
    /// The new store.
    #[arg(long, value_name = "STORE")]
    to: String,
}

impl Migrate {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        let (source, target) = (setup.at(&self.from), setup.at(&self.to));
        let place = target.place()?;
        let place = place.ok_or_else(|| Failure::data("--to must be a store on disk"))?;
        let opened = source.open().await?;
        let store = opened.tracker.store();
        let head = store.head().await?;
        let bar = output::progress(Some(head.position.get()), "migrating");
        copy(&**store, &place, |at| bar.set_position(at.get())).await?;
        bar.finish_and_clear();
        if let Some(from) = source.place()? {
            copy_raw(from.folder(), place.folder()).await?;
        }
        let (target, states) = place.open()?;
        let moved = Tracker::shared(target).states(states).open();
        let verified = verify_store(&**moved.store(), Some(head), |_| ()).await?;
        if verified.finding != Finding::Intact || verified.head != head {
            return Err(Failure::other("the new store is not what was read: throw it away"));
        }
        leave_out(&opened.tracker, &moved, &EmailLog)?;
        leave_out(&opened.tracker, &moved, &BroadcastSummary)?;
        leave_out(&opened.tracker, &moved, &Trails)?;
        let digests = [
            (EmailLog.name(), checked(&moved, EmailLog).await?),
            (BroadcastSummary.name(), checked(&moved, BroadcastSummary).await?),
            (Trails.name(), checked(&moved, Trails).await?),
        ];
        if report(&opened.tracker).await? != report(&moved).await? {
            return Err(Failure::other("the reports of both stores differ: please report this"));
        }
        let (position, hash) = (head.position, head.hash);
        if setup.json {
            let records = verified.records;
            let head = format!("{hash}@{position}");
            let checked = digests.map(|(name, digest)| {
                serde_json::json!({ "projection": name, "digest": digest.to_string() })
            });
            let moved = serde_json::json!({ "records": records, "head": head, "checked": checked });
            return Ok(output::json(&moved)?);
        }
        output::line(format!("{} records, verified; the reports are equal", verified.records))?;
        for (name, digest) in digests {
            output::line(format!("{name}: equal to what the events give, digest {digest}"))?;
        }
        output::line(format!("head: {hash}@{position}"))?;
        Ok(())
    }
}

async fn copy(
    store: &dyn EventStore,
    place: &Place,
    progress: impl Fn(Position),
) -> Result<(), Failure> {
    let mut restore = place.restore(store.namespace())?;
    let mut next = Some(restore.head().position);
    while let Some(after) = next {
        let page = store.read_all(&Filter::all(), after, PAGE).await?;
        restore.append(&page.events)?;
        progress(page.scanned_to);
        next = page.next;
    }
    Ok(())
}

/// The raw bodies are named by their hash: what is there already is the same.
async fn copy_raw(from: &Path, to: &Path) -> Result<(), Failure> {
    let open = |folder: &Path| FjallRaw::open(folder.join("raw"));
    open(from)?.copy_to(&open(to)?).await?;
    Ok(())
}

/// What someone chose to leave out of a report stays left out.
fn leave_out<P: Projection>(from: &Tracker, to: &Tracker, projection: &P) -> Result<(), Failure> {
    let id = StateId::new(projection.name(), projection.revision());
    let (Some(from), Some(to)) = (from.states(), to.states()) else { return Ok(()) };
    let skipped = from.checkpoint(&id)?.map(|kept| kept.skipped).unwrap_or_default();
    if skipped.is_empty() || to.checkpoint(&id)?.is_some() {
        return Ok(());
    }
    let mut begun = Checkpoint::default();
    (begun.skipped, begun.behind) = (skipped, true);
    Ok(to.save(&id, None, Vec::new(), &begun)?)
}

async fn report(tracker: &Tracker) -> Result<Vec<u8>, Failure> {
    let rows = tracker.email_log().await?.rows(&Query::default())?;
    Ok(csv(&EmailLogRow::sheet(&rows), Cells::Raw)?)
}

/// Records copied at once.
const PAGE: usize = 4_096;
