//! A mail as a whole: which parts count, which delivery it names, which events it is evidence of.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use mail_parser::{Message, MessageParser, PartType};
use mailtrail_classify::Classifier;
use mailtrail_core::Feedback;
use mailtrail_core::correlation::{Correlation, CorrelationKey};
use mailtrail_core::event::{Private, Source};
use mailtrail_core::id::{Endpoint, Identity};
use mailtrail_core::token::{Keys, Purpose, SeenIn, Verified};
use sha2::{Digest, Sha256};

use crate::dsn::{self, Recipient};
use crate::fields::{Fields, lines};
use crate::original;

/// Reads mails that came back.
///
/// # Which delivery does a report name?
/// 1. A valid token in the envelope recipient: proof that the report follows from a message of ours.
/// 2. A valid token in the returned header or the Message-ID: names the delivery, proves nothing, as
///    others may have seen it.
/// 3. The Message-ID that we gave, and the recipient.
///
/// Each message goes out with one recipient, so a token speaks for every recipient of its report:
/// the others are what that one address was expanded to.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    classifier: &'a Classifier,
    keys: &'a Keys,
}

/// What a mail says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Reading {
    /// Each recipient that a report names; none if the mail is no report.
    pub recipients: Vec<Recipient>,
    /// The same as feedback, in the same order.
    pub feedback: Vec<Feedback>,
}

impl Reading {
    /// Whether the mail is a report.
    pub fn is_report(&self) -> bool {
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

impl<'a> Reader<'a> {
    /// A reader with these rules and keys.
    pub fn new(classifier: &'a Classifier, keys: &'a Keys) -> Self {
        Self { classifier, keys }
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
        let message = parse(mail)?;
        let recipients: Vec<Recipient> = message.parts.iter().flat_map(status_part).collect();
        if recipients.is_empty() {
            return Ok(Reading::default());
        }
        let original = original::header(&message);
        let token = self.token(envelope_recipient, &original);
        let report = Report::of(&message, mail);
        let mut seen = HashMap::new();
        let feedback = recipients.iter().map(|recipient| {
            let correlation = correlation(token, recipient, &original, &report);
            let identity = report.identity(recipient, &mut seen);
            let mut private = Private::default();
            private.text = recipient.diagnostic.as_deref().map(Into::into);
            private.recipient = recipient.recipient.as_deref().map(Into::into);
            let event = recipient.event(self.classifier);
            let mut feedback = Feedback::new(correlation, event, identity, Source::known("dsn"))
                .private(private)
                .claimed_at(recipient.last_attempt.or(report.date_parsed), now);
            feedback.provenance.rule = Some("dsn".into());
            feedback.provenance.rules_version = Some(self.classifier.version().into());
            feedback
        });
        let feedback = feedback.collect();
        Ok(Reading { recipients, feedback })
    }

    fn token(
        &self,
        envelope_recipient: Option<&str>,
        original: &Fields,
    ) -> Option<(Verified, SeenIn)> {
        let find =
            |purpose, text: Option<&str>| text.and_then(|text| self.keys.find(purpose, text));
        let proven = find(Purpose::ReturnPath, envelope_recipient).map(|v| (v, SeenIn::ReturnPath));
        let quoted = || {
            find(Purpose::ReturnPath, original.get("return-path"))
                .or_else(|| find(Purpose::MessageId, original.get("message-id")))
                .map(|verified| (verified, SeenIn::Quoted))
        };
        proven.or_else(quoted)
    }
}

fn correlation(
    token: Option<(Verified, SeenIn)>,
    recipient: &Recipient,
    original: &Fields,
    report: &Report,
) -> Correlation {
    if let Some((Verified { delivery, key_id, .. }, seen_in)) = token {
        return Correlation::Token { delivery, key_id, seen_in };
    }
    match (original.get("message-id"), &recipient.recipient) {
        (Some(id), Some(to)) => {
            Correlation::Key(CorrelationKey::new(Endpoint::message_id(), id, to))
        }
        (Some(id), None) => Correlation::message(Endpoint::message_id(), id),
        // Nothing names a message: the report itself is all that there is to name.
        (None, _) => Correlation::message(Endpoint::message_id(), &report.own_name()),
    }
}

fn parse(mail: &[u8]) -> Result<Message<'_>, ReadError> {
    if mail.trim_ascii().is_empty() {
        return Err(ReadError::Empty);
    }
    if mail.len() > MOST_BYTES {
        return Err(ReadError::TooLarge { bytes: mail.len(), most: MOST_BYTES });
    }
    let message = MessageParser::new().parse(mail).ok_or(ReadError::NoHeader)?;
    if message.headers().is_empty() { Err(ReadError::NoHeader) } else { Ok(message) }
}

fn status_part(part: &mail_parser::MessagePart<'_>) -> Vec<Recipient> {
    let (kind, subtype) = original::media_type(part);
    let is_status = ["delivery-status", "global-delivery-status"].contains(&subtype.as_str());
    if kind != "message" || !is_status {
        return Vec::new();
    }
    let text = match &part.body {
        PartType::Message(inner) => String::from_utf8_lossy(&inner.raw_message).into_owned(),
        _ => String::from_utf8_lossy(part.contents()).into_owned(),
    };
    dsn::recipients(&text)
}

/// What names a report, whoever took it in.
struct Report {
    message_id: String,
    date: String,
    date_parsed: Option<DateTime<Utc>>,
    body: [u8; 32],
}

impl Report {
    fn of(message: &Message<'_>, mail: &[u8]) -> Self {
        let header = |name: &str| {
            message.header_raw(name).map(|text| text.trim().to_owned()).unwrap_or_default()
        };
        let date_parsed =
            message.date().and_then(|date| DateTime::from_timestamp(date.to_timestamp(), 0));
        Self {
            message_id: header("Message-ID").trim_matches(['<', '>']).to_owned(),
            date: header("Date"),
            date_parsed,
            body: body_hash(mail),
        }
    }

    fn identity(&self, recipient: &Recipient, seen: &mut HashMap<String, u32>) -> Identity {
        let named = recipient.final_recipient.as_deref().or(recipient.recipient.as_deref());
        let named = named.map(str::to_lowercase).unwrap_or_default();
        let count = seen.entry(named.clone()).or_default();
        let index = *count;
        *count = count.saturating_add(1);
        Identity::Mail {
            message_id: self.message_id.as_str().into(),
            date: self.date.as_str().into(),
            body: self.body,
            recipient: named.into(),
            index,
        }
    }

    fn own_name(&self) -> String {
        if self.message_id.is_empty() {
            data_encoding::HEXLOWER.encode(&self.body)
        } else {
            self.message_id.clone()
        }
    }
}

/// SHA-256 of the body with LF line ends and without trailing blank lines: two intakes of one mail
/// meet, whatever the transport did to its lines.
fn body_hash(mail: &[u8]) -> [u8; 32] {
    let text = String::from_utf8_lossy(mail);
    let mut body: Vec<&str> = lines(&text).skip_while(|line| !line.is_empty()).skip(1).collect();
    while body.last().is_some_and(|line| line.trim().is_empty()) {
        body.pop();
    }
    let mut hash = Sha256::new();
    for line in body {
        hash.update(line.as_bytes());
        hash.update(b"\n");
    }
    hash.finalize().into()
}

/// Larger mails are refused, whatever they are.
const MOST_BYTES: usize = 32 << 20;
