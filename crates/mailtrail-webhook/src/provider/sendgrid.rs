//! SendGrid: batches of flat objects, signed by ECDSA.

use mailtrail_core::diagnosis::Fault;
use mailtrail_core::event::{
    Agent, Authenticity, BlockCause, Bounced, Clicked, Complained, ConfirmedBy, Deferred,
    Delivered, Opened, Resubscribed, Sent, SentStage, Suppressed, SuppressedBy, Unsubscribed,
    UnsubscribedHow,
};
use mailtrail_core::id::Endpoint;
use mailtrail_core::reason::Reason;
use mailtrail_core::{Event, Feedback};

use super::diagnose::{Class, Failure, codes};
use super::fields::Fields;
use super::reader::{Stated, kept};
use super::{Access, Answers, Context, Element, Provider, PublicKey, Refused};
use crate::Request;
use crate::text::base64;
use crate::track::machines;

/// An account at SendGrid.
///
/// Turn on the *Signed Event Webhook* and give its public key; several while they are rotated. Put
/// the token of [`Purpose::Metadata`](mailtrail_core::token::Purpose::Metadata) into the custom
/// argument `mt_delivery`, one per recipient.
///
/// ```
/// use mailtrail_core::id::Endpoint;
/// use mailtrail_webhook::provider::{Access, Provider, Refused, SendGrid};
/// use mailtrail_webhook::Request;
/// let key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==";
/// let sendgrid = SendGrid::new(Endpoint::new("sendgrid")?, Access::new()).public_key(key.parse()?);
/// let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
/// assert_eq!(sendgrid.verify(&Request::new(b"[]", now)), Err(Refused::MissingSignature));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SendGrid {
    endpoint: Endpoint,
    access: Access,
    public_keys: Vec<PublicKey>,
}

impl SendGrid {
    /// The account of this name. Without a public key only what `access` asks for is verified.
    pub fn new(endpoint: Endpoint, access: Access) -> Self {
        Self { endpoint, access, public_keys: Vec::new() }
    }

    /// With one more key that may sign.
    pub fn public_key(mut self, key: PublicKey) -> Self {
        self.public_keys.push(key);
        self
    }

    fn verify_signature(&self, request: &Request<'_>) -> Result<Authenticity, Refused> {
        let signature = request.headers.text(SIGNATURE).filter(|text| !text.is_empty());
        let timestamp = request.headers.only(TIMESTAMP).filter(|bytes| !bytes.is_empty());
        let (signature, timestamp) = signature.zip(timestamp).ok_or(Refused::MissingSignature)?;
        let signature = base64(signature).ok_or(Refused::MalformedSignature)?;
        // No tolerance is defined, and nobody knows whether retries are signed again: a repeated
        // request is known by its event ids.
        let message = [timestamp, request.body].concat();
        let key = self.public_keys.iter().find(|key| key.verifies(&message, &signature));
        let key = key.ok_or(Refused::WrongSignature)?;
        Ok(Authenticity::Signed { key_id: key.id().into() })
    }
}

impl Provider for SendGrid {
    fn name(&self) -> &'static str {
        "sendgrid"
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn answers(&self) -> Answers {
        // It tries again on everything but 2xx, for a day.
        Answers { stored: 200, unverified: 401, later: 429, retry_after: 60, never: &[] }
    }

    fn verify(&self, request: &Request<'_>) -> Result<Authenticity, Refused> {
        if self.public_keys.is_empty() {
            return self.access.check(request);
        }
        if !self.access.is_empty() {
            self.access.check(request)?;
        }
        self.verify_signature(request)
    }

    fn split<'a>(&self, request: &Request<'a>) -> Result<Vec<Element<'a>>, Refused> {
        Ok(Element::all(request.body))
    }

    fn read(&self, element: &Element<'_>, context: &Context<'_>) -> Vec<Feedback> {
        let read = element.object().and_then(|object| read(Fields(object), element, context));
        vec![read.unwrap_or_else(|| context.unparsed(element))]
    }
}

fn read(fields: Fields<'_>, element: &Element<'_>, context: &Context<'_>) -> Option<Feedback> {
    let name = fields.text("event")?;
    let stated = stated(name, fields);
    let event = match name {
        "processed" => processed(&stated),
        "dropped" => dropped(fields, context),
        "deferred" => deferred(fields, context),
        "delivered" => delivered(fields),
        "bounce" => bounced(bounce_class(fields), fields, context),
        "open" => opened(fields, stated.user_agent),
        "click" => clicked(fields),
        "spamreport" => Complained::default().into(),
        "unsubscribe" | "group_unsubscribe" => {
            let mut event = Unsubscribed::default();
            (event.how, event.list) = (UnsubscribedHow::Provider, list(fields));
            event.into()
        }
        "group_resubscribe" => {
            let mut event = Resubscribed::default();
            (event.how, event.list) = (UnsubscribedHow::Provider, list(fields));
            event.into()
        }
        other => return Some(context.custom(element, &stated, other)),
    };
    let rule = rule(name, fields);
    Some(context.feedback(element, &stated, event, &rule))
}

fn stated<'a>(name: &'a str, fields: Fields<'a>) -> Stated<'a> {
    Stated {
        event: name,
        event_id: fields.text("sg_event_id").map(str::to_owned),
        recipient: fields.text("email"),
        message_id: fields.text("sg_message_id").and_then(message_id),
        header_id: fields.text("smtp-id"),
        token: fields.text("mt_delivery"),
        occurred: fields.unix_seconds("timestamp"),
        text: fields.text("response").or_else(|| fields.text("reason")),
        ip: fields.text("ip").filter(|_| matches!(name, "open" | "click")),
        user_agent: fields.text("useragent"),
    }
}

