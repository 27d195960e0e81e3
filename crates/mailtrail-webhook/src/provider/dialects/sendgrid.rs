//! SendGrid: batches of flat objects, signed by ECDSA.
//!
//! Source: twilio.com/docs/sendgrid/for-developers/tracking-events/event.

use std::sync::LazyLock;

use mailtrail_core::Event;
use mailtrail_core::diagnosis::Fault;
use mailtrail_core::event::{Agent, BlockCause, UnsubscribedHow};
use mailtrail_core::reason::Reason;

use crate::provider::diagnose::{Class, Failure};
use crate::provider::dialect::{Dialect, Said, Say};
use crate::provider::fields::{Fields, Time};
use crate::provider::path::members;
use crate::provider::reader::Stated;
use crate::provider::signature::{Algorithm, Encoding, Scheme, Text};
use crate::provider::wanted::Wanted;
use crate::provider::{Answers, Context, events};

/// SendGrid. The token goes into the custom argument `mt_delivery`.
#[derive(Debug)]
pub(super) struct SendGrid;

/// No tolerance is defined, and nobody knows whether retries are signed again: a repeated request is
/// known by its event ids.
static SCHEME: LazyLock<Scheme> = LazyLock::new(|| Scheme {
    signed: Text::Borrowed("{timestamp}{body}"),
    timestamp: Some(Text::Borrowed("x-twilio-email-event-webhook-timestamp")),
    ..Scheme::of_body(
        Algorithm::EcdsaP256Sha256,
        "x-twilio-email-event-webhook-signature",
        Encoding::Base64,
    )
});

members! { WANTED:
    EVENT = "event",
    EMAIL = "email",
    TIMESTAMP = "timestamp",
    EVENT_ID = "sg_event_id",
    MESSAGE_ID = "sg_message_id",
    SMTP_ID = "smtp-id",
    DELIVERY = "mt_delivery",
    RESPONSE = "response",
    REASON = "reason",
    STATUS = "status",
    TYPE = "type",
    CLASSIFICATION = "bounce_classification",
    IP = "ip",
    USER_AGENT = "useragent",
    URL = "url",
    GROUP = "asm_group_id",
    MACHINE_OPEN = "sg_machine_open",
}

impl Dialect for SendGrid {
    fn name(&self) -> &'static str {
        "sendgrid"
    }

    fn answers(&self) -> Answers {
        // It tries again on everything but 2xx, for a day.
        Answers::DEFAULT
    }

    fn scheme(&self) -> Option<&Scheme> {
        Some(&SCHEME)
    }

    fn wanted(&self) -> Option<&Wanted> {
        Some(&WANTED)
    }

    fn read<'a>(&self, fields: Fields<'a>, context: &Context<'_>, say: Say<'_, 'a>) {
        if let Some(said) = read(fields, context) {
            say(said);
        }
    }
}

fn read<'a>(fields: Fields<'a>, context: &Context<'_>) -> Option<Said<'a>> {
    let stated = stated(fields.text(&EVENT)?, fields);
    let list = fields.text_or_number(&GROUP);
    let event = match stated.event {
        "processed" => events::accepted(stated.message_id.as_deref()),
        "dropped" => dropped(fields, context),
        "deferred" => events::deferred(failure(class(fields), fields), context),
        "delivered" => events::delivered(fields.text(&RESPONSE)),
        // Final whatever its type: `blocked` is a refusal that may pass, but nobody tries again.
        "bounce" => events::bounced(failure(bounce_class(fields), fields), context),
        "open" => {
            // Not flagged is not human.
            let machine = fields.flag(&MACHINE_OPEN) == Some(true);
            let said = machine.then_some((Agent::MailboxMachine, "sg_machine_open"));
            events::opened(said, stated.user_agent)
        }
        "click" => events::clicked(None, fields.text(&URL)),
        "spamreport" => events::complained(None),
        "unsubscribe" | "group_unsubscribe" => events::unsubscribed(list.as_deref()),
        "group_resubscribe" => events::resubscribed(UnsubscribedHow::Provider, list.as_deref()),
        _ => return Some(Said::new(stated, None)),
    };
    let class = by(stated.event, fields);
    Some(Said::new(stated, event).by(&class))
}

