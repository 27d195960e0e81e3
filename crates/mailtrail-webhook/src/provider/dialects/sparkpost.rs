//! SparkPost (Bird): batches of wrapped objects, no signature.
//!
//! Source: developers.sparkpost.com/api/webhooks; SparkPost/support-docs#233.

use mailtrail_core::Event;
use mailtrail_core::diagnosis::Fault;
use mailtrail_core::event::{Agent, BlockCause};
use mailtrail_core::reason::Reason;

use crate::Request;
use crate::provider::diagnose::{Class, Failure};
use crate::provider::dialect::{Dialect, Said, Say};
use crate::provider::fields::{Claim, Fields, Time};
use crate::provider::reader::Stated;
use crate::provider::signature::Scheme;
use crate::provider::{Answers, Context, Element, Refused, events};

/// SparkPost. The token goes into the recipient's metadata `mt_delivery`.
#[derive(Debug)]
pub(super) struct SparkPost;

impl Dialect for SparkPost {
    fn name(&self) -> &'static str {
        "sparkpost"
    }

    fn answers(&self) -> Answers {
        // It tries again on everything but 200, for eight hours.
        Answers::DEFAULT
    }

    fn scheme(&self) -> Option<&Scheme> {
        None
    }

    fn split<'a>(&self, request: &Request<'a>) -> Result<Vec<Element<'a>>, Refused> {
        let mut elements = Element::all(request.body);
        let is_inbound = |fields: Fields<'_>| fields.object("msys/relay_message").is_some();
        if elements.iter().filter_map(Element::fields).any(is_inbound) {
            return Err(Refused::WrongEndpoint);
        }
        // It asks so whether we are there.
        let is_ping = |fields: Fields<'_>| fields.object("msys").is_some_and(Fields::is_empty);
        elements.retain(|element| !element.fields().is_some_and(is_ping));
        Ok(elements)
    }

    fn read<'a>(&self, fields: Fields<'a>, context: &Context<'_>, say: Say<'_, 'a>) {
        let event = fields.object("msys").and_then(Fields::first_object);
        event.and_then(|fields| read(fields, context)).into_iter().for_each(say);
    }
}

fn read<'a>(fields: Fields<'a>, context: &Context<'_>) -> Option<Said<'a>> {
    let stated = stated(fields.text("type")?, fields);
    let number = fields.text_or_number("bounce_class").unwrap_or_default();
    let failure = |class| Failure { text: stated.text, status: fields.text("error_code"), class };
    let by_us = |reason| Class::Decided(reason, Fault::SenderSystem);
    let event = match stated.event {
        "injection" => Some(events::accepted(stated.message_id.as_deref())),
        "delivery" => Some(events::delivered(stated.text)),
        "delay" => Some(events::deferred(failure(class(&number)), context)),
        // The second after the server took it.
        "bounce" | "out_of_band" => bounce(&number, failure(class(&number)), context),
        "policy_rejection" => Some(refused(failure(Class::Hint(Reason::PolicyRejected)), context)),
        "generation_failure" | "generation_rejection" => {
            Some(refused(failure(by_us(Reason::ContentRejected)), context))
        }
        "spam_complaint" => Some(events::complained(fields.text("fbtype"))),
        // Two pixels, above and below: both tell of one view.
        "initial_open" | "open" | "amp_open" | "amp_initial_open" => {
            Some(events::opened(machine(fields), stated.user_agent))
        }
        "click" | "amp_click" => Some(events::clicked(None, fields.text("target_link_url"))),
        "list_unsubscribe" | "link_unsubscribe" => Some(events::unsubscribed(None)),
        // Those of relays, A/B tests and ingestion, and what SparkPost may add.
        _ => None,
    };
    let is_classed = matches!(stated.event, "bounce" | "out_of_band" | "delay");
    let class = if is_classed { &*number } else { "" };
    Some(Said::new(stated, event).by(class))
}

fn stated<'a>(name: &'a str, fields: Fields<'a>) -> Stated<'a> {
    let is_hit = name.ends_with("open") || name.ends_with("click");
    Stated {
        event: name,
        event_id: fields.text_or_number("event_id"),
        // The other one is in lower case.
        recipient: fields.first_text(&["raw_rcpt_to", "rcpt_to"]),
        message_id: fields.text_or_number("transmission_id"),
        token: fields.token("rcpt_meta"),
        occurred: occurred(fields),
        text: fields.first_text(&["raw_reason", "reason"]),
        ip: fields.text("ip_address").filter(|_| is_hit),
        user_agent: fields.text("user_agent"),
        ..Stated::default()
    }
}

/// Seconds; those of a failed generation have been seen in ISO 8601.
fn occurred(fields: Fields<'_>) -> Claim<'_> {
    let claim = fields.time("timestamp", Time::Seconds);
    if claim.at.is_some() { claim } else { fields.time("timestamp", Time::Iso) }
}

/// What a bounce of this class is, if it is any event of ours.
fn bounce(number: &str, failure: Failure<'_>, context: &Context<'_>) -> Option<Event> {
    match number {
        // Answers, of whoever has the mail.
        "60" | "100" => Some(events::auto_replied(false)),
        "80" => None,
        "90" => Some(events::unsubscribed(None)),
        _ => Some(events::bounced(failure, context)),
    }
}

/// SparkPost itself refused the message: by its list of suppressions, if it says so.
fn refused(failure: Failure<'_>, context: &Context<'_>) -> Event {
    let text = failure.text.unwrap_or_default().to_ascii_lowercase();
    let is_listed = text.contains("suppress");
    if is_listed {
        events::suppressed(BlockCause::ProviderList)
    } else {
        events::bounced(failure, context)
    }
}

/// `is_proxy` is no machine's alone: people read through proxies.
fn machine(fields: Fields<'_>) -> Option<(Agent, &'static str)> {
    let prefetched = fields.flag("user_agent_parsed/is_prefetched") == Some(true);
    prefetched.then_some((Agent::MailboxMachine, "sparkpost_prefetched"))
}

fn class(number: &str) -> Class {
    let hint = CLASSES.iter().find(|(known, _)| *known == number);
    match number {
        "25" => Class::Decided(Reason::PolicyRejected, Fault::SenderSystem),
        _ => hint.map_or(Class::Silent, |(_, reason)| Class::Hint(*reason)),
    }
}

/// `bounce_class`, where the server's words tell nothing. 1, 20, 40 and 70 say nothing either.
const CLASSES: [(&str, Reason); 11] = [
    ("10", Reason::UserUnknown),
    ("21", Reason::DnsError),
    ("22", Reason::MailboxFull),
    ("23", Reason::MessageTooLarge),
    ("24", Reason::ConnectionFailed),
    ("30", Reason::UserUnknown),
    ("50", Reason::PolicyRejected),
    ("51", Reason::ReputationBlocked),
    ("52", Reason::SpamRejected),
    ("53", Reason::ContentRejected),
    ("54", Reason::RelayDenied),
];
