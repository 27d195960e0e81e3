//! A mail as a whole: what it is, which delivery it names, which events it is evidence of.

use std::borrow::Cow;
use std::cell::LazyCell;

use chrono::{DateTime, Utc};
use mailtrail_classify::Classifier;
use mailtrail_core::Feedback;
use mailtrail_core::event::{Private, Source};
use mailtrail_core::token::{Keys, SeenIn};
use serde::Serialize;

use crate::complaint::{self, Complaint};
use crate::fields::Fields;
use crate::head::Head;
use crate::identity::Report;
use crate::mail::{MOST_NOTICE, Mail, Parts};
use crate::notice::Notice;
use crate::original::{self, Original};
use crate::phrases::{Phrases, Says};
use crate::recipient::{Action, Recipient};
use crate::ses::Notification;
use crate::{address, bounce, receipt, reply, status};

/// Reads mails that came back.
///
/// # Which delivery does a report name?
/// 1. A valid token in the envelope recipient: proof that the report follows from a message of ours.
/// 2. A valid token in the report's own header, the returned header, the Message-ID, References or
///    the text: names the delivery, proves nothing, as others may have seen it.
/// 3. The Message-ID that we gave, and the recipient.
///
/// Each message goes out with one recipient, so a token speaks for every recipient of its report:
/// the others are what that one address was expanded to.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    classifier: &'a Classifier,
    keys: &'a Keys,
    phrases: &'a Phrases,
}

/// What a mail is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// An ordinary mail: no evidence of anything.
    #[default]
    NotFeedback,
    /// What became of a message: bounced, delayed, delivered, handed on.
    Report,
    /// A recipient complains, or opts out.
    Complaint,
    /// How a server authenticated a message (RFC 6591), or that it was no spam after all.
    AuthenticationReport,
    /// A read receipt (RFC 8098).
    Receipt,
    /// An automatic answer (RFC 3834), or a machine that asks who we are.
    AutoReply,
}

/// What a mail says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Reading {
    /// What it is.
    pub kind: Kind,
    /// Each recipient that it says something about; none if the mail is no feedback.
    pub recipients: Vec<Recipient>,
    /// The message that it is about.
    pub original: Original,
    /// Where a valid token of ours was found.
    pub seen_in: Option<SeenIn>,
    /// The same as feedback, in the same order.
    pub feedback: Vec<Feedback>,
    /// Whether there may be more: a report's first 10,000 recipients are read, a notice's first
    /// 64 KiB, a mail's first 4 MiB.
    pub truncated: bool,
}

impl Reading {
    /// Whether the mail is feedback.
    pub fn is_feedback(&self) -> bool {
        !self.recipients.is_empty()
    }
}

/// Why a mail can't be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is nothing.
    #[error("the mail is empty")]
    Empty,
    /// It has more than 32 MiB.
    #[error("the mail has {bytes} bytes; at most {most} are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        most: usize,
    },
    /// It has no header.
    #[error("this is not a mail: it has no header")]
    NoHeader,
}

/// What was found in a mail, before it is joined to a delivery.
#[derive(Debug, Default)]
struct Found {
    kind: Kind,
    recipients: Vec<Recipient>,
    returned: Fields,
    /// What it tells people.
    told: String,
    /// Whether more is told than was read.
    truncated: bool,
}

impl<'a> Reader<'a> {
    /// A reader with these rules and keys.
    pub fn new(classifier: &'a Classifier, keys: &'a Keys) -> Self {
        Self { classifier, keys, phrases: Phrases::builtin() }
    }

    /// That knows these phrases in place of ours.
    pub fn phrases(mut self, phrases: &'a Phrases) -> Self {
        self.phrases = phrases;
        self
    }

