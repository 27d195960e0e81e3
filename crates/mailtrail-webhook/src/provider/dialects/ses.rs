//! Amazon SES: by SNS (signed by a certificate), `EventBridge` or Firehose.
//!
//! Source: docs.aws.amazon.com/ses/latest/dg: event-publishing-retrieving-sns-contents,
//! notification-contents, event-publishing-retrieving-firehose-contents. What Firehose posts to an HTTP endpoint is that of
//! [`firehose`].

use mailtrail_core::Event;
use mailtrail_core::diagnosis::Fault;
use mailtrail_core::event::{Authenticity, BlockCause, UnsubscribedHow};
use mailtrail_core::reason::Reason;
use serde_json_borrow::Value;

use crate::Request;
use crate::instrument::DELIVERY_HEADER;
use crate::provider::account::Account;
use crate::provider::diagnose::{Class, Failure};
use crate::provider::dialect::{Dialect, Said, Say};
use crate::provider::fields::{Fields, Time, text_of};
use crate::provider::reader::Stated;
use crate::provider::signature::Scheme;
use crate::provider::signature::sns::{self, Trust};
use crate::provider::{Answers, Context, Element, Handshake, Refused, events, firehose};
use crate::text::address;

/// SES. The token goes into the message tag `mt_delivery`, or the header field `X-MT-Delivery` where
/// original headers are included.
#[derive(Debug)]
pub(super) struct Ses;

impl Dialect for Ses {
    fn name(&self) -> &'static str {
        "ses"
    }

    fn answers(&self) -> Answers {
        // SNS takes every 4xx but 429 for final, save the 401 that asks for credentials.
        let never = &[400, 403, 404, 405, 410, 413, 415, 422];
        Answers { unverified: 429, never, challenges: true, ..Answers::DEFAULT }
    }

    fn scheme(&self) -> Option<&Scheme> {
        None
    }

    fn is_signed(&self, account: &Account) -> bool {
        !account.topics().is_empty() || !account.certificates().is_empty()
    }

    fn verify(&self, account: &Account, request: &Request<'_>) -> Result<Authenticity, Refused> {
        let trust = Trust {
            topics: account.topics(),
            pinned: account.certificates(),
            tolerance: account.tolerance_or(Some(sns::AGE)).unwrap_or(sns::AGE),
            sha256: account.requires_sha256(),
        };
        sns::verify(request, trust)
    }

    fn wants(&self, account: &Account, request: &Request<'_>) -> Option<String> {
        let at_hand = !account.certificates().is_empty() || request.certificate.is_some();
        if at_hand { None } else { sns::wants(request, account.topics()) }
    }

    fn asks(&self, account: &Account, request: &Request<'_>) -> Option<Handshake> {
        // Only of a topic that is configured, which the signature proved; credentials alone don't.
        (!account.topics().is_empty())
            .then(|| sns::confirmation(request))
            .flatten()
            .map(Handshake::Visit)
    }

    fn says(&self, request: &Request<'_>, status: u16) -> Option<String> {
        firehose::answer(request, status)
    }

    fn split<'a>(&self, request: &Request<'a>) -> Result<Vec<Element<'a>>, Refused> {
        let elements: Vec<_> = match firehose::records(request) {
            Some(records) => records.iter().flat_map(|record| owned(record)).collect(),
            None => documents(request.body).into_iter().map(unwrapped).collect(),
        };
        let one = match elements.as_slice() {
            [element] => element.fields(),
            _ => None,
        };
        // Mail that comes in: whole messages, which are none of our business.
        if one.and_then(name) == Some("Received") {
            Err(Refused::WrongEndpoint)
        } else {
            Ok(elements)
        }
    }

    fn read<'a>(&self, fields: Fields<'a>, context: &Context<'_>, say: Say<'_, 'a>) {
        let event = bridged(fields).unwrap_or(fields);
        match name(event) {
            // What stands beside the members of an envelope of SNS, nobody signed.
            Some(name) if !is_envelope(fields) => read(name, event, context, say),
            _ => envelope(fields).into_iter().for_each(say),
        }
    }
}

