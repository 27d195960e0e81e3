//! `tail`: events as they are stored.

use clap::Args;
use mailtrail::core::event::EnvelopeLine;
use mailtrail::core::store::Filter;
use mailtrail::core::{Envelope, Position};

use crate::failure::Failure;
use crate::output;
use crate::setup::Setup;

/// Prints events as they are stored, until it is stopped.
#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Begin after this position; if not given, with what comes from now on.
    #[arg(long, value_name = "POSITION")]
    after: Option<u64>,
    /// Only events of these types.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// End after so many events.
    #[arg(long, value_name = "COUNT")]
    count: Option<u64>,
}

impl Tail {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        let opened = setup.open().await?;
        let share = opened.share()?;
        let store = &**opened.tracker.store();
        let mut at = match self.after {
            Some(position) => Position::new(position),
            None => store.head().await?.position,
        };
        let filter =
            self.types.iter().fold(Filter::all(), |filter, name| filter.event_type(name.as_str()));
        let mut left = self.count.unwrap_or(u64::MAX);
        while left > 0 {
            let page = store.read_all(&filter, at, PAGE).await?;
            for envelope in page.events.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
                print(envelope, setup.json)?;
                left -= 1;
            }
            at = page.scanned_to.max(at);
            if page.next.is_none() && left > 0 {
                store.changed(at).await?;
            }
        }
        drop(share);
        Ok(())
    }
}

fn print(envelope: &Envelope, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return Ok(output::json(&EnvelopeLine::from(envelope))?);
    }
    let (position, stream) = (envelope.position, envelope.stream);
    let at = envelope.recorded_at.format("%Y-%m-%d %H:%M:%S");
    let (name, source) = (envelope.event.event_type.as_str(), envelope.event.source.as_str());
    Ok(output::line(format!("{position:>9}  {at}  {name:<16} {source:<18} {stream}"))?)
}

/// Events read at once.
const PAGE: usize = 1_000;