/// What the send call returned: the part before the first dot. What was dropped before it had an id
/// has only the suffix, the name of a machine, which many messages share.
fn message_id(text: &str) -> Option<&str> {
    let id = text.split('.').next().filter(|id| !id.is_empty())?;
    let is_machine = ["filter", "recv"].iter().any(|head| id.starts_with(head));
    (!is_machine).then_some(id)
}

/// The rule that reads an event, by the word that decides: one of ours, as others may say anything.
fn rule(name: &str, fields: Fields<'_>) -> String {
    let known = |words: &[&'static str], said: &str| {
        words.iter().copied().find(|word| said.starts_with(word)).unwrap_or("other")
    };
    match name {
        "bounce" => {
            let said = fields.text("type").unwrap_or_default();
            format!("bounce/{}", known(&["bounce", "blocked", "expired"], said))
        }
        "dropped" => format!("dropped/{}", known(DROPS, &drop_reason(fields)).replace(' ', "_")),
        _ => name.to_owned(),
    }
}

fn drop_reason(fields: Fields<'_>) -> String {
    fields.text("reason").unwrap_or_default().to_ascii_lowercase()
}

fn processed(stated: &Stated<'_>) -> Event {
    let mut sent = Sent::default();
    sent.stage = SentStage::Accepted;
    sent.queue_id = kept(stated.message_id);
    sent.into()
}

/// SendGrid itself refused the message, without a try.
fn dropped(fields: Fields<'_>, context: &Context<'_>) -> Event {
    let reason = drop_reason(fields);
    let ours = |reason| Class::Decided(reason, Fault::SenderSystem);
    let class = match DROPS.iter().copied().find(|head| reason.starts_with(head)) {
        Some("bounced address") => return suppressed(BlockCause::ProviderList),
        Some("unsubscribed address") => return suppressed(BlockCause::Unsubscribe),
        Some("spam reporting address") => return suppressed(BlockCause::Complaint),
        Some("spam content") => ours(Reason::SpamRejected),
        Some("invalid smtpapi header") => ours(Reason::ContentRejected),
        Some("recipient list over package quota") => ours(Reason::RateLimited),
        Some("invalid") => Class::Decided(Reason::BadAddressSyntax, Fault::Recipient),
        _ => Class::Silent,
    };
    bounced(class, fields, context)
}

fn suppressed(cause: BlockCause) -> Event {
    let mut suppressed = Suppressed::default();
    (suppressed.by, suppressed.cause) = (SuppressedBy::Provider, cause);
    suppressed.into()
}

fn deferred(fields: Fields<'_>, context: &Context<'_>) -> Event {
    let mut deferred = Deferred::default();
    deferred.diagnosis = failure(class(fields), fields).diagnose(context.classifier());
    // The provider's `attempt` counts its own tries. Ours would be taken for concluded by it.
    deferred.into()
}

fn delivered(fields: Fields<'_>) -> Event {
    let mut delivered = Delivered::default();
    delivered.confirmed_by = ConfirmedBy::Provider;
    (delivered.reply_code, delivered.enhanced_code) = codes(fields.text("response"));
    delivered.into()
}

/// A bounce is final whatever its type: `blocked` is a refusal that may pass, but nobody tries again.
fn bounced(class: Class, fields: Fields<'_>, context: &Context<'_>) -> Event {
    let mut bounced = Bounced::default();
    bounced.diagnosis = failure(class, fields).diagnose(context.classifier());
    bounced.into()
}

fn failure(class: Class, fields: Fields<'_>) -> Failure<'_> {
    let text = fields.text("response").or_else(|| fields.text("reason"));
    Failure { text, status: fields.text("status"), class }
}

fn bounce_class(fields: Fields<'_>) -> Class {
    match (class(fields), fields.text("type")) {
        (Class::Silent, Some("blocked")) => Class::Hint(Reason::PolicyRejected),
        (Class::Silent, Some("expired")) => Class::Hint(Reason::Expired),
        (class, _) => class,
    }
}

/// `bounce_classification`, which events shorten at will. Only *Invalid Address* is about the address.
fn class(fields: Fields<'_>) -> Class {
    let class = fields.text("bounce_classification").unwrap_or_default().to_ascii_lowercase();
    let known = CLASSES.iter().find(|(head, _)| class.starts_with(head));
    known.map_or(Class::Silent, |(_, reason)| Class::Hint(*reason))
}

fn opened(fields: Fields<'_>, user_agent: Option<&str>) -> Event {
    let mut opened = Opened::default();
    (opened.agent, opened.rule) = if fields.flag("sg_machine_open") == Some(true) {
        (Agent::MailboxMachine, Some("sg_machine_open".into()))
    } else {
        // Not flagged is not human.
        let (agent, rule) = machines::judge(user_agent);
        (agent, rule.map(Into::into))
    };
    opened.into()
}

fn clicked(fields: Fields<'_>) -> Event {
    let mut clicked = Clicked::default();
    (clicked.agent, clicked.link) = (Agent::Unknown, kept(fields.text("url")));
    clicked.into()
}

fn list(fields: Fields<'_>) -> Option<Box<str>> {
    fields.text_or_number("asm_group_id").map(Into::into)
}

const SIGNATURE: &str = "x-twilio-email-event-webhook-signature";
const TIMESTAMP: &str = "x-twilio-email-event-webhook-timestamp";

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
