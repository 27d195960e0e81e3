//! *Why* and *What To Do*, in plain words: the sentences are core's, the numbers the evidence's.

use chrono::{DateTime, TimeDelta, Utc};
use mailtrail_core::event::{Agent, Reading, SuppressedBy};
use mailtrail_core::evidence::Why;
use mailtrail_core::{Evidence, Status};

/// Why a row has its status, for whoever looks at this time.
pub(crate) fn why(evidence: &Evidence, now: Option<DateTime<Utc>>) -> String {
    let words = match evidence.status() {
        Status::Unsent => unsent(evidence),
        Status::Sent => sent(evidence),
        Status::SoftBounced => soft_bounced(evidence, now),
        Status::Blocked => blocked(evidence),
        Status::Bounced | Status::Failed => failed(evidence),
        Status::Delivered => delivered(evidence),
        Status::Opened => opened(evidence),
        status @ (Status::NoEmailSelected | Status::Duplicate) => status.sentence().to_owned(),
    };
    let refusals = evidence.contradictions().len();
    let yet = match refusals {
        0 => String::new(),
        1 => " Yet a report says that it bounced: see the trail.".into(),
        _ => " Yet reports say that it bounced: see the trail.".into(),
    };
    let foreign = match evidence.foreign() {
        0 => String::new(),
        1 => " 1 event of a type that this version doesn't know: the status may be higher.".into(),
        count => format!(
            " {count} events of types that this version doesn't know: the status may be higher."
        ),
    };
    format!("{words}{yet}{foreign}")
}

/// When they will say something else though nothing comes, if they will.
pub(crate) fn change_at(evidence: &Evidence, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let waits = evidence.status() == Status::SoftBounced && evidence.deferred().is_some();
    let last = evidence.last_at().filter(|_| waits)?;
    let days = now.signed_duration_since(last).num_days().saturating_add(1).max(SILENT_DAYS);
    last.checked_add_signed(TimeDelta::try_days(days)?)
}

/// What to do about it; empty where there is nothing to do.
pub(crate) fn what_to_do(evidence: &Evidence) -> &'static str {
    match evidence.status() {
        Status::Bounced | Status::Failed => {
            evidence.current_reason().map_or("", |reason| reason.advice())
        }
        Status::NoEmailSelected => "Ask the contact for an address for this type of broadcast.",
        Status::Blocked => "Unblock the address if the contact agrees.",
        Status::Unsent if evidence.in_doubt().next().is_some() => {
            "Send again, if a second copy does no harm."
        }
        Status::Unsent
        | Status::Duplicate
        | Status::Sent
        | Status::SoftBounced
        | Status::Delivered
        | Status::Opened => "",
    }
}

fn unsent(evidence: &Evidence) -> String {
    if evidence.in_doubt().next().is_some() {
        return "An attempt is in doubt: the message may have been taken, or not.".into();
    }
    Status::Unsent.sentence().into()
}

fn sent(evidence: &Evidence) -> String {
    Status::Sent.sentence().replacen("Handed over", &handed_over(evidence), 1)
}

fn handed_over(evidence: &Evidence) -> String {
    match evidence.deferrals() {
        0 => "Handed over".into(),
        1 => "Handed over after a failed attempt".into(),
        failed => format!("Handed over after {failed} failed attempts"),
    }
}

fn soft_bounced(evidence: &Evidence, now: Option<DateTime<Utc>>) -> String {
    let Some((last, deferral)) = evidence.deferred() else { return reason(evidence) };
    // A relay that reports a delay after it took the message is still trying.
    let was_taken = evidence.is_sent() && last <= evidence.sent_at();
    let silence = now.and_then(|now| silence(evidence, now));
    match silence {
        Some(silence) if was_taken => return format!("{}, {silence}.", handed_over(evidence)),
        Some(silence) => return format!("{} There is {silence}.", reason(evidence)),
        None if was_taken => return format!("{}, no word since.", handed_over(evidence)),
        None => {}
    }
    let tried = last.map(|at| format!("last tried {}", minute(at)));
    let next = deferral.next_attempt.map(|at| format!("next try {}", minute(at)));
    let times: Vec<String> = tried.into_iter().chain(next).collect();
    let times = if times.is_empty() { String::new() } else { format!(": {}", times.join(", ")) };
    format!("{} It is still tried{times}.", reason(evidence))
}

/// How long nobody has said anything, if it is long.
fn silence(evidence: &Evidence, now: DateTime<Utc>) -> Option<String> {
    let last = evidence.last_at()?;
    let days = now.signed_duration_since(last).num_days();
    (days >= SILENT_DAYS).then(|| format!("no news since {} ({days} days)", minute(last)))
}

fn blocked(evidence: &Evidence) -> String {
    let Some((why, (by, cause, since))) = evidence.why().and_then(|why| Some((why, why.blocked?)))
    else {
        return Status::Blocked.sentence().into();
    };
    let list = match by {
        SuppressedBy::Provider => "the provider's own list",
        _ => "the Blocked Email list",
    };
    let since = since.map_or_else(String::new, |at| format!(" since {}", minute(at)));
    let codes = codes(why).map_or_else(String::new, |codes| format!(" ({codes})"));
    format!("The address is on {list}{since}: {}{codes}.", cause.words())
}

fn failed(evidence: &Evidence) -> String {
    let words = reason(evidence);
    match evidence.corrected_reason() {
        Some(corrected) => {
            format!("{words} (Since corrected: {}.)", corrected.name().replace('_', " "))
        }
        None => words,
    }
}

fn delivered(evidence: &Evidence) -> String {
    let arrived = if evidence.is_confirmed() {
        Status::Delivered.sentence()
    } else if evidence.complained().is_some() {
        "The recipient complained about it, so it arrived."
    } else if evidence.auto_replied().is_some() {
        "An automatic answer came, so it arrived."
    } else {
        "What came back shows that it arrived."
    };
    if evidence.opens().machine > 0 {
        return format!("{arrived} So far it was opened by a machine only.");
    }
    arrived.to_owned()
}

fn opened(evidence: &Evidence) -> String {
    let first = evidence.why().and_then(|why| why.agent);
    let words = match first {
        Some(Agent::Unknown) => "It was opened, by a person as far as anyone can tell.",
        _ => Status::Opened.sentence(),
    };
    match evidence.decided_by().and_then(|moment| evidence.current_reading(moment.event)) {
        Some(Reading::Agent(agent)) if first != Some(agent) => {
            format!("{words} (Since corrected: {}.)", agent.words())
        }
        _ => words.to_owned(),
    }
}

fn reason(evidence: &Evidence) -> String {
    let Some(why) = evidence.why() else { return String::new() };
    let sentence = why.reason.map_or_else(|| evidence.status().sentence(), |r| r.sentence());
    match codes(why) {
        Some(codes) => format!("{} ({codes}).", sentence.trim_end_matches('.')),
        None => sentence.to_owned(),
    }
}

fn codes(why: &Why) -> Option<String> {
    let reply = why.reply_code.map(|code| code.to_string());
    let enhanced = why.enhanced_code.map(|code| code.to_string());
    let codes: Vec<String> = reply.into_iter().chain(enhanced).collect();
    (!codes.is_empty()).then(|| codes.join(" "))
}

fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// After so many days without news nobody is taken to be still trying.
const SILENT_DAYS: i64 = 5;