fn stated<'a>(name: &'a str, fields: Fields<'a>) -> Stated<'a> {
    Stated {
        event: name,
        event_id: fields.text(&EVENT_ID).map(Into::into),
        recipient: fields.text(&EMAIL),
        message_id: fields.text(&MESSAGE_ID).and_then(message_id).map(Into::into),
        header_id: fields.text(&SMTP_ID),
        token: fields.text(&DELIVERY),
        occurred: fields.time(&TIMESTAMP, Time::Seconds),
        text: fields.first_text(&[&RESPONSE, &REASON]),
        ip: fields.text(&IP).filter(|_| matches!(name, "open" | "click")),
        user_agent: fields.text(&USER_AGENT),
    }
}

/// What the send call returned: the part before the first dot. What was dropped before it had an id
/// has only the suffix, the name of a machine, which many messages share.
fn message_id(text: &str) -> Option<&str> {
    let end = memchr::memchr(b'.', text.as_bytes()).unwrap_or(text.len());
    let id = text.get(..end).filter(|id| !id.is_empty())?;
    let is_machine = ["filter", "recv"].iter().any(|head| id.starts_with(head));
    (!is_machine).then_some(id)
}

/// The word that decided beside the event: one of ours, as others may say anything.
fn by(name: &str, fields: Fields<'_>) -> String {
    let known = |words: &[&'static str], said: &str| {
        words.iter().copied().find(|word| said.starts_with(word)).unwrap_or("other")
    };
    match name {
        "bounce" => {
            let said = fields.text(&TYPE).unwrap_or_default();
            known(&["bounce", "blocked", "expired"], said).to_owned()
        }
        "dropped" => known(DROPS, &drop_reason(fields)).replace(' ', "_"),
        _ => String::new(),
    }
}

fn drop_reason(fields: Fields<'_>) -> String {
    fields.text(&REASON).unwrap_or_default().to_ascii_lowercase()
}

/// SendGrid itself refused the message, without a try.
fn dropped(fields: Fields<'_>, context: &Context<'_>) -> Event {
    let reason = drop_reason(fields);
    let ours = |reason| Class::Decided(reason, Fault::SenderSystem);
    let class = match DROPS.iter().copied().find(|head| reason.starts_with(head)) {
        Some("bounced address") => return events::suppressed(BlockCause::ProviderList),
        Some("unsubscribed address") => return events::suppressed(BlockCause::Unsubscribe),
        Some("spam reporting address") => return events::suppressed(BlockCause::Complaint),
        Some("spam content") => ours(Reason::SpamRejected),
        Some("invalid smtpapi header") => ours(Reason::ContentRejected),
        Some("recipient list over package quota") => ours(Reason::RateLimited),
        Some("invalid") => Class::Decided(Reason::BadAddressSyntax, Fault::Recipient),
        _ => Class::Silent,
    };
    events::bounced(failure(class, fields), context)
}

fn failure(class: Class, fields: Fields<'_>) -> Failure<'_> {
    let text = fields.first_text(&[&RESPONSE, &REASON]);
    Failure { text, status: fields.text(&STATUS), class }
}

fn bounce_class(fields: Fields<'_>) -> Class {
    match (class(fields), fields.text(&TYPE)) {
        (Class::Silent, Some("blocked")) => Class::Hint(Reason::PolicyRejected),
        (Class::Silent, Some("expired")) => Class::Hint(Reason::Expired),
        (class, _) => class,
    }
}

/// `bounce_classification`, which events shorten at will. Only *Invalid Address* is about the address.
fn class(fields: Fields<'_>) -> Class {
    let class = fields.text(&CLASSIFICATION).unwrap_or_default().to_ascii_lowercase();
    let known = CLASSES.iter().find(|(head, _)| class.starts_with(head));
    known.map_or(Class::Silent, |(_, reason)| Class::Hint(*reason))
}

/// Heads of the reasons of `dropped`, in lower case; of two that fit, the longer is first.
const DROPS: &[&str] = &[
    "bounced address",
    "unsubscribed address",
    "spam reporting address",
    "spam content",
    "invalid smtpapi header",
    "recipient list over package quota",
    "invalid",
];

/// Heads of the classes, in lower case, and what they mean where the server's words tell nothing.
const CLASSES: [(&str, Reason); 6] = [
    ("invalid", Reason::UserUnknown),
    ("technical", Reason::SystemError),
    ("content", Reason::ContentRejected),
    ("reputation", Reason::ReputationBlocked),
    ("frequency", Reason::RateLimited),
    ("mailbox", Reason::MailboxDisabled),
];