/// What one record of Firehose holds.
fn owned(record: &[u8]) -> Vec<Element<'static>> {
    documents(record).into_iter().map(|element| unwrapped(element).into_owned()).collect()
}

/// One document, an array of them, or one a line.
fn documents(body: &[u8]) -> Vec<Element<'_>> {
    let whole = Element::new(body);
    if whole.is_object() {
        return vec![whole];
    }
    if body.trim_ascii_start().starts_with(b"[") {
        return Element::all(body);
    }
    let lines = Element::lines(body);
    if lines.iter().any(Element::is_object) { lines } else { vec![whole] }
}

/// What SNS has in its envelope, if that is a document itself. It is also something else: once, on
/// set-up, a sentence that says that the topic is good.
fn unwrapped(element: Element<'_>) -> Element<'_> {
    let message = element.fields().and_then(|fields| {
        let notified = fields.text("Type") == Some("Notification");
        let text = fields.text("Message").filter(|_| notified)?;
        Some(Element::new(text.as_bytes()).into_owned())
    });
    message.filter(Element::is_object).unwrap_or(element)
}

/// Whether it is an envelope of SNS: no event of SES has a `Type`.
fn is_envelope(fields: Fields<'_>) -> bool {
    fields.get("Type").is_some()
}

/// What `EventBridge` has in its envelope.
fn bridged(fields: Fields<'_>) -> Option<Fields<'_>> {
    fields.text("detail-type")?;
    fields.object("detail")
}

/// The type, in events of a configuration set or in notifications of an identity.
fn name(event: Fields<'_>) -> Option<&str> {
    event.first_text(&["eventType", "notificationType"])
}

/// What is about no message: it has the id of its publication.
fn envelope(fields: Fields<'_>) -> Option<Said<'_>> {
    let stated = Stated {
        event: fields.first_text(&["Type", "detail-type"])?,
        event_id: fields.first_text(&["MessageId", "id"]).map(Into::into),
        occurred: fields.first_time(&["Timestamp", "time"], Time::Iso),
        ..Stated::default()
    };
    Some(Said::new(stated, None))
}

/// A recipient, with what is said of it alone.
type Of<'a> = (Option<&'a str>, Option<Fields<'a>>);

fn read<'a>(name: &'a str, event: Fields<'a>, context: &Context<'_>, say: Say<'_, 'a>) {
    let part = event.object(part(name)).unwrap_or(event);
    let said = |(recipient, alone): Of<'a>| {
        let text = text(part, alone);
        let stated = Stated { recipient, text, ..stated(name, part, event) };
        let (event, class) = meaning(part, alone, &stated, context);
        Said::new(stated, event).by(&class)
    };
    recipients(name, part, event).into_iter().map(said).for_each(say);
}

/// Where an event of this name has what is its own.
fn part(name: &str) -> &str {
    match name {
        "Reject" => "reject",
        "Rendering Failure" => "failure",
        "Delivery" => "delivery",
        "DeliveryDelay" => "deliveryDelay",
        "Bounce" => "bounce",
        "Complaint" => "complaint",
        "Open" => "open",
        "Click" => "click",
        "Subscription" => "subscription",
        _ => "send",
    }
}

fn stated<'a>(name: &'a str, part: Fields<'a>, event: Fields<'a>) -> Stated<'a> {
    let message_id = event.text("mail/messageId");
    // SES may publish the same thing twice, in envelopes with other ids.
    let own = part.first_text(&["feedbackId", "timestamp"]).unwrap_or_default();
    let accepted = event.time("mail/timestamp", Time::Iso);
    Stated {
        event: name,
        event_id: message_id.map(|id| format!("{name}/{id}/{own}").into()),
        message_id: message_id.map(Into::into),
        header_id: event.text("mail/commonHeaders/messageId"),
        token: token(event),
        occurred: if name == "Send" { accepted } else { part.time("timestamp", Time::Iso) },
        ip: part.text("ipAddress"),
        user_agent: part.text("userAgent").filter(|_| matches!(name, "Open" | "Click")),
        ..Stated::default()
    }
}

