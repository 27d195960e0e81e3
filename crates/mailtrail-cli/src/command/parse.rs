//! `parse`: what a port makes of bytes. No store and no side effect: one JSON object a recipient or
//! event.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use mailtrail::bounce::Reader as BounceReader;
use mailtrail::classify::Classifier;
use mailtrail::core::Feedback;
use mailtrail::core::correlation::Correlation;
use mailtrail::core::diagnosis::Diagnosis;
use mailtrail::core::event::{Authenticity, Event};
use mailtrail::core::token::{Key, Keys};
use mailtrail::log::MOST_LINE_BYTES;
use mailtrail::webhook::Request;
use mailtrail::webhook::provider::{Reader, Refused, read_verified, receive};
use serde_json::{Value, json};

use crate::command::ingest::read;
use crate::command::ingest_log::What;
use crate::command::provider::Shown;
use crate::failure::Failure;
use crate::lines::{self, Lines};
use crate::output;
use crate::provider::Webhook;
use crate::setup::Setup;

/// What is to be read.
#[derive(Debug, Subcommand)]
pub(crate) enum Parse {
    /// Bounce mails.
    Mail(MailFiles),
    /// Logs of a mail server.
    Log(What),
    /// The body of a provider's webhook.
    Webhook(WebhookFile),
}

#[derive(Debug, Args)]
pub(crate) struct MailFiles {
    /// Files, or - for standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct WebhookFile {
    /// The provider's name, as in `postmark`, or the file that describes it.
    provider: String,
    /// The file with the body, or - for standard input.
    file: PathBuf,
    #[command(flatten)]
    shown: Shown,
}

impl Parse {
    pub(crate) fn run(self, setup: &Setup) -> Result<(), Failure> {
        let keys = match setup.open_keys()? {
            Some(keys) => keys,
            // Without keys no token is ours: everything correlates by its ids.
            None => Keys::new(Key::new(0, random_secret()?)),
        };
        let classifier = setup.classifier()?;
        match self {
            Self::Mail(mail) => mail.run(&keys, &classifier),
            Self::Log(what) => log(&what, &keys, &classifier),
            Self::Webhook(webhook) => webhook.run(&keys, &classifier, setup.json),
        }
    }
}

impl MailFiles {
    fn run(&self, keys: &Keys, classifier: &Classifier) -> Result<(), Failure> {
        let mut unreadable = 0;
        for file in &self.files {
            let reading = BounceReader::new(classifier, keys).read(&read(file)?, None, now());
            match reading {
                Err(error) => {
                    unreadable += 1;
                    output::note(format!("{}: {error}", file.display()));
                }
                Ok(reading) => {
                    if !reading.is_feedback() {
                        output::note(format!("{}: no feedback", file.display()));
                    }
                    for feedback in &reading.feedback {
                        output::json(&line(file, feedback))?;
                    }
                }
            }
        }
        if unreadable == 0 {
            Ok(())
        } else {
            Err(Failure::data(format!("{unreadable} files are no mail")))
        }
    }
}

fn log(what: &What, keys: &Keys, classifier: &Classifier) -> Result<(), Failure> {
    let mut reader = what.reader(classifier, keys);
    for file in what.files() {
        let mut lines = Lines::new(lines::open(file)?, MOST_LINE_BYTES + 1);
        while let Some(text) = lines.next_or_rest().map_err(Failure::data)? {
            for feedback in reader.read(&text, now()) {
                output::json(&line(file, &feedback))?;
            }
        }
    }
    Ok(())
}

impl WebhookFile {
    fn run(&self, keys: &Keys, classifier: &Classifier, as_json: bool) -> Result<(), Failure> {
        let webhook = self.shown.webhook(&self.provider);
        let answer = Answer::of(&webhook, &self.file, &self.shown, keys, classifier)?;
        if as_json {
            return Ok(output::json(&answer.json(&self.file))?);
        }
        match answer.0 {
            Ok(feedback) => {
                for feedback in &feedback {
                    output::json(&line(&self.file, feedback))?;
                }
                Ok(())
            }
            Err(refused) => Err(Failure::data(refused)),
        }
    }
}

