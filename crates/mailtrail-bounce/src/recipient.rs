//! What a mail says about one recipient, and which event that is evidence of.

use chrono::{DateTime, Utc};
use mailtrail_classify::Classifier;
use mailtrail_core::Event;
use mailtrail_core::diagnosis::{Diagnosis, EnhancedCode, ReplyCode};
use mailtrail_core::event::{
    Agent, AutoReplied, Bounced, Complained, ConfirmedBy, Deferred, Delivered, Opened, Sent,
    SentStage,
};
use serde::Serialize;

/// What was done with the message for a recipient, or what the recipient did with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Given up (RFC 3464 §2.3.3).
    #[default]
    Failed,
    /// Still tried.
    Delayed,
    /// Delivered to the mailbox.
    Delivered,
    /// Handed on to a server that gives no confirmation.
    Relayed,
    /// Handed to the addresses behind this one.
    Expanded,
    /// The recipient calls it abuse (RFC 5965).
    Complained,
    /// The recipient's mail program showed it, because a person wanted that (RFC 8098 §3.2.6).
    Displayed,
    /// The recipient's mail program says so by itself that it was shown.
    DisplayedAutomatically,
    /// It reached the recipient's mail program, which shows it to nobody: deleted, denied.
    NotDisplayed,
    /// An automatic answer (RFC 3834), or a machine that asks who we are.
    AutoReplied,
}

/// What a mail says about one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Recipient {
    /// The address that the message was sent to: Original-Recipient, else Final-Recipient, else what
    /// the text says. None where the mail hides it.
    pub recipient: Option<String>,
    /// Final-Recipient.
    pub final_recipient: Option<String>,
    /// What was done.
    pub action: Action,
    /// The reply code that the diagnostic text states.
    pub reply_code: Option<ReplyCode>,
    /// The enhanced code: that of the `Status` field, of the text where the field is a mere x.0.0.
    pub enhanced_code: Option<EnhancedCode>,
    /// The `Status` field.
    pub status_field: Option<EnhancedCode>,
    /// The diagnostic text, cut at 8 KiB.
    pub diagnostic: Option<String>,
    /// The host that refused.
    pub remote_host: Option<String>,
    /// The host that reports.
    pub reporting_host: Option<String>,
    /// When the reporting host took the message.
    pub arrival: Option<DateTime<Utc>>,
    /// When the last attempt was.
    pub last_attempt: Option<DateTime<Utc>>,
    /// Until when it is tried.
    pub will_retry_until: Option<DateTime<Utc>>,
    /// The kind of a complaint, as in `abuse` (RFC 5965 §3.1).
    pub feedback_type: Option<String>,
    /// The address that an automatic answer gives for later.
    pub new_address: Option<String>,
    /// Whether an automatic answer says that the person has moved.
    pub address_change: bool,
    /// What in the mail says so: `dsn`, `text`, `arf`, and so on.
    pub rule: &'static str,
}

impl Recipient {
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
            Action::Delivered | Action::NotDisplayed => {
                let mut delivered = Delivered::default();
                let by_report = self.action == Action::Delivered;
                delivered.confirmed_by =
                    if by_report { ConfirmedBy::Dsn } else { ConfirmedBy::Receipt };
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
            Action::Complained => {
                let mut complained = Complained::default();
                complained.feedback_type = self.feedback_type.as_deref().map(Into::into);
                complained.into()
            }
            Action::Displayed | Action::DisplayedAutomatically => {
                let mut opened = Opened::default();
                let by_hand = self.action == Action::Displayed;
                opened.agent = if by_hand { Agent::Human } else { Agent::Unknown };
                opened.rule = Some(self.rule.into());
                opened.into()
            }
            Action::AutoReplied => {
                let mut replied = AutoReplied::default();
                replied.address_change = self.address_change;
                replied.into()
            }
        }
    }

    fn diagnosis(&self, classifier: &Classifier) -> Diagnosis {
        let mut diagnosis = Diagnosis::default();
        (diagnosis.reply_code, diagnosis.enhanced_code) = (self.reply_code, self.enhanced_code);
        diagnosis.status_field = self.status_field.filter(|code| Some(*code) != self.enhanced_code);
        diagnosis.remote_host = self.host();
        diagnosis.reporting_host = self.reporting_host.as_deref().map(Into::into);
        classifier.fill(&mut diagnosis, self.diagnostic.as_deref().unwrap_or_default());
        diagnosis
    }

    fn host(&self) -> Option<Box<str>> {
        self.remote_host.as_deref().map(Into::into)
    }
}
