//! Postmark: one event a request, no signature.

use mailtrail_core::diagnosis::Fault;
use mailtrail_core::event::{
    Agent, Authenticity, AutoReplied, BlockCause, Bounced, Clicked, Complained, ConfirmedBy,
    Deferred, Delivered, Opened, Resubscribed, Suppressed, SuppressedBy, Unsubscribed,
    UnsubscribedHow,
};
use mailtrail_core::id::Endpoint;
use mailtrail_core::reason::Reason;
use mailtrail_core::{Event, Feedback};

use super::diagnose::{Class, Failure, codes};
use super::fields::{Claim, Fields};
use super::reader::{Stated, kept};
use super::{Access, Answers, Context, Element, Provider, Refused};
use crate::Request;
use crate::track::machines;

/// An account (a *server*) at Postmark.
///
/// Postmark signs nothing: give it a URL with a user and a password, and both to
/// [`Access::credential`]; several at once while they are rotated. Put the token of
/// [`Purpose::Metadata`](mailtrail_core::token::Purpose::Metadata) into the message's metadata as
/// `mt_delivery`, and send one message per recipient: Postmark gives back the same metadata for all
/// recipients of one message.
///
/// ```
/// use mailtrail_core::id::Endpoint;
/// use mailtrail_webhook::provider::{Access, Postmark, Provider};
/// use mailtrail_webhook::Secret;
/// let access = Access::new().credential(Secret::basic("mail", "trail"));
/// let postmark = Postmark::new(Endpoint::new("postmark")?, access);
/// assert!(postmark.answers().never.contains(&403));          // it would never try again
/// # Ok::<(), mailtrail_core::id::IdError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Postmark {
    endpoint: Endpoint,
    access: Access,
}

impl Postmark {
    /// The account of this name.
    pub fn new(endpoint: Endpoint, access: Access) -> Self {
        Self { endpoint, access }
    }
}

impl Provider for Postmark {
    fn name(&self) -> &'static str {
        "postmark"
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn answers(&self) -> Answers {
        // It tries again on everything but 200 and 403: bounces ten times within 10.5 hours.
        Answers { stored: 200, unverified: 401, later: 429, retry_after: 60, never: &[403] }
    }

    fn verify(&self, request: &Request<'_>) -> Result<Authenticity, Refused> {
        self.access.check(request)
    }

    fn split<'a>(&self, request: &Request<'a>) -> Result<Vec<Element<'a>>, Refused> {
        let element = Element::new(request.body);
        match element.object().map(Fields) {
            Some(fields) if is_inbound(fields) => Err(Refused::WrongEndpoint),
            _ => Ok(vec![element]),
        }
    }

    fn read(&self, element: &Element<'_>, context: &Context<'_>) -> Vec<Feedback> {
        let read = element.object().and_then(|object| read(Fields(object), element, context));
        vec![read.unwrap_or_else(|| context.unparsed(element))]
    }
}

/// Mail that comes in: whole messages, which are none of our business.
fn is_inbound(fields: Fields<'_>) -> bool {
    let record = fields.text("RecordType");
    record == Some("Inbound") || record.is_none() && fields.object("FromFull").is_some()
}

fn read(fields: Fields<'_>, element: &Element<'_>, context: &Context<'_>) -> Option<Feedback> {
    let record = fields.text("RecordType")?;
    let stated = stated(record, fields);
    let (event, rule) = match record {
        "Delivery" => (Some(delivered(fields)), "Delivery".to_owned()),
        "Bounce" => bounce(bounce_type(fields), fields, context),
        "SpamComplaint" => (Some(Complained::default().into()), "SpamComplaint".to_owned()),
        "SMTPApiError" => bounce("SMTPApiError", fields, context),
        "Open" => {
            let (agent, rule) = machines::judge(stated.user_agent);
            let mut opened = Opened::default();
            (opened.agent, opened.rule) = (agent, rule.map(Into::into));
            (Some(opened.into()), "Open".to_owned())
        }
        "Click" => {
            let mut clicked = Clicked::default();
            (clicked.agent, clicked.link) = (Agent::Unknown, kept(fields.text("OriginalLink")));
            (Some(clicked.into()), "Click".to_owned())
        }
        "SubscriptionChange" => subscription_change(fields),
        other => (None, other.to_owned()),
    };
    Some(match event {
        Some(event) => context.feedback(element, &stated, event, &rule),
        None => context.custom(element, &stated, &rule),
    })
}

fn stated<'a>(record: &'a str, fields: Fields<'a>) -> Stated<'a> {
    let claims = ["BouncedAt", "DeliveredAt", "ReceivedAt", "ChangedAt"];
    let claims = claims.into_iter().map(|name| fields.rfc3339(name));
    let is_bounce = matches!(record, "Bounce" | "SpamComplaint" | "SMTPApiError");
    Stated {
        event: if is_bounce { bounce_type(fields) } else { record },
        // Of all records only these have an id of their own.
        event_id: fields.text_or_number("ID").filter(|_| is_bounce),
        recipient: fields.text("Recipient").or_else(|| fields.text("Email")),
        message_id: fields.text("MessageID"),
        header_id: None,
        token: fields.object("Metadata").and_then(|metadata| metadata.text("mt_delivery")),
        occurred: claims
            .into_iter()
            .find(|claim| claim.text.is_some())
            .unwrap_or_else(Claim::default),
        text: fields.text("Details").or_else(|| fields.text("Description")),
        ip: fields.object("Geo").and_then(|geo| geo.text("IP")),
        user_agent: fields.text("UserAgent"),
    }
}

