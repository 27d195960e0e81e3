//! `rebuild`: the kept states of reports, anew from the events.

use std::sync::Arc;

use clap::Args;
use mailtrail::Tracker;
use mailtrail::core::Position;
use mailtrail::core::projection::{Checkpoint, Parted, Projection, StateDigest};
use mailtrail::projection::{Progress, RunError, Runner};
use mailtrail::report::{BroadcastSummary, EmailLog, Trails};

use crate::failure::Failure;
use crate::output;
use crate::setup::{Opened, Setup};

/// Builds the states of the reports anew from the events, with all cores.
#[derive(Debug, Args)]
pub(crate) struct Rebuild {
    /// Change nothing: build them anew beside the kept ones, and compare.
    #[arg(long)]
    check: bool,
}

impl Rebuild {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        let opened = setup.open().await?;
        self.one(&opened, setup, EmailLog).await?;
        self.one(&opened, setup, BroadcastSummary).await?;
        self.one(&opened, setup, Trails).await
    }

    async fn one<P>(&self, opened: &Opened, setup: &Setup, projection: P) -> Result<(), Failure>
    where
        P: Projection + Copy,
        P::State: Parted,
    {
        let runner = runner(opened, projection)?;
        let name = projection.name();
        let bar = output::progress(Some(0), name);
        let mut told = |progress: Progress| {
            bar.set_length(progress.head.get());
            bar.set_position(progress.position.get());
        };
        let caught_up = if self.check {
            runner.catch_up(&mut told).await
        } else {
            runner.rebuild(&mut told).await
        };
        match caught_up {
            Err(RunError::BeingBuilt) => {
                return Err(Failure::again(format!("{name} is being built by another process")));
            }
            caught_up => caught_up?,
        };
        let (kept, checkpoint) = digest(&runner)?;
        if self.check {
            bar.set_position(0);
            check(&runner, kept, &checkpoint, &|at| bar.set_position(at.get())).await?;
        }
        bar.finish_and_clear();
        print(setup, name, checkpoint.position.get(), kept, self.check)
    }
}

/// Brings a kept state up to date, and fails unless it is what the events give: its digest.
pub(crate) async fn checked<P>(tracker: &Tracker, projection: P) -> Result<StateDigest, Failure>
where
    P: Projection,
    P::State: Parted,
{
    let runner = runner_of(tracker, projection)?;
    runner.catch_up(&mut |_| ()).await?;
    let (kept, checkpoint) = digest(&runner)?;
    check(&runner, kept, &checkpoint, &|_| ()).await?;
    Ok(kept)
}

fn digest<P>(runner: &Runner<P>) -> Result<(StateDigest, Checkpoint), Failure>
where
    P: Projection,
    P::State: Parted,
{
    let discarded = || Failure::again(format!("{} was discarded meanwhile", runner.id().name));
    runner.digest()?.ok_or_else(discarded)
}

async fn check<P>(
    runner: &Runner<P>,
    kept: StateDigest,
    checkpoint: &Checkpoint,
    progress: &(dyn Fn(Position) + Sync),
) -> Result<(), Failure>
where
    P: Projection,
    P::State: Parted,
{
    let anew = runner.digest_anew(checkpoint, progress).await?;
    if anew == kept {
        return Ok(());
    }
    let name = runner.id().name;
    Err(Failure::other(format!(
        "{name}: the kept state is not what the events give ({kept}, not {anew}): run rebuild, and please report this"
    )))
}

/// The runner of a report.
pub(crate) fn runner<P>(opened: &Opened, projection: P) -> Result<Runner<P>, Failure>
where
    P: Projection,
    P::State: Parted,
{
    runner_of(&opened.tracker, projection)
}

fn runner_of<P>(tracker: &Tracker, projection: P) -> Result<Runner<P>, Failure>
where
    P: Projection,
    P::State: Parted,
{
    let store = Arc::clone(tracker.store());
    let states = tracker.states();
    let states = states.ok_or_else(|| Failure::other("this store keeps no states of reports"))?;
    Ok(Runner::parted(store, Arc::clone(states), projection))
}

fn print(
    setup: &Setup,
    name: &str,
    position: u64,
    digest: StateDigest,
    checked: bool,
) -> Result<(), Failure> {
    if setup.json {
        return Ok(output::json(&serde_json::json!({
            "projection": name, "position": position, "digest": digest.to_string(),
            "checked": checked,
        }))?);
    }
    let what = if checked { "equal to what the events give" } else { "built anew" };
    Ok(output::line(format!("{name}: {what}, up to position {position}, digest {digest}"))?)
}
