//! Mailjet: one object or an array of them, no signature.
//!
//! Source: dev.mailjet.com guides on webhooks, "Event Tracking API".

use mailtrail_core::Event;
use mailtrail_core::diagnosis::Fault;
use mailtrail_core::event::BlockCause;
use mailtrail_core::reason::Reason;

use crate::Request;
use crate::provider::diagnose::{Class, Failure};
use crate::provider::dialect::{Dialect, Said, Say};
use crate::provider::fields::{Fields, Time};
use crate::provider::reader::Stated;
use crate::provider::signature::Scheme;
use crate::provider::{Answers, Context, Element, Refused, events};

/// Mailjet. The token is the message's `CustomID`, or `mt_delivery` in the JSON of its `EventPayload`.
#[derive(Debug)]
pub(super) struct Mailjet;

impl Dialect for Mailjet {
    fn name(&self) -> &'static str {
        "mailjet"
    }

    fn answers(&self) -> Answers {
        // It tries again on everything but 200: every 30 seconds for a day.
        Answers::DEFAULT
    }

    fn scheme(&self) -> Option<&Scheme> {
        None
    }

    fn split<'a>(&self, request: &Request<'a>) -> Result<Vec<Element<'a>>, Refused> {
        let elements = Element::all(request.body);
        let is_inbound = |fields: Fields<'_>| {
            let has = |name| fields.get(name).is_some();
            !has("event") && has("Sender") && has("Headers")
        };
        let inbound = elements.iter().filter_map(Element::fields).any(is_inbound);
        if inbound { Err(Refused::WrongEndpoint) } else { Ok(elements) }
    }

    fn read<'a>(&self, fields: Fields<'a>, context: &Context<'_>, say: Say<'_, 'a>) {
        if let Some(said) = read(fields, context) {
            say(said);
        }
    }
}

fn read<'a>(fields: Fields<'a>, context: &Context<'_>) -> Option<Said<'a>> {
    let stated = stated(fields.text("event")?, fields);
    let error = fields.text("error").unwrap_or_default().to_ascii_lowercase();
    let failure = |class| Failure { text: fields.text("comment"), class, ..Failure::default() };
    let is_hard = fields.flag("hard_bounce") == Some(true);
    let event = match stated.event {
        // The recipient's server took it.
        "sent" => events::delivered(stated.text),
        "open" => events::opened(None, stated.user_agent),
        "click" => events::clicked(None, fields.text("url")),
        // Of all bounces that are not hard Mailjet says only of this one that it goes on trying.
        "bounce" if error == "greylisted" && !is_hard => {
            events::deferred(failure(Class::Hint(Reason::Greylisted)), context)
        }
        "bounce" => {
            listed(&error).unwrap_or_else(|| events::bounced(failure(class(&error)), context))
        }
        "blocked" => blocked(&error, failure(class(&error)), context),
        "spam" => events::complained(None),
        "unsub" => {
            let list = fields.text_or_number("mj_list_id").filter(|list| list != "0");
            events::unsubscribed(list.as_deref())
        }
        _ => return Some(Said::new(stated, None)),
    };
    let class = if matches!(stated.event, "bounce" | "blocked") { error.as_str() } else { "" };
    Some(Said::new(stated, event).by(&class.replace([' ', '/'], "_")))
}

fn stated<'a>(name: &'a str, fields: Fields<'a>) -> Stated<'a> {
    let is_hit = matches!(name, "open" | "click" | "unsub");
    Stated {
        event: name,
        recipient: fields.text("email"),
        // A number over 2^53.
        message_id: fields.text_or_number("MessageID"),
        token: fields.token("Payload").or_else(|| fields.token("CustomID")),
        occurred: fields.time("time", Time::Seconds),
        text: fields.first_text(&["smtp_reply", "comment"]),
        ip: fields.text("ip").filter(|_| is_hit),
        user_agent: fields.text("agent"),
        ..Stated::default()
    }
}

/// What Mailjet refused by a list of its own.
fn listed(error: &str) -> Option<Event> {
    match error {
        "preblocked" | "blacklisted" => Some(events::suppressed(BlockCause::ProviderList)),
        "spam reporter" => Some(events::suppressed(BlockCause::Complaint)),
        _ => None,
    }
}

/// Mailjet did not try. What it says of the address it has from earlier messages: no second bounce.
fn blocked(error: &str, failure: Failure<'_>, context: &Context<'_>) -> Event {
    match failure.class {
        Class::Decided(..) => events::bounced(failure, context),
        Class::Hint(_) | Class::Silent => {
            listed(error).unwrap_or_else(|| events::suppressed(BlockCause::ProviderList))
        }
    }
}

/// `error`, in lower case. What is Mailjet's own decision or fault is no server's word.
fn class(error: &str) -> Class {
    let ours = |reason| Class::Decided(reason, Fault::SenderSystem);
    match error {
        "user unknown" => Class::Hint(Reason::UserUnknown),
        "mailbox inactive" => Class::Hint(Reason::MailboxDisabled),
        "quota exceeded" => Class::Hint(Reason::MailboxFull),
        "invalid domain" | "no mail host" => Class::Hint(Reason::HostUnknown),
        "relay/access denied" => Class::Hint(Reason::PolicyRejected),
        "greylisted" => Class::Hint(Reason::Greylisted),
        "typofix" => Class::Decided(Reason::HostUnknown, Fault::Recipient),
        "sender blocked" => ours(Reason::SenderRejected),
        "content blocked" => ours(Reason::SpamRejected),
        "policy issue" | "duplicate in campaign" => ours(Reason::PolicyRejected),
        "system issue" | "protocol issue" => ours(Reason::SystemError),
        "connection issue" => ours(Reason::ConnectionFailed),
        "bad or empty template" | "error in template language" => ours(Reason::ContentRejected),
        _ => Class::Silent,
    }
}
