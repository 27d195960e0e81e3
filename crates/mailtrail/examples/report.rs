//! A report of your own: emergency messages not opened within 30 minutes, by school (a label).
//!
//! `cargo run -p mailtrail --features html,parquet --example report` writes it as a page, and as Parquet.

use std::collections::BTreeMap;
use std::io::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use mailtrail::core::correlation::Correlation;
use mailtrail::core::event::{Agent, Envelope, Opened, Sent, Source};
use mailtrail::core::id::{Category, Identity};
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::core::projection::{ApplyError, AsOf, Projection};
use mailtrail::core::store::Filter;
use mailtrail::core::token::SeenIn;
use mailtrail::core::{DeliveryId, Event, EventId, Feedback};
use mailtrail::memory::MemoryStore;
use mailtrail::prelude::*;
use mailtrail::report::sheet::{Chart, Column, Kind, Sheet};
use mailtrail::report::{Rate, render};

/// When emergency messages were sent and first opened.
struct LateOpens;

/// By delivery.
type Watched = BTreeMap<DeliveryId, Watch>;

#[derive(Debug, Default)]
struct Watch {
    /// The school of who was planned to get an emergency message.
    school: Option<String>,
    sent: Option<DateTime<Utc>>,
    opened: Option<DateTime<Utc>>,
}

impl Projection for LateOpens {
    type State = Watched;

    fn name(&self) -> &'static str {
        "late_opens"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn filter(&self) -> Filter {
        Filter::all().category(Category::DELIVERY)
    }

    fn apply(&self, envelope: &Envelope, state: &mut Watched) -> Result<(), ApplyError> {
        let (Some(delivery), Ok(fact)) = (envelope.stream.as_delivery(), envelope.fact()) else {
            return Ok(());
        };
        let watch = state.entry(delivery).or_default();
        let at = envelope.event.occurred_at.unwrap_or(envelope.recorded_at);
        // The earliest of each, so that the order in which events come makes no difference.
        let earliest =
            |of: &mut Option<DateTime<Utc>>| *of = Some(of.map_or(at, |own| own.min(at)));
        match fact.event {
            Event::Queued(_) if fact.event.row().is_some_and(|row| row.kind.is_emergency()) => {
                watch.school = envelope.private().labels.get("school").cloned();
            }
            Event::Sent(_) => earliest(&mut watch.sent),
            Event::Opened(opened) if matches!(opened.agent, Agent::Human | Agent::Unknown) => {
                earliest(&mut watch.opened);
            }
            _ => {}
        }
        Ok(())
    }
}

/// What people see of it: a row for each school. All renderings are made of this.
fn sheet(watched: &Watched) -> Sheet {
    let mut schools: BTreeMap<&str, Rate> = BTreeMap::new();
    for watch in watched.values() {
        let (Some(school), Some(sent)) = (&watch.school, watch.sent) else { continue };
        let late = watch.opened.is_none_or(|opened| opened - sent > TimeDelta::minutes(30));
        let rate = schools.entry(school).or_insert(Rate::new(0, 0));
        *rate = Rate::new(rate.count + u64::from(late), rate.of + 1);
    }
    let columns = [
        Column::new("school", "School", Kind::Text),
        Column::new("late", "Not Opened Within 30 Minutes", Kind::Rate),
    ];
    let mut sheet = Sheet::new("late_opens", "Emergency messages opened late", columns);
    for (school, rate) in &schools {
        sheet.push([(*school).into(), (*rate).into()]);
    }
    sheet.charts.push(Chart::bars(
        "Opened late",
        schools.iter().map(|(school, rate)| (*school, rate.count)),
    ));
    sheet
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sent_at = DateTime::from_timestamp(1_700_000_000, 0).ok_or("no such time")?;
    let clock = move || sent_at + TimeDelta::hours(1);
    let tracker = Tracker::builder(MemoryStore::new()).clock(clock).open();
    let contacts = ["North", "North", "South"].into_iter().enumerate().map(|(number, school)| {
        let id = format!("c{number}").parse()?;
        let address = ContactAddress::new(format!("person{number}@parents.example"));
        Ok::<_, Box<dyn std::error::Error>>(
            Contact::new(id).address(address).label("school", school),
        )
    });
    let snow_day = Broadcast::new("snow-day".parse()?, "emergency".parse()?);
    tracker.plan(snow_day, contacts.collect::<Result<Vec<_>, _>>()?).await?;

    // Two of three open it, one of them in time.
    let mut queued = tracker.queued("snow-day".parse()?);
    let mut number = 0_u8;
    while let Some(delivery) = queued.next().await? {
        let fact = |event: Event, kind: u8, minutes: i64| {
            let correlation = Correlation::Token {
                delivery: delivery.id(),
                key_id: 1,
                seen_in: SeenIn::Metadata,
            };
            let identity = Identity::Observed(EventId::from_bytes([number * 2 + kind; 16]));
            let at = sent_at + TimeDelta::minutes(minutes);
            Feedback::new(correlation, event, identity, Source::known("example"))
                .claimed_at(Some(at), clock())
        };
        let mut facts = vec![fact(Sent::default().into(), 0, 0)];
        if number < 2 {
            facts.push(fact(Opened::default().into(), 1, 5 + 40 * i64::from(number)));
        }
        tracker.record(facts).await?;
        number += 1;
    }

    let reported = tracker.as_of(&LateOpens, &AsOf::Now).await?;
    let late = sheet(&reported.state);
    assert_eq!(
        render::json(&late)?,
        "{\"school\":\"North\",\"late\":{\"count\":1,\"of\":2}}\n\
         {\"school\":\"South\",\"late\":{\"count\":1,\"of\":1}}\n"
    );
    std::io::stdout().write_all(render::table(&late, None).as_bytes())?;
    let footer = render::Footer::new(reported.head, "now", "my service 1.0");
    let folder = std::env::temp_dir();
    std::fs::write(
        folder.join("late.html"),
        render::html("Late opens", std::slice::from_ref(&late), &footer),
    )?;
    std::fs::write(folder.join("late.parquet"), render::parquet(&late, &footer)?)?;
    Ok(())
}
