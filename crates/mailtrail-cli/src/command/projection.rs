//! `projection`: how far the kept states of reports are, and what to do where one stands still.

use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use mailtrail::core::projection::{Checkpoint, StateId, StateStore};
use mailtrail::projection::{Progress, resume, skip};

use crate::failure::Failure;
use crate::output;
use crate::setup::{Opened, Setup};

/// What is asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Projection {
    /// How far each one is, how fast it goes, and where one stands still.
    Status,
    /// Try the event again at which one stands still.
    Resume(Name),
    /// Leave out the event at which one stands still, for ever.
    Skip(Name),
}

#[derive(Debug, Args)]
pub(crate) struct Name {
    /// Its name, as `projection status` prints it.
    name: String,
}

impl Projection {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        let opened = setup.open().await?;
        let states = opened.tracker.states();
        let states = &**states.ok_or_else(|| Failure::other("this store keeps no states"))?;
        match self {
            Self::Status => status(&opened, states, setup.json).await,
            Self::Resume(Name { name }) => {
                let paused = resume(states, &find(states, &name)?)?;
                let paused =
                    paused.ok_or_else(|| Failure::data(format!("{name} is not paused")))?;
                let position = paused.position;
                Ok(output::line(format!(
                    "{name}: the event at position {position} is tried again"
                ))?)
            }
            Self::Skip(Name { name }) => {
                let paused = skip(states, &find(states, &name)?)?;
                let paused =
                    paused.ok_or_else(|| Failure::data(format!("{name} is not paused")))?;
                let (position, event) = (paused.position, paused.event);
                Ok(output::line(format!(
                    "{name}: event {event} at position {position} is left out from now on"
                ))?)
            }
        }
    }
}

/// The state of this name; the newest revision, if there are several.
fn find(states: &dyn StateStore, name: &str) -> Result<StateId, Failure> {
    let kept = states.states()?.into_iter().map(|(id, _)| id);
    let found = kept.filter(|id| &*id.name == name).max_by_key(|id| id.revision);
    found.ok_or_else(|| {
        Failure::data(format!("there is no projection {name}: see projection status"))
    })
}

async fn status(opened: &Opened, states: &dyn StateStore, as_json: bool) -> Result<(), Failure> {
    let head = opened.tracker.store().head().await?.position;
    let before = states.states()?;
    let since = Instant::now();
    if before.iter().any(|(_, kept)| kept.position < head && kept.paused.is_none()) {
        // Its speed shows between two looks.
        tokio::time::sleep(LOOK).await;
    }
    let elapsed = since.elapsed().as_secs_f64();
    for (id, kept) in states.states()? {
        let was = before.iter().find(|(other, _)| *other == id).map(|(_, kept)| kept.position);
        let moved = kept.position.get().saturating_sub(was.unwrap_or(kept.position).get());
        let moved = u32::try_from(moved).unwrap_or(u32::MAX);
        let mut progress = Progress::default();
        (progress.position, progress.head) = (kept.position, head.max(kept.position));
        progress.rate = f64::from(moved) / elapsed.max(f64::MIN_POSITIVE);
        progress.paused.clone_from(&kept.paused);
        print(&id, &kept, &progress, as_json)?;
    }
    Ok(())
}

fn print(
    id: &StateId,
    kept: &Checkpoint,
    progress: &Progress,
    as_json: bool,
) -> Result<(), Failure> {
    let left = progress.time_left();
    if as_json {
        return Ok(output::json(&serde_json::json!({
            "projection": id.name, "revision": id.revision, "position": kept.position,
            "lag": progress.lag(), "events_per_second": progress.rate.round(),
            "seconds_left": left.map(|left| left.as_secs()), "building": kept.building.is_some(),
            "paused": kept.paused, "skipped": kept.skipped,
        }))?);
    }
    let (position, skipped) = (kept.position, kept.skipped.len());
    let left_out = match skipped {
        0 => String::new(),
        1 => ", 1 event left out".to_owned(),
        count => format!(", {count} left out"),
    };
    Ok(output::line(format!("{id}: position {position}{}{left_out}", standing(kept, progress)))?)
}

/// What there is to say of it beside its place.
fn standing(kept: &Checkpoint, progress: &Progress) -> String {
    if kept.building.is_some() {
        return ", being built".to_owned();
    }
    if let Some(pause) = &kept.paused {
        let (position, event, why) = (pause.position, pause.event, &pause.why);
        return format!(", PAUSED at position {position}, event {event}: {why}");
    }
    if progress.lag() == 0 {
        return ", up to date".to_owned();
    }
    let left = progress.time_left();
    let left = left.map_or_else(String::new, |left| format!(", {} s left", left.as_secs()));
    format!(", {} behind, {:.0}/s{left}", progress.lag(), progress.rate)
}

const LOOK: Duration = Duration::from_millis(600);
