//! Inputs to answers, in the form of the corpora: anybody can measure us on a corpus of their own.

mod request;

use std::io::{BufRead, Write};

use anyhow::{Context as _, Result};
use mailtrail_bounce::{Phrases, Reader, Reading};
use mailtrail_classify::{Classifier, Reply};
use mailtrail_core::event::Agent;
use mailtrail_core::token::{Key, Keys};
use mailtrail_core::{Event, Status};
use serde_json::{Value, json};

/// Reads inputs and writes answers, one JSON object a line.
pub(crate) fn write(
    inputs: impl BufRead,
    mut answers: impl Write,
    classifier: &Classifier,
    phrases: &Phrases,
) -> Result<()> {
    let keys = Keys::new(Key::new(1, [0; 32]));
    let reader = Reader::new(classifier, &keys).phrases(phrases);
    for (index, line) in inputs.lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let sample: Value = serde_json::from_str(&line)
            .with_context(|| format!("line {} is no JSON", index + 1))?;
        writeln!(answers, "{}", answer(&sample, &reader, &keys, classifier))?;
    }
    Ok(())
}

fn answer(sample: &Value, reader: &Reader<'_>, keys: &Keys, classifier: &Classifier) -> Value {
    let (id, input) = (&sample["id"], &sample["input"]);
    let answered = match sample["kind"].as_str().unwrap_or_default() {
        "report" | "variant" => of_mail(&input["mail"], reader, classifier),
        "classify" => Ok(of_text(input["text"].as_str().unwrap_or_default(), classifier)),
        "webhook" | "verify" => request::answer(sample, keys, classifier),
        kind => Err(format!("{kind} is not read by this version")),
    };
    let mut answer = answered.unwrap_or_else(|error| json!({ "error": error }));
    answer["id"] = id.clone();
    answer
}

fn of_mail(mail: &Value, reader: &Reader<'_>, classifier: &Classifier) -> Result<Value, String> {
    let bytes = request::bytes(mail)?;
    // Only the times of events hang on it, and nobody asks for those.
    let now = chrono::DateTime::UNIX_EPOCH;
    let Reading { kind, recipients, .. } =
        reader.read(&bytes, None, now).map_err(|error| error.to_string())?;
    let of_recipient = |recipient: &mailtrail_bounce::Recipient| {
        let event = recipient.event(classifier);
        json!({
            "recipient": recipient.recipient,
            "status": recipient.enhanced_code.map(|code| code.to_string()),
            "class": class_of(&event),
            "rule": rule_of(&event),
            "source": recipient.rule,
            "diagnostic": recipient.diagnostic,
        })
    };
    let recipients: Vec<Value> = recipients.iter().map(of_recipient).collect();
    Ok(json!({ "kind": kind, "recipients": recipients }))
}

fn of_text(text: &str, classifier: &Classifier) -> Value {
    let reply = Reply::parse(text);
    let verdict = classifier.classify(&reply);
    let digit = reply.enhanced_code.map(|code| u16::from(code.class()));
    let digit = reply.reply_code.map(|code| code.get() / 100).or(digit);
    let class = match (digit, verdict.reason.final_status()) {
        (None, _) if !verdict.reason.is_known() && mailtrail_bounce::is_auto_reply(text) => {
            "auto_replied"
        }
        (Some(4), _) => "soft_bounced",
        (_, Status::Failed) => "failed",
        _ => "bounced",
    };
    json!({ "class": class, "rule": verdict.rule })
}

fn class_of(event: &Event) -> &'static str {
    match event {
        Event::Deferred(_) => "soft_bounced",
        Event::Bounced(bounced) if bounced.diagnosis.reason.final_status() == Status::Failed => {
            "failed"
        }
        Event::Bounced(_) => "bounced",
        Event::Complained(_) => "complained",
        Event::AutoReplied(_) => "auto_replied",
        Event::Unsubscribed(_) => "unsubscribed",
        Event::Delivered(_) => "delivered",
        Event::Sent(_) => "sent",
        Event::Suppressed(_) => "blocked",
        Event::Opened(opened) => class_of_agent(opened.agent),
        Event::Clicked(clicked) => class_of_agent(clicked.agent),
        _ => "none",
    }
}

fn class_of_agent(agent: Agent) -> &'static str {
    match agent {
        Agent::Human | Agent::Unknown => "opened",
        Agent::MailboxMachine => "delivered",
        _ => "none",
    }
}

fn rule_of(event: &Event) -> Option<&str> {
    match event {
        Event::Bounced(bounced) => bounced.diagnosis.rule.as_deref(),
        Event::Deferred(deferred) => deferred.diagnosis.rule.as_deref(),
        _ => None,
    }
}
