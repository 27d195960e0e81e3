//! Postmark: one event a request, no signature.
//!
//! Source: postmarkapp.com/developer/webhooks; the types of bounces of its API.

use mailtrail_core::Event;
use mailtrail_core::diagnosis::Fault;
use mailtrail_core::event::{BlockCause, UnsubscribedHow};
use mailtrail_core::reason::Reason;

use crate::Request;
use crate::provider::diagnose::{Class, Failure};
use crate::provider::dialect::{Dialect, Said, Say};
use crate::provider::fields::{Fields, Time};
use crate::provider::reader::Stated;
use crate::provider::signature::Scheme;
use crate::provider::{Answers, Context, Element, Refused, events};

/// Postmark. It gives back the same metadata for all recipients of one message.
#[derive(Debug)]
pub(super) struct Postmark;

impl Dialect for Postmark {
    fn name(&self) -> &'static str {
        "postmark"
    }

    fn answers(&self) -> Answers {
        // It tries again on everything but 200 and 403: bounces ten times within 10.5 hours.
        Answers { never: &[403], ..Answers::DEFAULT }
    }

    fn scheme(&self) -> Option<&Scheme> {
        None
    }

    fn split<'a>(&self, request: &Request<'a>) -> Result<Vec<Element<'a>>, Refused> {
        let element = Element::new(request.body);
        match element.fields() {
            Some(fields) if is_inbound(fields) => Err(Refused::WrongEndpoint),
            _ => Ok(vec![element]),
        }
    }

    fn read<'a>(&self, fields: Fields<'a>, context: &Context<'_>, say: Say<'_, 'a>) {
        if let Some(said) = read(fields, context) {
            say(said);
        }
    }
}

/// Mail that comes in: whole messages, which are none of our business.
fn is_inbound(fields: Fields<'_>) -> bool {
    let record = fields.text("RecordType");
    record == Some("Inbound") || record.is_none() && fields.object("FromFull").is_some()
}

fn read<'a>(fields: Fields<'a>, context: &Context<'_>) -> Option<Said<'a>> {
    let record = fields.text("RecordType")?;
    let stated = stated(record, fields);
    let (event, class) = match record {
        "Delivery" => (Some(events::delivered(fields.text("Details"))), ""),
        "Bounce" => (bounce(bounce_type(fields), fields, context), bounce_type(fields)),
        "SpamComplaint" => (Some(events::complained(None)), ""),
        "SMTPApiError" => (bounce(record, fields, context), record),
        "Open" => (Some(events::opened(None, stated.user_agent)), ""),
        "Click" => (Some(events::clicked(None, fields.text("OriginalLink"))), ""),
        "SubscriptionChange" => {
            (subscription_change(fields), fields.text("SuppressionReason").unwrap_or_default())
        }
        _ => (None, ""),
    };
    let mut said = Said::new(stated, event);
    said.rule = if record == "SMTPApiError" { "Bounce".into() } else { record.into() };
    Some(said.by(class))
}

fn stated<'a>(record: &'a str, fields: Fields<'a>) -> Stated<'a> {
    let is_bounce = matches!(record, "Bounce" | "SpamComplaint" | "SMTPApiError");
    Stated {
        event: if is_bounce { bounce_type(fields) } else { record },
        // Of all records only these have an id of their own.
        event_id: fields.text_or_number("ID").filter(|_| is_bounce),
        recipient: fields.first_text(&["Recipient", "Email"]),
        message_id: fields.text("MessageID").map(Into::into),
        token: fields.text("Metadata/mt_delivery"),
        occurred: fields
            .first_time(&["BouncedAt", "DeliveredAt", "ReceivedAt", "ChangedAt"], Time::Iso),
        text: fields.first_text(&["Details", "Description"]),
        ip: fields.text("Geo/IP"),
        user_agent: fields.text("UserAgent"),
        ..Stated::default()
    }
}

/// The bounce's type. Its number is no substitute: complaints come with that of a spam notification.
fn bounce_type(fields: Fields<'_>) -> &str {
    fields.text("Type").unwrap_or_default()
}

/// What a bounce of this type is, if it is any event of ours.
fn bounce(kind: &str, fields: Fields<'_>, context: &Context<'_>) -> Option<Event> {
    let failure = |class| failure(class, fields);
    let bounced = |class| Some(events::bounced(failure(class), context));
    let by_filter = |reason| Class::Decided(reason, Fault::RecipientSystem);
    let by_us = |reason| Class::Decided(reason, Fault::SenderSystem);
    match kind {
        // Postmark goes on trying.
        "Transient" => Some(events::deferred(failure(Class::Silent), context)),
        "DnsError" => Some(events::deferred(failure(Class::Hint(Reason::DnsError)), context)),
        // After a SoftBounce nothing need follow: it is given up, for now.
        "HardBounce" | "SoftBounce" | "Unknown" => bounced(Class::Silent),
        "Blocked" => bounced(Class::Hint(Reason::PolicyRejected)),
        // A filter's word, not a person's.
        "SpamNotification" => bounced(by_filter(Reason::SpamRejected)),
        "VirusNotification" => bounced(by_filter(Reason::VirusDetected)),
        "BadEmailAddress" => bounced(Class::Decided(Reason::BadAddressSyntax, Fault::Recipient)),
        "DMARCPolicy" => bounced(by_us(Reason::AuthenticationFailed)),
        "TemplateRenderingFailed" => bounced(by_us(Reason::ContentRejected)),
        "SMTPApiError" => bounced(by_us(Reason::Unknown)),
        "ManuallyDeactivated" => Some(events::suppressed(BlockCause::ProviderList)),
        "SpamComplaint" => Some(events::complained(None)),
        "AutoResponder" | "ChallengeVerification" => Some(events::auto_replied(false)),
        "AddressChange" => Some(events::auto_replied(true)),
        "Unsubscribe" => Some(events::unsubscribed(fields.text("MessageStream"))),
        "Subscribe" => {
            Some(events::resubscribed(UnsubscribedHow::Provider, fields.text("MessageStream")))
        }
        // OpenRelayTest, Unconfirmed, InboundError, and what Postmark may add.
        _ => None,
    }
}

fn failure<'a>(class: Class, fields: Fields<'a>) -> Failure<'a> {
    let strip = |text: &'a str| {
        let (head, tail) = text.split_once(';')?;
        head.trim().eq_ignore_ascii_case("smtp").then_some(tail.trim())
    };
    let details = fields.text("Details").map(|text| strip(text).unwrap_or(text));
    Failure { text: details, class, ..Failure::default() }
}

/// A change of the provider's list. After a bounce or complaint it is not the person's wish.
fn subscription_change(fields: Fields<'_>) -> Option<Event> {
    let by_recipient = fields.text("Origin") == Some("Recipient");
    let how = if by_recipient { UnsubscribedHow::Provider } else { UnsubscribedHow::ByOthers };
    let list = fields.text("MessageStream");
    match (fields.flag("SuppressSending"), fields.text("SuppressionReason")) {
        (Some(true), Some("ManualSuppression")) => Some(events::unsubscribed_by(how, list)),
        (Some(false), _) => Some(events::resubscribed(how, list)),
        _ => None,
    }
}
