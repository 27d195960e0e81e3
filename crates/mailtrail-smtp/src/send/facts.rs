//! What a sender writes down about an attempt, whoever transmits: the events, as functions of what was
//! said.

use chrono::{DateTime, Utc};
use mailtrail_classify::Classifier;
use mailtrail_core::EmailAddress;
use mailtrail_core::correlation::CorrelationKey;
use mailtrail_core::diagnosis::{Diagnosis, EnhancedCode, Fault, ReplyCode};
use mailtrail_core::event::{
    Attempted, ConfirmedBy, Deferred, Delivered, Event, Sent, SentStage, Suppressed, SuppressedBy,
    Transcript,
};
use mailtrail_core::id::{Endpoint, Kind, Namespace, StreamId};
use mailtrail_core::suppression::Suppression;

use super::relay::TalksTo;

/// A reply of the server.
///
/// ```
/// use mailtrail_core::diagnosis::ReplyCode;
/// use mailtrail_smtp::send::{Reply, TalksTo, facts};
/// let reply = Reply::new(ReplyCode::new(250).unwrap(), None, "Ok: queued as 4F1");
/// let event = facts::taken(Some(&reply), TalksTo::Relay, None, 1);
/// assert_eq!(event.type_name(), "sent");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// Its code.
    pub code: ReplyCode,
    /// Its enhanced code, if it has one.
    pub enhanced: Option<EnhancedCode>,
    /// Its text.
    pub text: String,
}

impl Reply {
    /// A reply.
    pub fn new(code: ReplyCode, enhanced: Option<EnhancedCode>, text: impl Into<String>) -> Self {
        Self { code, enhanced, text: text.into() }
    }

    /// Whether a relay means us. From a recipient's own server the same codes are its policy: it has
    /// no login for us.
    pub fn is_about_us(&self, talks_to: TalksTo) -> bool {
        talks_to == TalksTo::Relay && LOGIN_FIRST.contains(&self.code.get())
    }

    /// What is wrong, as the rules read it.
    pub fn diagnosis(&self, host: Option<&str>, classifier: &Classifier) -> Diagnosis {
        let mut diagnosis = Diagnosis::default();
        diagnosis.reply_code = Some(self.code);
        diagnosis.enhanced_code = self.enhanced;
        diagnosis.remote_host = host.map(Into::into);
        classifier.fill(&mut diagnosis, &self.text);
        diagnosis
    }
}

/// That an attempt begins, and by which key what comes back without a token will be known.
pub fn attempted(
    namespace: &Namespace,
    attempt: u32,
    host: Option<&str>,
    message_id: &str,
    recipient: &EmailAddress,
) -> Attempted {
    let key = CorrelationKey::new(Endpoint::message_id(), message_id, recipient.as_given());
    let mut attempted = Attempted::default();
    attempted.attempt = attempt;
    attempted.host = host.map(Into::into);
    attempted.message_id = Some(message_id.into());
    attempted.keys = vec![StreamId::key(namespace, &key)];
    attempted
}

/// That an attempt begins which ends before anyone hears of the message.
pub(super) fn unconnected(attempt: u32, host: Option<&str>) -> Attempted {
    let mut attempted = Attempted::default();
    (attempted.attempt, attempted.host) = (attempt, host.map(Into::into));
    attempted
}

/// What was said in an attempt, to the event of its outcome.
pub(super) fn say(event: &mut Event, transcript: Transcript) {
    let of = match event {
        Event::Sent(sent) => &mut sent.transcript,
        Event::Delivered(delivered) => &mut delivered.transcript,
        Event::Deferred(deferred) => &mut deferred.transcript,
        Event::Bounced(bounced) => &mut bounced.transcript,
        _ => return,
    };
    *of = Some(Box::new(transcript));
}

/// That the server took the message: a relay's word is `Sent`, that of the recipient's own server
/// `Delivered`.
pub fn taken(reply: Option<&Reply>, talks_to: TalksTo, host: Option<&str>, attempt: u32) -> Event {
    let (attempt, host) = (Some(attempt), host.map(Into::into));
    let reply_code = reply.map(|reply| reply.code);
    let enhanced_code = reply.and_then(|reply| reply.enhanced);
    match talks_to {
        TalksTo::Mx => {
            let mut delivered = Delivered::default();
            (delivered.confirmed_by, delivered.attempt) = (ConfirmedBy::Mx, attempt);
            (delivered.host, delivered.reply_code) = (host, reply_code);
            delivered.enhanced_code = enhanced_code;
            delivered.into()
        }
        TalksTo::Relay => {
            let mut sent = Sent::default();
            (sent.stage, sent.attempt) = (SentStage::Accepted, attempt);
            (sent.host, sent.reply_code) = (host, reply_code);
            sent.enhanced_code = enhanced_code;
            sent.queue_id = reply.and_then(|reply| queue_id(&reply.text)).map(Into::into);
            sent.into()
        }
    }
}

/// That the attempt is over by our own fault, does not count, and may be made again at once.
pub fn put_back(mut diagnosis: Diagnosis, attempt: u32, now: DateTime<Utc>) -> Deferred {
    diagnosis.fault = Fault::SenderSystem;
    (diagnosis.rule, diagnosis.rules_version) = (Some(PUT_BACK.into()), None);
    let mut deferred = Deferred::default();
    (deferred.diagnosis, deferred.attempt) = (diagnosis, Some(attempt));
    deferred.next_attempt = Some(now);
    deferred
}

/// That the address was blocked for this kind since it was planned, if it was.
pub fn suppressed(list: &Suppression, kind: &Kind) -> Option<Suppressed> {
    list.blocked_for(kind).map(|(scope, entry)| {
        let mut suppressed = Suppressed::default();
        (suppressed.by, suppressed.cause) = (SuppressedBy::Sender, entry.cause);
        (suppressed.since, suppressed.scope) = (Some(entry.since), Some(scope.clone()));
        suppressed
    })
}

/// Postfix and others name the message in their reply: `queued as 4F1…`.
fn queue_id(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("queued as ")?;
    rest.split_whitespace().next()
}

/// The rule of a deferral that was our own fault.
pub(super) const PUT_BACK: &str = "put_back";
/// A login or encryption is missing, or too weak (RFC 4954 §6, RFC 3207 §4).
const LOGIN_FIRST: [u16; 4] = [530, 534, 535, 538];
