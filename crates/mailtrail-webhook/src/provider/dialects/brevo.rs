//! Brevo (Sendinblue): flat objects, no signature, and hardly a second try.
//!
//! Source: developers.brevo.com transactional-webhooks, retry-mechanism.

use mailtrail_core::Event;
use mailtrail_core::diagnosis::Fault;
use mailtrail_core::event::{Agent, BlockCause};
use mailtrail_core::reason::Reason;

use crate::Request;
use crate::provider::diagnose::{Class, Failure, codes};
use crate::provider::dialect::{Dialect, Said, Say};
use crate::provider::fields::{Claim, Fields, Time};
use crate::provider::reader::Stated;
use crate::provider::signature::Scheme;
use crate::provider::{Answers, Context, Element, Refused, events};

/// Brevo. The token is the header `X-Mailin-custom`, or `mt_delivery` in its JSON.
#[derive(Debug)]
pub(super) struct Brevo;

impl Dialect for Brevo {
    fn name(&self) -> &'static str {
        "brevo"
    }

    fn answers(&self) -> Answers {
        // 429 is the only status after which it tries again: four times within eleven hours.
        Answers { unverified: 429, never: FINAL, ..Answers::DEFAULT }
    }

    fn scheme(&self) -> Option<&Scheme> {
        None
    }

    fn split<'a>(&self, request: &Request<'a>) -> Result<Vec<Element<'a>>, Refused> {
        let elements = Element::all(request.body);
        // Mail that comes in.
        let is_inbound =
            |fields: Fields<'_>| fields.get("event").is_none() && fields.get("items").is_some();
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
    let failure = |class| Failure { text: stated.text, class, ..Failure::default() };
    let bounced = |class| events::bounced(failure(class), context);
    let event = match stated.event {
        // It comes also if `blocked` follows.
        "request" => events::accepted(stated.message_id.as_deref()),
        "delivered" => events::delivered(stated.text),
        // In older documents it is misspelt.
        "deferred" | "defered" => events::deferred(failure(Class::Silent), context),
        // Given up, both.
        "soft_bounce" | "hard_bounce" => bounced(Class::Silent),
        "invalid_email" => bounced(Class::Decided(Reason::BadAddressSyntax, Fault::Recipient)),
        "blocked" => blocked(failure(Class::Hint(Reason::PolicyRejected)), context),
        "error" => bounced(Class::Hint(Reason::SystemError)),
        "spam" | "complaint" => events::complained(None),
        "opened" | "unique_opened" => events::opened(None, stated.user_agent),
        "proxy_open" | "unique_proxy_open" => {
            events::opened(Some((Agent::MailboxMachine, "brevo_proxy_open")), None)
        }
        "click" => events::clicked(None, fields.text("link")),
        "unsubscribe" | "unsubscribed" => events::unsubscribed(None),
        // list_addition, those of marketing, and what Brevo may add.
        _ => return Some(Said::new(stated, None)),
    };
    Some(Said::new(stated, event))
}

fn stated<'a>(name: &'a str, fields: Fields<'a>) -> Stated<'a> {
    let id = fields.text("message-id");
    let is_hit = name.ends_with("open") || name.ends_with("opened") || name == "click";
    Stated {
        event: name,
        // `id` is the webhook's.
        recipient: fields.text("email"),
        message_id: id.map(|id| id.trim_start_matches('<').trim_end_matches('>').into()),
        token: fields.token("X-Mailin-custom"),
        occurred: occurred(fields),
        text: fields.text("reason"),
        ip: fields.text("ip").filter(|_| is_hit),
        user_agent: fields.text("user_agent"),
        ..Stated::default()
    }
}

/// The other times are in the account's zone, which they don't say.
fn occurred(fields: Fields<'_>) -> Claim<'_> {
    let claim = fields.time("ts_epoch", Time::Milliseconds);
    match claim.written {
        Some(_) => claim,
        None => Claim { at: None, written: fields.get("date") },
    }
}

/// By Brevo's own list, unless it has the words of a server.
fn blocked(failure: Failure<'_>, context: &Context<'_>) -> Event {
    let (reply, _) = codes(failure.text);
    if reply.is_some() {
        return events::bounced(failure, context);
    }
    let reason = failure.text.unwrap_or_default().to_ascii_lowercase();
    let says = |word| reason.contains(word);
    events::suppressed(match () {
        () if says("unsubscri") => BlockCause::Unsubscribe,
        () if says("spam") || says("complain") => BlockCause::Complaint,
        () => BlockCause::ProviderList,
    })
}

/// Any status of 4xx but 429, and any of 5xx; these are those that are in use.
const FINAL: &[u16] = &[
    400, 401, 403, 404, 405, 406, 408, 409, 410, 411, 413, 414, 415, 417, 421, 422, 425, 428, 431,
    500, 501, 502, 503, 504, 505, 507, 508, 511,
];
