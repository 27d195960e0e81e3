//! `reclassify`: old facts, read again by today's rules.

use clap::Args;
use mailtrail::core::Status;
use mailtrail::core::event::Reading;
use mailtrail::reclassify::{Change, LeftAlone, RowChange, Sum};
use mailtrail::report::render::safe;
use mailtrail::webhook::track::Machines;
use serde_json::json;

use crate::failure::Failure;
use crate::output;
use crate::setup::Setup;

/// Reads all failures again by today's rules, hits by today's table of machines, and unread mails by today's reader:
/// shows what would move.
#[derive(Debug, Args)]
pub(crate) struct Reclassify {
    /// Only show it, as without --yes.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Append the new readings. The old ones stay as evidence.
    #[arg(long)]
    yes: bool,
    /// Who wants it.
    #[arg(long, env = "USER", default_value = "cli")]
    actor: String,
}

impl Reclassify {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        let opened = setup.open().await?;
        // It may take long: others use the store meanwhile.
        let _share = opened.share()?;
        let classifier = opened.classifier()?;
        let machines = Machines::builtin();
        let plan = opened.tracker.reclassify(&classifier).unread(&*opened.raw, &opened.keys);
        let mut plan = plan.hits(&machines);
        let (mut sum, mut applied, mut batch) = (Sum::default(), 0, Vec::new());
        let progress = output::progress(None, "reading again");
        while let Some(change) = plan.next().await? {
            print(&change, setup.json)?;
            progress.inc(1);
            sum.count(&change);
            if self.yes {
                batch.push(change);
            }
            if batch.len() == BATCH {
                applied += plan.apply(std::mem::take(&mut batch), &self.actor).await?;
            }
        }
        progress.finish_and_clear();
        applied += plan.apply(batch, &self.actor).await?;
        let left_alone = *plan.left_alone();
        if setup.json {
            return print_json(&sum, &left_alone, applied);
        }
        for line in sentences(&sum, &left_alone) {
            output::line(line)?;
        }
        if self.yes {
            output::note(format!("{applied} events appended; the old readings stay as evidence"));
        } else if sum.changes > 0 {
            output::note("nothing is changed: run it with --yes to apply this");
        }
        Ok(())
    }
}

fn print(change: &Change, as_json: bool) -> Result<(), Failure> {
    if as_json {
        let rows = change.rows.iter().map(|row| {
            json!({
                "delivery": row.delivery,
                "broadcast": row.broadcast,
                "contact_id": row.contact_id,
                "email_address": row.address,
                "before": row.before,
                "after": row.after,
                "another_reason": row.another_reason,
                "corrected": row.corrected,
                "other_opens": row.other_opens,
            })
        });
        return Ok(output::json(&json!({
            "event": change.of,
            "position": change.position,
            "type": change.event_type,
            "before": reading(change.before, change.rule_before.as_deref()),
            "after": reading(change.after, change.rule_after.as_deref()),
            "rows": rows.collect::<Vec<_>>(),
        }))?);
    }
    let name = |reading: Option<Reading>| match reading {
        Some(Reading::Reason(reason)) => reason.name(),
        Some(Reading::Agent(agent)) => agent.name(),
        _ => "–",
    };
    let rule = |rule: &Option<Box<str>>| rule.as_deref().unwrap_or("–").to_owned();
    let reading = format!(
        "{} {} → {} ({} → {})",
        change.event_type,
        name(change.before),
        name(change.after),
        rule(&change.rule_before),
        rule(&change.rule_after)
    );
    if change.rows.is_empty() {
        output::line(format!("no row (position {}): {reading}", change.position))?;
    }
    for row in &change.rows {
        let RowChange { contact_id, broadcast, address, .. } = row;
        let (contact, broadcast, address) = (safe(contact_id), safe(broadcast), safe(address));
        output::line(format!("{contact} {broadcast} {address}: {reading}; {}", status(row)))?;
    }
    Ok(())
}

/// A failure has a reason, an open or click an agent.
fn reading(reading: Option<Reading>, rule: Option<&str>) -> serde_json::Value {
    match reading {
        Some(Reading::Agent(agent)) => json!({ "agent": agent, "rule": rule }),
        Some(Reading::Reason(reason)) => json!({ "reason": reason, "rule": rule }),
        _ => json!({ "reason": null, "rule": rule }),
    }
}

fn status(row: &RowChange) -> String {
    match (row.before == row.after, row.corrected) {
        (false, _) => format!("{} → {}", row.before, row.after),
        (true, true) => format!("stays {}, since corrected", row.after),
        (true, false) => format!("stays {}", row.after),
    }
}

/// What it comes to, in people's words.
fn sentences(sum: &Sum, left_alone: &LeftAlone) -> Vec<String> {
    let mut moves: Vec<String> =
        sum.moved.iter().map(|((before, after), count)| moved(*count, *before, *after)).collect();
    if sum.another_reason > 0 {
        moves.push(format!("{} another reason", rows(sum.another_reason, "gets", "get")));
    }
    if sum.other_opens > 0 {
        moves.push(format!(
            "{} opens or clicks otherwise",
            rows(sum.other_opens, "counts its", "count their")
        ));
    }
    if moves.is_empty() {
        moves.push("no row changes".to_owned());
    }
    let mut lines = vec![moves.join("; ")];
    let LeftAlone { erased, outranked, mails, mails_gone, not_by_rules, .. } = *left_alone;
    for (count, words) in [
        (sum.corrected, "of these stay Failed although the address is no longer thought invalid"),
        (sum.unseen, "changes show in no row: earlier attempts, and what matches no delivery"),
        (sum.from_mails, "changes are what mails say that nobody could read when they came"),
        (not_by_rules, "failures stay: a port or provider decided, and no rules of ours"),
        (erased, "failures and hits stay: what they were read by was erased"),
        (
            outranked,
            "failures and hits stay: rules of a higher rank read them again; raise the version of yours",
        ),
        (mails, "unread mails still are no feedback"),
        (mails_gone, "unread mails are no longer there"),
    ] {
        if count > 0 {
            lines.push(format!("  {count} {words}"));
        }
    }
    lines
}

fn moved(count: u64, before: Status, after: Status) -> String {
    format!("{} from {before} to {after}", rows(count, "moves", "move"))
}

fn rows(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 row {one}") } else { format!("{count} rows {many}") }
}

fn print_json(sum: &Sum, left_alone: &LeftAlone, applied: usize) -> Result<(), Failure> {
    let moved = sum
        .moved
        .iter()
        .map(|((before, after), rows)| json!({ "before": before, "after": after, "rows": rows }));
    Ok(output::json(&json!({
        "changes": sum.changes,
        "moved": moved.collect::<Vec<_>>(),
        "another_reason": sum.another_reason,
        "corrected": sum.corrected,
        "other_opens": sum.other_opens,
        "unseen": sum.unseen,
        "from_mails": sum.from_mails,
        "left_alone": {
            "same": left_alone.same,
            "not_by_rules": left_alone.not_by_rules,
            "erased": left_alone.erased,
            "outranked": left_alone.outranked,
            "mails": left_alone.mails,
            "mails_gone": left_alone.mails_gone,
        },
        "applied": applied,
    }))?)
}

/// Changes appended at once.
const BATCH: usize = 256;
