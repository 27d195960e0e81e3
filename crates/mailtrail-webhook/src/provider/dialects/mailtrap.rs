//! Mailtrap: batches in one object or a line each, signed by HMAC over the body.
//!
//! Source: `mailtrap/mailtrap-docs:documentation/email-api-smtp/webhooks.md`.

use std::sync::LazyLock;

use mailtrail_core::Event;
use mailtrail_core::diagnosis::Fault;
use mailtrail_core::event::BlockCause;
use mailtrail_core::reason::Reason;

use crate::Request;
use crate::provider::diagnose::{Class, Failure};
use crate::provider::dialect::{Dialect, Said, Say};
use crate::provider::fields::{Fields, Time};
use crate::provider::reader::Stated;
use crate::provider::signature::{Algorithm, Encoding, Scheme};
use crate::provider::{Answers, Context, Element, Refused, events};

/// Mailtrap. The token goes into the custom variable `mt_delivery`.
#[derive(Debug)]
pub(super) struct Mailtrap;

/// No time is signed: a repeated request is known by its events' ids.
static SCHEME: LazyLock<Scheme> =
    LazyLock::new(|| Scheme::of_body(Algorithm::HmacSha256, "mailtrap-signature", Encoding::Hex));

impl Dialect for Mailtrap {
    fn name(&self) -> &'static str {
        "mailtrap"
    }

    fn answers(&self) -> Answers {
        // It tries again on everything but 200: forty times, every five minutes. Then it pauses.
        Answers::DEFAULT
    }

    fn scheme(&self) -> Option<&Scheme> {
        Some(&SCHEME)
    }

    fn split<'a>(&self, request: &Request<'a>) -> Result<Vec<Element<'a>>, Refused> {
        let content_type = request.headers.text("content-type").unwrap_or_default();
        let content_type = content_type.to_ascii_lowercase();
        let by_name =
            ["ndjson", "jsonl", "json-lines"].iter().any(|one| content_type.contains(one));
        let batch = (!by_name).then(|| Element::of_member(request.body, "events")).flatten();
        let is_array = request.body.trim_ascii_start().starts_with(b"[");
        let otherwise = if is_array { Element::all } else { Element::lines };
        Ok(batch.unwrap_or_else(|| otherwise(request.body)))
    }

    fn read<'a>(&self, fields: Fields<'a>, context: &Context<'_>, say: Say<'_, 'a>) {
        if let Some(said) = read(fields, context) {
            say(said);
        }
    }
}

fn read<'a>(fields: Fields<'a>, context: &Context<'_>) -> Option<Said<'a>> {
    let name = fields.text("event")?;
    let stated = stated(name, fields);
    let status = fields.text_or_number("response_code");
    let failure =
        Failure { text: server_words(fields), status: status.as_deref(), class: class(fields) };
    let event = match name {
        "delivery" => events::delivered(fields.text("response")),
        // It goes on trying.
        "soft bounce" => events::deferred(failure, context),
        "bounce" => events::bounced(failure, context),
        "reject" => rejected(fields, failure, context),
        "spam" => events::complained(None),
        "unsubscribe" => events::unsubscribed(None),
        "open" => events::opened(None, stated.user_agent),
        "click" => events::clicked(None, fields.text("url")),
        // Held, as the domain is not verified (suspension); activity_log.*; what Mailtrap may add.
        _ => return Some(Said::new(stated, None)),
    };
    Some(Said::new(stated, event))
}

fn stated<'a>(name: &'a str, fields: Fields<'a>) -> Stated<'a> {
    Stated {
        event: name,
        event_id: fields.text("event_id").map(Into::into),
        recipient: fields.text("email"),
        message_id: fields.text("message_id").map(Into::into),
        token: fields.text("custom_variables/mt_delivery"),
        occurred: fields.time("timestamp", Time::Seconds),
        text: fields.first_text(&["response", "reason"]),
        ip: fields.text("ip").filter(|_| matches!(name, "open" | "click" | "unsubscribe")),
        user_agent: fields.text("user_agent"),
        ..Stated::default()
    }
}

/// The server's words stand in brackets behind Mailtrap's: `bounced (550 5.1.1 …)`.
fn server_words(fields: Fields<'_>) -> Option<&str> {
    let text = fields.first_text(&["response", "reason"])?;
    let inner = text.strip_suffix(')').and_then(|text| text.split_once(" ("));
    let ours = |head: &str| matches!(head, "bounced" | "soft bounce");
    Some(inner.filter(|(head, _)| ours(head)).map_or(text, |(_, words)| words))
}

fn class(fields: Fields<'_>) -> Class {
    match fields.text("bounce_category") {
        Some("badmailbox") => Class::Hint(Reason::UserUnknown),
        Some("baddomain") => Class::Hint(Reason::HostUnknown),
        Some("spam") => Class::Hint(Reason::SpamRejected),
        // The list of categories is nowhere to be seen.
        _ => Class::Silent,
    }
}

/// Mailtrap itself refused the message: by its list of addresses, or for another reason.
fn rejected(fields: Fields<'_>, failure: Failure<'_>, context: &Context<'_>) -> Event {
    let reason = fields.text("reason").unwrap_or_default().to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if has(&["unsubscri"]) {
        return events::suppressed(BlockCause::Unsubscribe);
    }
    if has(&["complain"]) {
        return events::suppressed(BlockCause::Complaint);
    }
    if has(&["suppress", "bounce"]) {
        return events::suppressed(BlockCause::ProviderList);
    }
    let class = Class::Decided(Reason::Unknown, Fault::SenderSystem);
    events::bounced(Failure { class, ..failure }, context)
}