fn token(event: Fields<'_>) -> Option<&str> {
    let header = || event.named("mail/headers", DELIVERY_HEADER);
    event.text("mail/tags/mt_delivery/0").or_else(header)
}

/// Whose it is: as far as it is said.
fn recipients<'a>(name: &str, part: Fields<'a>, event: Fields<'a>) -> Vec<Of<'a>> {
    let of = |place: Fields<'a>, path| place.list(path).map(of_one).collect::<Vec<Of<'a>>>();
    let found = match name {
        "Delivery" => of(part, "recipients"),
        "DeliveryDelay" => of(part, "delayedRecipients"),
        "Bounce" => of(part, "bouncedRecipients"),
        // All who may have complained, unless nothing was tried.
        "Complaint" if was_not_tried(part) => of(part, "complainedRecipients"),
        "Complaint" => only(of(part, "complainedRecipients")),
        // What befalls a message as a whole.
        "Send" | "Reject" | "Rendering Failure" => of(event, "mail/destination"),
        // All whom the message went to.
        _ => only(of(event, "mail/destination")),
    };
    if found.is_empty() { vec![(None, None)] } else { found }
}

fn only(found: Vec<Of<'_>>) -> Vec<Of<'_>> {
    if found.len() == 1 { found } else { Vec::new() }
}

/// An address, or an object that has one.
fn of_one<'a>(value: &'a Value<'a>) -> Of<'a> {
    let alone = Fields::of(value);
    let text = alone.map_or_else(|| text_of(value), |fields| fields.text("emailAddress"));
    (text.map(address), alone)
}

fn text<'a>(part: Fields<'a>, alone: Option<Fields<'a>>) -> Option<&'a str> {
    let own = alone.and_then(|alone| alone.text("diagnosticCode"));
    own.or_else(|| part.first_text(&["smtpResponse", "reason", "errorMessage"]))
}

/// What an event means for one recipient, and the class that decided.
fn meaning(
    part: Fields<'_>,
    alone: Option<Fields<'_>>,
    stated: &Stated<'_>,
    context: &Context<'_>,
) -> (Option<Event>, String) {
    let failure = |class| failure(class, stated.text, alone);
    let refused =
        |reason| events::bounced(failure(Class::Decided(reason, Fault::SenderSystem)), context);
    let event = match stated.event {
        "Send" => events::accepted(stated.message_id.as_deref()),
        // SES found malware.
        "Reject" => refused(Reason::VirusDetected),
        "Rendering Failure" => refused(Reason::ContentRejected),
        "Delivery" => events::delivered(stated.text),
        "DeliveryDelay" => {
            let kind = part.text("delayType").unwrap_or_default();
            return (Some(events::deferred(failure(delay(kind)), context)), kind.to_owned());
        }
        "Bounce" => return bounce(part, alone, failure(Class::Silent), context),
        "Complaint" => return complaint(part),
        "Open" => events::opened(None, stated.user_agent),
        "Click" => events::clicked(None, part.text("link")),
        "Subscription" => return (subscription(part), String::new()),
        _ => return (None, String::new()),
    };
    (Some(event), String::new())
}

fn bounce(
    part: Fields<'_>,
    alone: Option<Fields<'_>>,
    failure: Failure<'_>,
    context: &Context<'_>,
) -> (Option<Event>, String) {
    let word = |path| part.text(path).unwrap_or_default();
    let (kind, sub_type) = (word("bounceType"), word("bounceSubType"));
    // An automatic answer comes like this as well, and its message did arrive.
    let report = ["action", "status", "diagnosticCode"];
    let bare = alone.and_then(|alone| alone.first_text(&report)).is_none();
    let unknown = bare && (kind, sub_type) == ("Transient", "General");
    let event = (!unknown).then(|| bounced(sub_type, failure, context));
    (event, format!("{kind}/{sub_type}"))
}

fn complaint(part: Fields<'_>) -> (Option<Event>, String) {
    if was_not_tried(part) {
        let event = events::suppressed(BlockCause::ProviderList);
        return (Some(event), ON_ACCOUNT_LIST.to_owned());
    }
    let kind = part.text("complaintFeedbackType");
    // `not-spam` is the opposite.
    let complains = kind != Some("not-spam");
    (complains.then(|| events::complained(kind)), kind.unwrap_or_default().to_owned())
}

/// Whether a complaint is of an earlier message.
fn was_not_tried(part: Fields<'_>) -> bool {
    part.text("complaintSubType") == Some(ON_ACCOUNT_LIST)
}

fn failure<'a>(class: Class, text: Option<&'a str>, alone: Option<Fields<'a>>) -> Failure<'a> {
    let strip = |text: &'a str| {
        let (head, tail) = text.split_once(';')?;
        head.trim().eq_ignore_ascii_case("smtp").then_some(tail.trim())
    };
    let status = alone.and_then(|alone| alone.text("status"));
    Failure { text: text.map(|text| strip(text).unwrap_or(text)), status, class }
}

