//! MailerSend: one event a request, signed by HMAC over the body.
//!
//! Source: developers.mailersend.com/api/v1/webhooks.html.

use std::sync::LazyLock;

use crate::Request;
use crate::instrument::DELIVERY_HEADER;
use crate::provider::diagnose::Failure;
use crate::provider::dialect::{Dialect, Said, Say};
use crate::provider::fields::{Fields, Time, text_of};
use crate::provider::reader::Stated;
use crate::provider::signature::{Algorithm, Encoding, Scheme};
use crate::provider::{Answers, Context, Element, Refused, events};

/// MailerSend. The token is one of the tags, as it is, or goes into the header field `X-MT-Delivery`.
#[derive(Debug)]
pub(super) struct MailerSend;

/// No time is signed: a repeated request is known by its event's id.
static SCHEME: LazyLock<Scheme> =
    LazyLock::new(|| Scheme::of_body(Algorithm::HmacSha256, "signature", Encoding::Hex));

impl Dialect for MailerSend {
    fn name(&self) -> &'static str {
        "mailersend"
    }

    fn answers(&self) -> Answers {
        // Twenty failures within a day pause the hook until someone starts it again.
        Answers::DEFAULT
    }

    fn always_signs(&self) -> bool {
        true
    }

    fn scheme(&self) -> Option<&Scheme> {
        Some(&SCHEME)
    }

    fn split<'a>(&self, request: &Request<'a>) -> Result<Vec<Element<'a>>, Refused> {
        let element = Element::new(request.body);
        let name = element.fields().and_then(|fields| fields.text("type")).unwrap_or_default();
        // Mail that comes in: whole messages, which are none of our business.
        if name.starts_with("inbound.") { Err(Refused::WrongEndpoint) } else { Ok(vec![element]) }
    }

    fn read<'a>(&self, fields: Fields<'a>, context: &Context<'_>, say: Say<'_, 'a>) {
        if let Some(said) = read(fields, context) {
            say(said);
        }
    }
}

fn read<'a>(fields: Fields<'a>, context: &Context<'_>) -> Option<Said<'a>> {
    let name = fields.first_text(&["type", "data/type"])?;
    let stated = stated(name.strip_prefix("activity.").unwrap_or(name), fields);
    let event = match stated.event {
        // Handed to MailerSend's own sending server.
        "sent" => events::accepted(stated.message_id.as_deref()),
        "delivered" => events::delivered(None),
        "deferred" => events::deferred(failure(fields), context),
        // Soft or hard: it is given up.
        "soft_bounced" | "hard_bounced" => events::bounced(failure(fields), context),
        // The first comes once more under the other name: two events, of which each has its id.
        "opened" | "opened_unique" => events::opened(None, stated.user_agent),
        "clicked" | "clicked_unique" => events::clicked(None, fields.text("data/morph/url")),
        "unsubscribed" => events::unsubscribed(None),
        "spam_complaint" => events::complained(None),
        // Surveys, identities, maintenance, webhook.test, and what MailerSend may add.
        _ => return Some(Said::new(stated, None)),
    };
    Some(Said::new(stated, event))
}

fn stated<'a>(name: &'a str, fields: Fields<'a>) -> Stated<'a> {
    let header = || fields.named("data/email/headers", DELIVERY_HEADER);
    Stated {
        event: name,
        event_id: fields.text("data/id").map(Into::into),
        recipient: fields.text("data/email/recipient/email"),
        // What the send call returned, for all recipients of the message.
        message_id: fields.text("data/email/message/id").map(Into::into),
        token: tagged(fields).or_else(header),
        // That beside `type` is when the request was made.
        occurred: fields.time("data/created_at", Time::Iso),
        text: text(fields),
        ip: fields.text("data/morph/ip"),
        ..Stated::default()
    }
}

/// The tag that may be a token: tags have no names.
fn tagged(fields: Fields<'_>) -> Option<&str> {
    fields.list("data/email/tags").filter_map(text_of).find(|tag| may_be_token(tag))
}

fn may_be_token(tag: &str) -> bool {
    let is_base32 = |byte: u8| byte.is_ascii_alphabetic() || (b'2'..=b'7').contains(&byte);
    tag.len() == 48 && tag.bytes().all(is_base32)
}

fn text(fields: Fields<'_>) -> Option<&str> {
    fields.first_text(&["data/morph/reason", "data/morph/readable_reason"])
}

fn failure(fields: Fields<'_>) -> Failure<'_> {
    Failure { text: text(fields), ..Failure::default() }
}
