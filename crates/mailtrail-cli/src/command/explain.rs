//! `explain`: the trail of a delivery, event by event.

use clap::Args;
use mailtrail::core::event::{Agent, Transcript};
use mailtrail::core::evidence::{Explanation, Step};
use mailtrail::core::{DeliveryId, EmailAddress};
use mailtrail::report::render::safe;
use mailtrail::webhook::track::Machines;

use crate::failure::Failure;
use crate::output;
use crate::setup::Setup;

/// Explains deliveries.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A delivery id, or an address: then all of its deliveries.
    what: String,
}

impl Explain {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        let opened = setup.open().await?;
        let deliveries: Vec<DeliveryId> = if let Ok(delivery) = self.what.parse() {
            vec![delivery]
        } else {
            let address = EmailAddress::parse(&self.what)
                .map_err(|_| Failure::data("give a delivery id, or the address of a recipient"))?;
            opened.tracker.email_log().await?.deliveries_to(address.normal())?
        };
        let mut found = false;
        for delivery in deliveries {
            let explanation = opened.tracker.explain(delivery).await?;
            if explanation.steps.is_empty() {
                continue;
            }
            found = true;
            if setup.json {
                let mut value = serde_json::to_value(&explanation)?;
                value["delivery"] = serde_json::to_value(delivery)?;
                output::json(&value)?;
            } else {
                print(delivery, &explanation)?;
            }
        }
        if found {
            Ok(())
        } else {
            Err(Failure::data("nothing is known about this delivery or address"))
        }
    }
}

fn print(delivery: DeliveryId, explanation: &Explanation) -> Result<(), Failure> {
    output::line(format!("{} · delivery {delivery}", explanation.status))?;
    output::line(format!("  {}", explanation.status.sentence()))?;
    for step in &explanation.steps {
        output::line(line(step, explanation))?;
        if let Some(read) = reading(step) {
            output::line(read)?;
        }
        if let Some(transcript) = &step.transcript {
            conversation(transcript, &step.replies)?;
        } else if let Some(text) = &step.text {
            output::line(format!("        “{}”", safe(text)))?;
        }
    }
    for attempt in &explanation.in_doubt {
        output::line(format!("  Attempt {attempt} is in doubt: no outcome is known."))?;
    }
    if !explanation.contradictions.is_empty() {
        output::line(
            "  Marked ! speaks against the status: it counts as evidence, and moves nothing back.",
        )?;
    }
    if explanation.foreign > 0 {
        output::line(format!(
            "  {} events of types that this version doesn't know: the status may be higher.",
            explanation.foreign
        ))?;
    }
    output::line("")?;
    Ok(())
}

fn line(step: &Step, explanation: &Explanation) -> String {
    let mark = match (step.contradicts, explanation.decided_by == Some(step.event_id)) {
        (true, _) => '!',
        (_, true) => '*',
        (false, false) => ' ',
    };
    let when = step.occurred_at.unwrap_or(step.recorded_at).format("%Y-%m-%d %H:%M:%S");
    let authenticity = serde_json::to_value(&step.authenticity).unwrap_or_default();
    let how = authenticity.as_str().map_or_else(
        || authenticity.as_object().and_then(|o| o.keys().next().cloned()).unwrap_or_default(),
        str::to_owned,
    );
    let moved = if step.before == step.after {
        String::new()
    } else {
        format!(", {} → {}", step.before, step.after)
    };
    let (position, name, source) = (step.position, &step.event_type, &step.source);
    format!("  {mark} {position:>6} {when} {name:<12} by {source} ({how}){moved}")
}

/// With whom an attempt talked, and each reply to it.
fn conversation(transcript: &Transcript, texts: &[Box<str>]) -> Result<(), Failure> {
    let address = transcript.address.map(|address| format!("with {address}"));
    let tls = transcript.tls.as_ref().map_or("in clear".to_owned(), |tls| {
        let whose = if tls.verified { "certificate good" } else { "certificate not good" };
        format!("{} ({whose})", safe(&tls.version))
    });
    if let Some(address) = address {
        output::line(format!("        {address}, {tls}"))?;
    }
    for (n, said) in transcript.replies.iter().enumerate() {
        let code = said.reply_code.map_or_else(String::new, |code| format!(" {code}"));
        let enhanced = said.enhanced_code.map_or_else(String::new, |code| format!(" {code}"));
        let text = texts.get(n).map_or("", |text| text);
        output::line(format!("        {}:{code}{enhanced} “{}”", said.stage.name(), safe(text)))?;
    }
    Ok(())
}

/// How it was read, and by which rule of which version.
fn reading(step: &Step) -> Option<String> {
    if let Some(agent) = step.agent {
        return Some(opener(step, agent));
    }
    let reason = step.reason?;
    let rule = step.rule.as_deref().map_or_else(String::new, |rule| {
        let version = step.rules_version.as_deref().map(|version| format!(", rules {version}"));
        format!(" by rule {}{}", safe(rule), safe(version.as_deref().unwrap_or_default()))
    });
    Some(format!("        read as {reason}{rule}"))
}

/// Who opened or clicked, by which rule, and what that rule goes by.
fn opener(step: &Step, agent: Agent) -> String {
    let machines = Machines::builtin();
    let rule = step.rule.as_deref().map_or_else(String::new, |rule| {
        let version = step.rules_version.as_deref().map(|version| format!(", machines {version}"));
        let why = machines.why(rule).map(|why| format!(": {why}")).unwrap_or_default();
        format!(" by rule {}{}{why}", safe(rule), safe(version.as_deref().unwrap_or_default()))
    });
    format!("        {}{rule}", agent.words())
}
