//! The machine-readable part of a delivery report (RFC 3464 §2).

use chrono::{DateTime, Utc};
use mailtrail_classify::{Classifier, Reply};
use mailtrail_core::Event;
use mailtrail_core::diagnosis::{Diagnosis, EnhancedCode, ReplyCode};
use mailtrail_core::event::{Bounced, ConfirmedBy, Deferred, Delivered, Sent, SentStage};
use serde::Serialize;

use crate::address;
use crate::fields::{Fields, blocks};

/// What the reporting server did (RFC 3464 §2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Given up.
    Failed,
    /// Still tried.
    Delayed,
    /// Delivered to the mailbox.
    Delivered,
    /// Handed on to a server that gives no confirmation.
    Relayed,
    /// Handed to the addresses behind this one.
    Expanded,
}

/// What a report says about one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Recipient {
    /// The address that the message was sent to: Original-Recipient, else Final-Recipient.
    pub recipient: Option<String>,
    /// Final-Recipient.
    pub final_recipient: Option<String>,
    /// What the server did.
    pub action: Action,
    /// The reply code that the diagnostic text states.
    pub reply_code: Option<ReplyCode>,
    /// The enhanced code: that of the text where the `Status` field is a mere x.0.0.
    pub enhanced_code: Option<EnhancedCode>,
    /// The `Status` field.
    pub status_field: Option<EnhancedCode>,
    /// The diagnostic text, cut at 8 KiB.
    pub diagnostic: Option<String>,
    /// The host that refused.
    pub remote_host: Option<String>,
    /// The host that reports.
    pub reporting_host: Option<String>,
    /// When the last attempt was.
    pub last_attempt: Option<DateTime<Utc>>,
    /// Until when it is tried.
    pub will_retry_until: Option<DateTime<Utc>>,
}

/// Reads the text of a `message/delivery-status` part.
pub(crate) fn recipients(text: &str) -> Vec<Recipient> {
    let blocks = blocks(text);
    let is_recipient = |block: &&Fields| {
        block.get("final-recipient").is_some()
            || block.get("original-recipient").is_some()
            || block.get("action").is_some()
    };
    let message = blocks.iter().find(|block| !is_recipient(block)).cloned().unwrap_or_default();
    let of_recipients = blocks.iter().filter(is_recipient).take(MOST_RECIPIENTS);
    of_recipients.filter_map(|block| Recipient::of(block, &message)).collect()
}

impl Recipient {
    fn of(fields: &Fields, message: &Fields) -> Option<Self> {
        let final_recipient = fields.get("final-recipient").and_then(address::typed);
        let original = fields.get("original-recipient").and_then(address::typed);
        let diagnostic = fields.typed("diagnostic-code").map(bounded);
        let status_field = fields.get("status").and_then(first_code);
        let reply = Reply::parse(diagnostic.as_deref().unwrap_or_default());
        let action = action(fields.get("action"), status_field.or(reply.enhanced_code))?;
        let is_vague = |code: &EnhancedCode| code.subject() == 0 && code.detail() == 0;
        let date = |name: &str| fields.get(name).and_then(date);
        Some(Self {
            recipient: original.or_else(|| final_recipient.clone()),
            final_recipient,
            action,
            reply_code: reply.reply_code,
            enhanced_code: status_field
                .filter(|code| !is_vague(code))
                .or(reply.enhanced_code)
                .or(status_field),
            status_field,
            diagnostic,
            remote_host: fields.typed("remote-mta").map(str::to_owned),
            reporting_host: message.typed("reporting-mta").map(str::to_owned),
            last_attempt: date("last-attempt-date"),
            will_retry_until: date("will-retry-until"),
        })
    }

    /// The event that it is evidence of.
    pub fn event(&self, classifier: &Classifier) -> Event {
        match self.action {
            Action::Failed => {
                let mut bounced = Bounced::default();
                bounced.diagnosis = self.diagnosis(classifier);
                bounced.into()
            }
            Action::Delayed => {
                let mut deferred = Deferred::default();
                deferred.diagnosis = self.diagnosis(classifier);
                deferred.into()
            }
            Action::Delivered => {
                let mut delivered = Delivered::default();
                delivered.confirmed_by = ConfirmedBy::Dsn;
                delivered.host = self.host();
                (delivered.reply_code, delivered.enhanced_code) =
                    (self.reply_code, self.enhanced_code);
                delivered.into()
            }
            Action::Relayed | Action::Expanded => {
                let mut sent = Sent::default();
                (sent.stage, sent.host) = (SentStage::HandedOver, self.host());
                (sent.reply_code, sent.enhanced_code) = (self.reply_code, self.enhanced_code);
                sent.into()
            }
        }
    }

    fn diagnosis(&self, classifier: &Classifier) -> Diagnosis {
        let mut diagnosis = Diagnosis::default();
        (diagnosis.reply_code, diagnosis.enhanced_code) = (self.reply_code, self.enhanced_code);
        diagnosis.remote_host = self.host();
        diagnosis.reporting_host = self.reporting_host.as_deref().map(Into::into);
        classifier.fill(&mut diagnosis, self.diagnostic.as_deref().unwrap_or_default());
        diagnosis
    }

    fn host(&self) -> Option<Box<str>> {
        self.remote_host.as_deref().map(Into::into)
    }
}

/// Without a readable action the class of the code says what was done, as far as it can.
fn action(field: Option<&str>, code: Option<EnhancedCode>) -> Option<Action> {
    let word = field.map(|text| {
        text.chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase()
    });
    let by_class = || match code?.class() {
        5 => Some(Action::Failed),
        4 => Some(Action::Delayed),
        _ => Some(Action::Relayed),
    };
    match word.as_deref() {
        Some("failed" | "failure") => Some(Action::Failed),
        Some("delayed") => Some(Action::Delayed),
        Some("delivered") => Some(Action::Delivered),
        Some("relayed") => Some(Action::Relayed),
        Some("expanded") => Some(Action::Expanded),
        _ => by_class(),
    }
}

fn first_code(text: &str) -> Option<EnhancedCode> {
    text.split_whitespace()
        .find_map(|word| word.trim_matches(|c: char| !c.is_ascii_digit()).parse().ok())
}

fn date(text: &str) -> Option<DateTime<Utc>> {
    // The comment behind the offset, as in `+0000 (UTC)`, is not chrono's.
    let text = text.split_once('(').map_or(text, |(date, _)| date).trim();
    DateTime::parse_from_rfc2822(text).ok().map(|date| date.to_utc())
}

fn bounded(text: &str) -> String {
    text.chars().take(MOST_DIAGNOSTIC).collect()
}

/// More recipients of one report are not read.
const MOST_RECIPIENTS: usize = 10_000;
/// Characters of one diagnostic text that are kept.
const MOST_DIAGNOSTIC: usize = 8_192;