/// What is made of a request: its events, or why it is refused.
pub(super) struct Answer(Result<Vec<Feedback>, Refused>);

impl Answer {
    /// Verifies the request if the account has anything to verify with, and reads it.
    pub(super) fn of(
        webhook: &Webhook,
        file: &Path,
        shown: &Shown,
        keys: &Keys,
        classifier: &Classifier,
    ) -> Result<Self, Failure> {
        let (account, body) = (webhook.account()?, read(file)?);
        let reader = Reader::new(keys, classifier);
        let request = Request::new(&body, shown.at()).headers(shown.headers()?);
        Ok(Self(if webhook.verifies() {
            receive(&account, &request, &reader, None)
        } else {
            read_verified(&account, &request, &reader, Authenticity::None, None)
        }))
    }

    /// As one object: `outcome` is `events`, `ignored` (nothing is said of a delivery) or `refused`.
    pub(super) fn json(&self, file: &Path) -> Value {
        match &self.0 {
            Ok(feedback) => {
                let is_custom = |one: &Feedback| matches!(one.fact.event, Event::Custom(_));
                let outcome = if feedback.iter().all(is_custom) { "ignored" } else { "events" };
                let events: Vec<Value> = feedback.iter().map(|one| line(file, one)).collect();
                json!({ "outcome": outcome, "events": events })
            }
            Err(refused) => {
                json!({ "outcome": "refused", "reason": refused.name(), "sentence": refused.to_string() })
            }
        }
    }
}

fn line(file: &Path, feedback: &Feedback) -> Value {
    let event = &feedback.fact.event;
    let diagnosis = diagnosis(event);
    let (reply_code, enhanced_code) = match event {
        Event::Sent(sent) => (sent.reply_code, sent.enhanced_code),
        Event::Delivered(delivered) => (delivered.reply_code, delivered.enhanced_code),
        _ => (diagnosis.and_then(|d| d.reply_code), diagnosis.and_then(|d| d.enhanced_code)),
    };
    json!({
        "file": file.display().to_string(),
        "recipient": feedback.private.recipient,
        "event": event.type_name(),
        "status": feedback.fact.floor(),
        "reply_code": reply_code,
        "enhanced_code": enhanced_code,
        "status_field": diagnosis.and_then(|diagnosis| diagnosis.status_field),
        "remote_host": diagnosis.and_then(|diagnosis| diagnosis.remote_host.as_deref()),
        "reporting_host": diagnosis.and_then(|diagnosis| diagnosis.reporting_host.as_deref()),
        "fault": diagnosis.map(|diagnosis| diagnosis.fault),
        "reason": diagnosis.map(|diagnosis| diagnosis.reason),
        "rule": diagnosis.and_then(|diagnosis| diagnosis.rule.as_deref()),
        "rules_version": diagnosis.and_then(|diagnosis| diagnosis.rules_version.as_deref()),
        "diagnostic": feedback.private.text,
        "correlation": correlation(&feedback.correlation),
        "occurred_at": feedback.occurred_at,
    })
}

fn diagnosis(event: &Event) -> Option<&Diagnosis> {
    match event {
        Event::Bounced(bounced) => Some(&bounced.diagnosis),
        Event::Deferred(deferred) => Some(&deferred.diagnosis),
        Event::Suppressed(suppressed) => suppressed.diagnosis.as_ref(),
        _ => None,
    }
}

fn correlation(correlation: &Correlation) -> Value {
    match correlation {
        Correlation::Token { delivery, seen_in, .. } => {
            json!({ "by": "token", "delivery": delivery, "seen_in": seen_in })
        }
        Correlation::Key(key) => json!({
            "by": "key",
            "endpoint": key.endpoint(),
            "message_id": key.message_id(),
            "recipient": key.recipient(),
        }),
        Correlation::Message { endpoint, message_id } => {
            json!({ "by": "message", "endpoint": endpoint, "message_id": message_id })
        }
        _ => Value::Null,
    }
}

fn random_secret() -> Result<[u8; 32], Failure> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    Ok(secret)
}

#[expect(clippy::disallowed_methods, reason = "a program has the system's clock")]
pub(super) fn now() -> DateTime<Utc> {
    Utc::now()
}