    /// Reads a mail. `envelope_recipient` is where it was delivered to, if that is known.
    ///
    /// # Errors
    /// [`ReadError`] if it is no mail at all. A broken report is read as far as it goes.
    pub fn read(
        &self,
        mail: &[u8],
        envelope_recipient: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Reading, ReadError> {
        if mail.trim_ascii().is_empty() {
            return Err(ReadError::Empty);
        }
        if mail.len() > MOST_BYTES {
            return Err(ReadError::TooLarge { bytes: mail.len(), most: MOST_BYTES });
        }
        let front = lines_of(mail.get(..MOST_PARSED).unwrap_or(mail));
        let parsed = Mail::parse(&front)?;
        let found = self.find(&parsed, 0);
        if found.recipients.is_empty() {
            return Ok(Reading { kind: found.kind, ..Reading::default() });
        }
        let truncated = found.truncated
            || found.recipients.len() >= status::MOST_RECIPIENTS
            || mail.len() > MOST_PARSED;
        let reading = self.join(&parsed, found, mail, envelope_recipient, now);
        Ok(Reading { truncated, ..reading })
    }

    /// Names the delivery, and makes feedback of what was found.
    fn join(
        &self,
        parsed: &Mail<'_>,
        found: Found,
        mail: &[u8],
        envelope_recipient: Option<&str>,
        now: DateTime<Utc>,
    ) -> Reading {
        let Found { kind, recipients, returned, told, .. } = found;
        let mut original = Original::of(&returned);
        if original.message_id.is_none() && kind == Kind::AutoReply {
            let answered = ["In-Reply-To", "References"].iter();
            original.message_id =
                answered.filter_map(|name| parsed.raw_header(name)).find_map(Original::message_id);
        }
        let texts = [parsed.own_header(), returned.text(), told.as_str()];
        let token = original::token(self.keys, envelope_recipient, texts);
        let mut report = Report::of(parsed, mail);
        let date = LazyCell::new(|| parsed.date());
        let source = Source::known(match kind {
            Kind::Complaint => "arf",
            Kind::Receipt => "mdn",
            Kind::AutoReply => "auto_reply",
            Kind::Report if recipients.iter().any(|recipient| recipient.rule == "dsn") => "dsn",
            _ => "bounce",
        });
        let feedback = recipients.iter().map(|recipient| {
            let (to, id) = (recipient.recipient.as_deref(), original.message_id.as_deref());
            let correlation = original::correlation(token, to, id, || report.own_name());
            let identity = report.identity(recipient);
            let mut private = Private::default();
            private.text = recipient.diagnostic.as_deref().map(Into::into);
            private.recipient = to.map(Into::into);
            private.new_address = recipient.new_address.as_deref().map(Into::into);
            let event = recipient.event(self.classifier);
            let mut feedback = Feedback::new(correlation, event, identity, source.clone())
                .private(private)
                .claimed_at(recipient.last_attempt.or_else(|| *date), now);
            feedback.provenance.rule = Some(recipient.rule.into());
            feedback.provenance.rules_version = Some(self.classifier.version().to_owned().into());
            feedback
        });
        let feedback = feedback.collect();
        let seen_in = token.map(|(_, seen_in)| seen_in);
        Reading { kind, recipients, original, seen_in, feedback, truncated: false }
    }

    /// What a mail says. What a machine wrote for machines goes before what it wrote for people.
    fn find(&self, mail: &Mail<'_>, depth: usize) -> Found {
        let mut parts = mail.parts();
        let head = LazyCell::new(|| Head::of(mail, self.phrases));
        if parts.status.is_empty() && head.by_system() {
            parts.status = std::mem::take(&mut parts.unnamed_status);
        }
        let reported = bounce::reported(&parts.status);
        // Nothing that people are told says more than a complete report.
        let complete = !reported.is_empty() && reported.iter().all(bounce::is_complete);
        if let Some(returned) = parts.returned.take_if(|_| complete) {
            let (kind, recipients, told) = (Kind::Report, reported, parts.told());
            return Found { kind, recipients, returned, told, truncated: false };
        }
        // Beside a report only the recipients' own lines are of use, not what is said about them all.
        let unspoken = Phrases::default();
        let phrases = if reported.is_empty() { self.phrases } else { &unspoken };
        let told = mail.notice(&parts);
        let to = LazyCell::new(|| mail.to());
        let is_sender = |address: &str| to.iter().any(|own| address::same(own, address));
        let notice = Notice::read(&told, phrases, &is_sender);
        let returned = parts.returned.take().unwrap_or_else(|| notice.quoted.clone());
        if let Some(notification) = Notification::find(&told) {
            return of_notification(&notification);
        }
        let reported = bounce::with_notice(reported, &notice, || head.by_system());
        let (kind, recipients) = if reported.is_empty() {
            self.kind(&head, &parts, &notice, &returned)
        } else {
            (Kind::Report, reported)
        };
        let is_structured = recipients.iter().any(|recipient| recipient.rule != "text");
        if !is_structured && depth < MOST_FORWARDS {
            // Only what is a report by its structure: people forward notices to ask about them.
            let text = notice.quoted_report();
            let quoted = text.iter().map(String::as_bytes);
            let held = parts.mails.iter().map(|mail| &**mail);
            for mail in quoted.chain(held).filter_map(|mail| Mail::parse(mail).ok()) {
                let found = self.find(&mail, depth.saturating_add(1));
                if found.recipients.iter().any(|recipient| recipient.rule == "dsn") {
                    return found;
                }
            }
        }
        let truncated = told.len() >= MOST_NOTICE;
        Found { kind, recipients, returned, told, truncated }
    }

    fn kind(
        &self,
        head: &Head<'_>,
        parts: &Parts<'_, '_>,
        notice: &Notice<'_>,
        returned: &Fields,
    ) -> (Kind, Vec<Recipient>) {
        if let Some(report) = &parts.complaint {
            return match complaint::read(report, returned) {
                Complaint::Of(recipients) => (Kind::Complaint, recipients),
                Complaint::Authentication | Complaint::NotSpam => {
                    (Kind::AuthenticationReport, Vec::new())
                }
            };
        }
        if let Some(receipt) = parts.receipt.as_ref().and_then(receipt::read) {
            return (Kind::Receipt, vec![receipt]);
        }
        let complained = complaint::by_returned(returned).or_else(|| opt_out(head, notice));
        if let Some(complained) = complained {
            return (Kind::Complaint, complained);
        }
        let bounced = bounce::free_form(head, notice, returned, self.classifier, self.phrases);
        if !bounced.is_empty() {
            return (Kind::Report, bounced);
        }
        match reply::read(head, notice, self.phrases) {
            Some(replied) => (Kind::AutoReply, vec![replied]),
            None => (Kind::NotFeedback, Vec::new()),
        }
    }
}

fn of_notification(notification: &Notification) -> Found {
    let recipients = notification.recipients();
    let kind = match recipients.first() {
        Some(first) if first.action == Action::Complained => Kind::Complaint,
        Some(_) => Kind::Report,
        None => Kind::NotFeedback,
    };
    Found { kind, recipients, returned: notification.returned(), ..Found::default() }
}

/// A mail program that opts out in its user's name: there is no other complaint then.
fn opt_out(head: &Head<'_>, notice: &Notice<'_>) -> Option<Vec<Recipient>> {
    let says = notice.says(Says::OptOut) || head.says(Says::OptOut);
    let from = head.from.filter(|_| says && !head.by_mailer)?;
    Some(complaint::of("opt-out", "opt_out", vec![from.to_owned()]))
}

/// A mail up to the end of its last line that is not blank. Archives of old Macs end lines with a lone CR:
/// the mail parser knows no such lines. Nor a last one that nothing ends.
fn lines_of(mail: &[u8]) -> Cow<'_, [u8]> {
    let content = mail.trim_ascii_end().len();
    let behind = mail.get(content..).unwrap_or_default();
    let is_mac = !mail.contains(&b'\n');
    if let Some(end) = behind.iter().position(|byte| *byte == b'\n') {
        let end = content.saturating_add(end).saturating_add(1);
        return Cow::Borrowed(mail.get(..end).unwrap_or(mail));
    }
    let feed = |byte: &u8| if is_mac && *byte == b'\r' { b'\n' } else { *byte };
    let end = behind.iter().position(|byte| *byte == b'\r').unwrap_or(behind.len());
    let own = mail.get(..content.saturating_add(end)).unwrap_or(mail);
    Cow::Owned(own.iter().map(feed).chain([b'\n']).collect())
}

/// Larger mails are refused, whatever they are.
const MOST_BYTES: usize = 32 << 20;
/// What stands further back is part of the returned message: it is not decoded.
const MOST_PARSED: usize = 4 << 20;
/// A report may be forwarded, and its forward again.
const MOST_FORWARDS: usize = 2;
