//! Postal: one event a request, signed by the installation's RSA key.
//!
//! Source: `postalserver/postal:app/services/webhook_delivery_service.rb`, `lib/postal/http.rb`,
//! `lib/postal/message_db/{delivery,message}.rb`, `app/lib/message_dequeuer/outgoing_message_processor.rb`.

use std::sync::LazyLock;

use mailtrail_core::Event;
use mailtrail_core::diagnosis::Fault;
use mailtrail_core::event::{Authenticity, BlockCause};
use mailtrail_core::reason::Reason;

use crate::Request;
use crate::provider::account::Account;
use crate::provider::diagnose::{Class, Failure};
use crate::provider::dialect::{Dialect, Said, Say};
use crate::provider::fields::{Fields, Time};
use crate::provider::reader::Stated;
use crate::provider::signature::{Algorithm, Encoding, Scheme, SigningKey};
use crate::provider::{Answers, Context, Element, Refused, events};

/// Postal. The token is the message's tag, as it is: it gives back nothing else of ours.
#[derive(Debug)]
pub(super) struct Postal;

static SHA_1: LazyLock<Scheme> =
    LazyLock::new(|| Scheme::of_body(Algorithm::RsaSha1, "x-postal-signature", Encoding::Base64));
static SHA_256: LazyLock<Scheme> = LazyLock::new(|| {
    Scheme::of_body(Algorithm::RsaSha256, "x-postal-signature-256", Encoding::Base64)
});

impl Dialect for Postal {
    fn name(&self) -> &'static str {
        "postal"
    }

    fn answers(&self) -> Answers {
        // It tries five more times on everything but 2xx; after 36 minutes the event is gone.
        Answers::DEFAULT
    }

    fn scheme(&self) -> Option<&Scheme> {
        Some(&SHA_256)
    }

    /// By the newer signature alone, if there is one: else the weaker would be the one to forge.
    fn verify(&self, account: &Account, request: &Request<'_>) -> Result<Authenticity, Refused> {
        let scheme: &Scheme = if SHA_256.is_shown(request) { &SHA_256 } else { &SHA_1 };
        let keys = account.keys().iter().map(|key| key.by(scheme.algorithm));
        scheme.verify(&keys.collect::<Vec<SigningKey>>(), request, None)
    }

    fn split<'a>(&self, request: &Request<'a>) -> Result<Vec<Element<'a>>, Refused> {
        let element = Element::new(request.body);
        match element.fields() {
            // Mail that comes in by an HTTP endpoint's route.
            Some(fields) if fields.get("event").is_none() && fields.text("rcpt_to").is_some() => {
                Err(Refused::WrongEndpoint)
            }
            _ => Ok(vec![element]),
        }
    }

    fn read<'a>(&self, fields: Fields<'a>, context: &Context<'_>, say: Say<'_, 'a>) {
        if let Some(said) = read(fields, context) {
            say(said);
        }
    }
}

fn read<'a>(fields: Fields<'a>, context: &Context<'_>) -> Option<Said<'a>> {
    let name = fields.text("event")?;
    let bounce = fields.object("payload/bounce").is_some();
    let path = if bounce { "payload/original_message" } else { "payload/message" };
    let Some(message) = fields.object(path) else {
        // SendLimitApproaching, SendLimitExceeded, DomainDNSError.
        return Some(Said::new(of_no_message(name, fields), None));
    };
    if message.text("direction") == Some("incoming") {
        return Some(Said::new(of_no_message(name, fields), None).by("incoming"));
    }
    let stated = stated(name, message, fields);
    let event = match name {
        // The report is not read, so that nothing says why.
        _ if bounce => Some(events::bounced(Failure::default(), context)),
        // The recipient's server took it.
        "MessageSent" => Some(events::delivered(fields.text("payload/output"))),
        "MessageDelayed" => Some(events::deferred(failure(Class::Silent, fields), context)),
        "MessageDeliveryFailed" => Some(events::bounced(failure(failed(fields), fields), context)),
        "MessageHeld" => held(fields),
        "MessageLoaded" => Some(events::opened(None, stated.user_agent)),
        "MessageLinkClicked" => Some(events::clicked(None, fields.text("payload/url"))),
        _ => None,
    };
    Some(Said::new(stated, event).by(if bounce { "bounce" } else { "" }))
}

fn stated<'a>(name: &'a str, message: Fields<'a>, fields: Fields<'a>) -> Stated<'a> {
    let times = ["payload/timestamp", "payload/bounce/timestamp", "timestamp"];
    Stated {
        event: name,
        event_id: fields.text("uuid").map(Into::into),
        // Of the envelope; there is one message for each.
        recipient: message.text("to"),
        message_id: message.text_or_number("id"),
        header_id: message.text("message_id"),
        token: message.text("tag"),
        occurred: fields.first_time(&times, Time::Seconds),
        text: fields.first_text(&["payload/output", "payload/details"]),
        ip: fields.text("payload/ip_address"),
        user_agent: fields.text("payload/user_agent"),
    }
}

/// What is not about a message of ours.
fn of_no_message<'a>(name: &'a str, fields: Fields<'a>) -> Stated<'a> {
    Stated {
        event: name,
        event_id: fields.text("uuid").map(Into::into),
        occurred: fields.first_time(&["payload/timestamp", "timestamp"], Time::Seconds),
        ..Stated::default()
    }
}

fn failure(class: Class, fields: Fields<'_>) -> Failure<'_> {
    let text = fields.first_text(&["payload/output", "payload/details"]);
    Failure { text, status: None, class }
}

/// What Postal itself decides, where no server said anything.
fn failed(fields: Fields<'_>) -> Class {
    let details = fields.text("payload/details").unwrap_or_default();
    let ours = |reason| Class::Decided(reason, Fault::SenderSystem);
    match details {
        _ if fields.text("payload/output").is_some() => Class::Silent,
        _ if details.starts_with("Message is likely spam") => ours(Reason::SpamRejected),
        // The domain that it is from.
        _ if details.starts_with("Message's domain") => ours(Reason::SenderRejected),
        _ if details.starts_with("Maximum number of delivery attempts") => {
            Class::Hint(Reason::Expired)
        }
        _ => Class::Silent,
    }
}

/// By the list of addresses it is refused; for any other reason a person may still release it.
fn held(fields: Fields<'_>) -> Option<Event> {
    let details = fields.text("payload/details")?.to_ascii_lowercase();
    details.contains("suppression list").then(|| events::suppressed(BlockCause::ProviderList))
}
