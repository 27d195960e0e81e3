//! Resend: one event a request, signed by Standard Webhooks (Svix).
//!
//! Source: resend.com/docs/webhooks/event-types, docs.svix.com/receiving/verifying-payloads/how-manual.

use std::sync::LazyLock;

use mailtrail_core::Event;
use mailtrail_core::diagnosis::Fault;
use mailtrail_core::event::{Authenticity, BlockCause};
use mailtrail_core::reason::Reason;

use super::ses;
use crate::Request;
use crate::instrument::DELIVERY_HEADER;
use crate::provider::account::Account;
use crate::provider::diagnose::{Class, Failure};
use crate::provider::dialect::{Dialect, Said, Say};
use crate::provider::fields::{Fields, Time, text_of};
use crate::provider::reader::Stated;
use crate::provider::signature::Scheme;
use crate::provider::{Answers, Context, Refused, events};
use crate::text::address;

/// Resend. The token goes into the tag `mt_delivery`, or the header field `X-MT-Delivery`.
#[derive(Debug)]
pub(super) struct Resend;

static SVIX: LazyLock<Scheme> =
    LazyLock::new(|| Scheme::standard_webhooks("svix-id", "svix-timestamp", "svix-signature"));
/// The names of the standard, which the libraries of Svix take as well.
static STANDARD: LazyLock<Scheme> = LazyLock::new(|| {
    Scheme::standard_webhooks("webhook-id", "webhook-timestamp", "webhook-signature")
});

impl Dialect for Resend {
    fn name(&self) -> &'static str {
        "resend"
    }

    fn answers(&self) -> Answers {
        // Eight tries within 28 hours on everything but 2xx. Who fails for days is switched off.
        Answers::DEFAULT
    }

    fn scheme(&self) -> Option<&Scheme> {
        Some(&SVIX)
    }

    fn verify(&self, account: &Account, request: &Request<'_>) -> Result<Authenticity, Refused> {
        let scheme = scheme_of(request);
        scheme.verify(account.keys(), request, account.tolerance_or(scheme.tolerance()))
    }

    fn delivery_id<'r>(&self, request: &'r Request<'_>) -> Option<&'r str> {
        scheme_of(request).id(request)
    }

    fn read<'a>(&self, fields: Fields<'a>, context: &Context<'_>, say: Say<'_, 'a>) {
        if let Some(said) = read(fields, context) {
            say(said);
        }
    }
}

/// The scheme whose names the request has: never the signature of one and the id of the other.
fn scheme_of(request: &Request<'_>) -> &'static Scheme {
    if !SVIX.is_shown(request) && STANDARD.is_shown(request) { &STANDARD } else { &SVIX }
}

fn read<'a>(fields: Fields<'a>, context: &Context<'_>) -> Option<Said<'a>> {
    let stated = stated(fields.text("type")?, fields);
    let (event, class) = match stated.event {
        "email.sent" => (Some(events::accepted(stated.message_id.as_deref())), ""),
        "email.delivered" => (Some(events::delivered(None)), ""),
        "email.delivery_delayed" => {
            (Some(events::deferred(failure(Class::Silent, fields), context)), "")
        }
        "email.bounced" => bounced(fields, context),
        "email.suppressed" => (Some(events::suppressed(BlockCause::ProviderList)), ""),
        "email.failed" => (Some(events::bounced(failure(failed(fields), fields), context)), ""),
        "email.complained" => (Some(events::complained(None)), ""),
        "email.opened" => (Some(events::opened(None, stated.user_agent)), ""),
        "email.clicked" => (Some(events::clicked(None, fields.text("data/click/link"))), ""),
        // email.scheduled, email.received, contact.*, domain.*, and what Resend may add.
        _ => (None, ""),
    };
    Some(Said::new(stated, event).by(class))
}

fn stated<'a>(name: &'a str, fields: Fields<'a>) -> Stated<'a> {
    let token = fields.text("data/tags/mt_delivery");
    let token = token.or_else(|| fields.named("data/tags", "mt_delivery"));
    Stated {
        event: name,
        recipient: recipient(fields),
        message_id: fields.text("data/email_id").map(Into::into),
        token: token.or_else(|| fields.named("data/headers", DELIVERY_HEADER)),
        // `data/created_at` is the message's.
        occurred: fields.time("created_at", Time::Iso),
        text: text(fields),
        ip: fields.first_text(&["data/click/ipAddress", "data/open/ipAddress"]),
        user_agent: fields.first_text(&["data/click/userAgent", "data/open/userAgent"]),
        ..Stated::default()
    }
}

/// Of a message with several recipients each event names all of them, and never whose it is.
fn recipient(fields: Fields<'_>) -> Option<&str> {
    let places = ["data/to", "data/cc", "data/bcc"];
    let mut all = places.into_iter().flat_map(|path| fields.list(path)).filter_map(text_of);
    let one = all.next()?;
    all.next().is_none().then(|| address(one))
}

fn text(fields: Fields<'_>) -> Option<&str> {
    fields.first_text(&["data/bounce/message", "data/failed/reason", "data/suppressed/message"])
}

fn failure(class: Class, fields: Fields<'_>) -> Failure<'_> {
    Failure { text: text(fields), status: None, class }
}

/// Nobody tries again, also where the type is `Transient`.
fn bounced<'a>(fields: Fields<'a>, context: &Context<'_>) -> (Option<Event>, &'a str) {
    let text = text(fields).unwrap_or_default();
    // Older events have no types.
    let old = text.starts_with(SUPPRESSED).then_some("Suppressed");
    let class = fields.text("data/bounce/subType").or(old).unwrap_or_default();
    (Some(ses::bounced(class, failure(Class::Silent, fields), context)), class)
}

/// Resend itself could not send it.
fn failed(fields: Fields<'_>) -> Class {
    let reason = fields.text("data/failed/reason").unwrap_or_default();
    let reason = if reason.contains("quota") { Reason::RateLimited } else { Reason::Unknown };
    Class::Decided(reason, Fault::SenderSystem)
}

/// How older events say that it was not tried.
const SUPPRESSED: &str = "Resend has suppressed sending to this address";
