//! `import`: an export taken in.

use std::path::PathBuf;

use clap::Args;
use mailtrail::audit::{import, restore};
use mailtrail::core::Position;

use crate::archive;
use crate::engine::Place;
use crate::failure::Failure;
use crate::output;
use crate::setup::Setup;

/// Imports an export. A store that is not there yet becomes what was exported: the same positions, versions,
/// times and chain. A store that is there gets what it doesn't know as further events.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The file; - is standard input.
    file: PathBuf,
    /// Go on with an import into a new store that was cut off.
    #[arg(long)]
    resume: bool,
}

impl Import {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        let bar = output::progress(None, "importing");
        let progress = |position: Position| bar.set_position(position.get());
        let lines = archive::read(&self.file)?;
        let is_new = |place: &Place| self.resume || !place.folder().exists();
        if let Some(place) = setup.place()?.filter(is_new) {
            let added = restore(lines, |namespace| place.restore(namespace), progress)?;
            bar.finish_and_clear();
            return print(setup.json, added, 0, &[]);
        }
        let opened = setup.open().await?;
        let report = import(&**opened.tracker.store(), lines, progress).await?;
        bar.finish_and_clear();
        let differs: Vec<String> = report.differs.iter().map(|d| d.event_id.to_string()).collect();
        print(setup.json, report.new, report.known, &differs)
    }
}

fn print(as_json: bool, new: u64, known: u64, differs: &[String]) -> Result<(), Failure> {
    if as_json {
        let report = serde_json::json!({ "new": new, "known": known, "differs": differs });
        return Ok(output::json(&report)?);
    }
    output::line(format!("{new} new events, {known} known before, {} differ", differs.len()))?;
    for event in differs {
        output::line(format!("differs: {event}: ours stays as it is"))?;
    }
    Ok(())
}