fn delivered(fields: Fields<'_>) -> Event {
    let mut delivered = Delivered::default();
    delivered.confirmed_by = ConfirmedBy::Provider;
    (delivered.reply_code, delivered.enhanced_code) = codes(fields.text("Details"));
    delivered.into()
}

/// The bounce's type. Its number is no substitute: complaints come with that of a spam notification.
fn bounce_type(fields: Fields<'_>) -> &str {
    fields.text("Type").unwrap_or_default()
}

/// What a bounce of this type is, if it is any event of ours.
fn bounce(kind: &str, fields: Fields<'_>, context: &Context<'_>) -> (Option<Event>, String) {
    let bounced = |class| Some(bounced(class, fields, context));
    let event = match kind {
        // Postmark goes on trying.
        "Transient" => Some(deferred(Class::Silent, fields, context)),
        "DnsError" => Some(deferred(Class::Hint(Reason::DnsError), fields, context)),
        // After a SoftBounce nothing need follow: it is given up, for now.
        "HardBounce" | "SoftBounce" | "Unknown" => bounced(Class::Silent),
        "Blocked" => bounced(Class::Hint(Reason::PolicyRejected)),
        // A filter's word, not a person's.
        "SpamNotification" => bounced(Class::Decided(Reason::SpamRejected, Fault::RecipientSystem)),
        "VirusNotification" => {
            bounced(Class::Decided(Reason::VirusDetected, Fault::RecipientSystem))
        }
        "BadEmailAddress" => bounced(Class::Decided(Reason::BadAddressSyntax, Fault::Recipient)),
        "DMARCPolicy" => bounced(Class::Decided(Reason::AuthenticationFailed, Fault::SenderSystem)),
        "TemplateRenderingFailed" => {
            bounced(Class::Decided(Reason::ContentRejected, Fault::SenderSystem))
        }
        "SMTPApiError" => bounced(Class::Decided(Reason::Unknown, Fault::SenderSystem)),
        "ManuallyDeactivated" => Some(suppressed()),
        "SpamComplaint" => Some(Complained::default().into()),
        "AutoResponder" | "ChallengeVerification" => Some(AutoReplied::default().into()),
        "AddressChange" => {
            let mut reply = AutoReplied::default();
            reply.address_change = true;
            Some(reply.into())
        }
        "Unsubscribe" => Some(unsubscribed(UnsubscribedHow::Provider, fields)),
        "Subscribe" => Some(resubscribed(UnsubscribedHow::Provider, fields)),
        // OpenRelayTest, Unconfirmed, InboundError, and what Postmark may add.
        _ => None,
    };
    (event, format!("Bounce/{kind}"))
}

fn failure<'a>(class: Class, fields: Fields<'a>) -> Failure<'a> {
    let strip = |text: &'a str| {
        let (head, tail) = text.split_once(';')?;
        head.trim().eq_ignore_ascii_case("smtp").then_some(tail.trim())
    };
    let details = fields.text("Details").map(|text| strip(text).unwrap_or(text));
    Failure { text: details, status: None, class }
}

fn bounced(class: Class, fields: Fields<'_>, context: &Context<'_>) -> Event {
    let mut bounced = Bounced::default();
    bounced.diagnosis = failure(class, fields).diagnose(context.classifier());
    bounced.into()
}

fn deferred(class: Class, fields: Fields<'_>, context: &Context<'_>) -> Event {
    let mut deferred = Deferred::default();
    deferred.diagnosis = failure(class, fields).diagnose(context.classifier());
    deferred.into()
}

fn suppressed() -> Event {
    let mut suppressed = Suppressed::default();
    suppressed.by = SuppressedBy::Provider;
    suppressed.cause = BlockCause::ProviderList;
    suppressed.into()
}

/// A change of the provider's list. After a bounce or complaint it is not the person's wish.
fn subscription_change(fields: Fields<'_>) -> (Option<Event>, String) {
    let by_recipient = fields.text("Origin") == Some("Recipient");
    let how = if by_recipient { UnsubscribedHow::Provider } else { UnsubscribedHow::ByOthers };
    let reason = fields.text("SuppressionReason").unwrap_or_default();
    let event = match (fields.flag("SuppressSending"), reason) {
        (Some(true), "ManualSuppression") => Some(unsubscribed(how, fields)),
        (Some(false), _) => Some(resubscribed(how, fields)),
        _ => None,
    };
    (event, ["SubscriptionChange", reason].join("/").trim_end_matches('/').to_owned())
}

fn unsubscribed(how: UnsubscribedHow, fields: Fields<'_>) -> Event {
    let mut event = Unsubscribed::default();
    (event.how, event.list) = (how, kept(fields.text("MessageStream")));
    event.into()
}

fn resubscribed(how: UnsubscribedHow, fields: Fields<'_>) -> Event {
    let mut event = Resubscribed::default();
    (event.how, event.list) = (how, kept(fields.text("MessageStream")));
    event.into()
}