/// A bounce of this sub-type, also at providers that send through SES. Nobody tries again, also where
/// the type is `Transient`.
pub(super) fn bounced(sub_type: &str, failure: Failure<'_>, context: &Context<'_>) -> Event {
    let hint = match sub_type {
        // It was not tried: no news of the address.
        "Suppressed" | ON_ACCOUNT_LIST => {
            return events::suppressed(BlockCause::ProviderList);
        }
        "NoEmail" => Some(Reason::UserUnknown),
        "MailboxFull" => Some(Reason::MailboxFull),
        "MessageTooLarge" => Some(Reason::MessageTooLarge),
        "ContentRejected" | "AttachmentRejected" => Some(Reason::ContentRejected),
        "CustomTimeoutExceeded" => Some(Reason::Expired),
        // General, Undetermined, and what SES may add.
        _ => None,
    };
    let class = hint.map_or(failure.class, Class::Hint);
    events::bounced(Failure { class, ..failure }, context)
}

fn delay(kind: &str) -> Class {
    match kind {
        "MailboxFull" => Class::Hint(Reason::MailboxFull),
        "SpamDetected" => Class::Hint(Reason::SpamRejected),
        "RecipientServerError" => Class::Hint(Reason::SystemError),
        "IPFailure" => Class::Hint(Reason::ReputationBlocked),
        "TransientCommunicationFailure" => Class::Hint(Reason::ConnectionFailed),
        "BYOIPHostNameLookupUnavailable" => Class::Decided(Reason::DnsError, Fault::SenderSystem),
        "InternalFailure" | "SendingDeferral" => {
            Class::Decided(Reason::SystemError, Fault::SenderSystem)
        }
        // General, Undetermined, and what SES may add.
        _ => Class::Silent,
    }
}

/// A choice at the page of SES: of the whole list, or of topics, of which each is a list.
fn subscription(part: Fields<'_>) -> Option<Event> {
    let (old, new) = (part.object("oldTopicPreferences"), part.object("newTopicPreferences")?);
    let list = part.text("contactList");
    let off = |preferences: Fields<'_>| preferences.flag("unsubscribeAll") == Some(true);
    match (old.is_some_and(off), off(new)) {
        (false, true) => Some(events::unsubscribed(list)),
        (true, false) => Some(events::resubscribed(UnsubscribedHow::Provider, list)),
        // Of single topics only: one event may say both of several.
        _ => None,
    }
}

/// The sub-type of what SES did not try, by the list of the account.
const ON_ACCOUNT_LIST: &str = "OnAccountSuppressionList";
