//! Mandrill (Mailchimp Transactional): batches in a form, signed with the URL that they are posted to.
//!
//! Source: mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks; what is signed
//! also as django-anymail has it.

use std::collections::BTreeMap;

use mailtrail_core::Event;
use mailtrail_core::diagnosis::Fault;
use mailtrail_core::event::{Authenticity, BlockCause};
use mailtrail_core::reason::Reason;

use crate::Request;
use crate::form::Form;
use crate::provider::access::basic_credentials;
use crate::provider::account::Account;
use crate::provider::diagnose::{Class, Failure};
use crate::provider::dialect::{Dialect, Said, Say};
use crate::provider::fields::{Fields, Time};
use crate::provider::reader::Stated;
use crate::provider::signature::{Algorithm, KeyError, KeyForm, Scheme, SigningKey};
use crate::provider::{Answers, Context, Element, Refused, events};
use crate::text::base64;

/// Mandrill. The token goes into the metadata `mt_delivery`.
///
/// A key needs the [public URL](Account::public_url). With that alone the account is ready to be set up
/// there: Mandrill shows the key only after a first post, and goes on trying with what comes before
/// the key is configured here.
#[derive(Debug)]
pub(super) struct Mandrill;

impl Dialect for Mandrill {
    fn name(&self) -> &'static str {
        "mandrill"
    }

    fn answers(&self) -> Answers {
        // It tries again on everything but 200, with growing gaps; for how long nobody says.
        Answers::DEFAULT
    }

    fn scheme(&self) -> Option<&Scheme> {
        None
    }

    fn key(&self, text: &str) -> Result<SigningKey, KeyError> {
        SigningKey::parse(text, Algorithm::HmacSha1, KeyForm::Text)
    }

    fn is_signed(&self, account: &Account) -> bool {
        !account.keys().is_empty() || account.url().is_some()
    }

    fn verify(&self, account: &Account, request: &Request<'_>) -> Result<Authenticity, Refused> {
        let url = account.url().ok_or(Refused::NotConfigured)?;
        let shown = request.headers.text("x-mandrill-signature").filter(|text| !text.is_empty());
        let signature = shown.ok_or(Refused::MissingSignature)?;
        let signature = base64(signature).ok_or(Refused::MalformedSignature)?;
        let form = Form::of(request);
        let messages: Vec<_> = urls(url, request).map(|url| signed(&url, &form)).collect();
        let signs =
            |key: &&SigningKey| messages.iter().any(|message| key.verifies(message, &signature));
        if let Some(key) = account.keys().iter().find(signs) {
            return Ok(Authenticity::Signed { key_id: key.id().into() });
        }
        // A key that everybody knows: good for a request that says nothing.
        let is_set_up = form.first(EVENTS).map(str::trim) == Some("[]");
        if is_set_up && self.key("test-webhook").is_ok_and(|key| signs(&&key)) {
            return Ok(Authenticity::None);
        }
        let is_ours = account.keys().is_empty();
        Err(if is_ours { Refused::NotConfigured } else { Refused::WrongSignature })
    }

    fn split<'a>(&self, request: &Request<'a>) -> Result<Vec<Element<'a>>, Refused> {
        let form = Form::of(request);
        let Some(events) = form.first(EVENTS) else {
            return Ok(vec![Element::new(request.body)]);
        };
        let elements = Element::all(events.as_bytes());
        let is_inbound = |element: &Element<'_>| {
            element.fields().and_then(|fields| fields.text("event")) == Some("inbound")
        };
        // Mandrill never mixes them with others.
        if elements.iter().any(is_inbound) {
            return Err(Refused::WrongEndpoint);
        }
        Ok(elements.into_iter().map(Element::into_owned).collect())
    }

    fn read<'a>(&self, fields: Fields<'a>, context: &Context<'_>, say: Say<'_, 'a>) {
        if let Some(said) = read(fields, context) {
            say(said);
        }
    }
}

/// The URL as configured, and with the credentials that the request shows: they are a part of what
/// Mandrill was given, and may be rotated.
fn urls(url: &str, request: &Request<'_>) -> impl Iterator<Item = String> {
    let shown = basic_credentials(request).and_then(|bytes| String::from_utf8(bytes).ok());
    let with = url.split_once("://").zip(shown).map(|((scheme, rest), shown)| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        format!("{scheme}://{shown}@{host}{path}")
    });
    [url.to_owned()].into_iter().chain(with)
}

/// The URL, then each field's name and value, sorted by name.
fn signed(url: &str, form: &Form<'_>) -> Vec<u8> {
    let fields: BTreeMap<_, _> = form.pairs().collect();
    let fields = fields.into_iter().flat_map(|(name, value)| [name, value]);
    [url].into_iter().chain(fields).flat_map(str::bytes).collect()
}

fn read<'a>(fields: Fields<'a>, context: &Context<'_>) -> Option<Said<'a>> {
    // Changes of the account's lists have a type instead.
    let stated = stated(fields.first_text(&["event", "type"])?, fields);
    let failure = |class| Failure { text: stated.text, class, ..Failure::default() };
    let (event, class) = match stated.event {
        // Mandrill took it. Whether it is delivered comes as an event of its own, or never.
        "send" => (events::accepted(stated.message_id.as_deref()), ""),
        "delivered" => (events::delivered(stated.text), ""),
        "deferral" => (events::deferred(failure(Class::Silent), context), ""),
        "hard_bounce" | "soft_bounce" => {
            // Given up, both: what is tried again is a deferral.
            let class = fields.text("msg/bounce_description").unwrap_or_default();
            (events::bounced(failure(bounce_class(class)), context), class)
        }
        "reject" => {
            let reason = fields.first_text(&["msg/reject/reason", "reject/reason", "msg/reject"]);
            let reason = reason.unwrap_or_default();
            (rejected(reason, failure(Class::Silent), context), reason)
        }
        "open" => (events::opened(None, stated.user_agent), ""),
        "click" => (events::clicked(None, fields.text("url")), ""),
        "spam" => (events::complained(None), ""),
        "unsub" => (events::unsubscribed(None), ""),
        // whitelist, blacklist (or allowlist, denylist), and what Mandrill may add.
        _ => return Some(Said::new(stated, None)),
    };
    Some(Said::new(stated, event).by(class))
}

fn stated<'a>(name: &'a str, fields: Fields<'a>) -> Stated<'a> {
    let attempt = fields.objects("msg/smtp_events").last();
    let diag = || attempt.and_then(|attempt| attempt.text("diag"));
    let is_hit = matches!(name, "open" | "click");
    Stated {
        event: name,
        recipient: fields.first_text(&["msg/email", "reject/email", "entry/email"]),
        message_id: fields.first_text(&["_id", "msg/_id"]).map(Into::into),
        token: fields.token("msg/metadata"),
        // That of the message is when it was sent.
        occurred: fields.time("ts", Time::Seconds),
        text: fields.text("msg/diag").or_else(diag),
        ip: fields.text("ip").filter(|_| is_hit),
        user_agent: fields.text("user_agent"),
        ..Stated::default()
    }
}

fn bounce_class(class: &str) -> Class {
    match class {
        "bad_mailbox" => Class::Hint(Reason::UserUnknown),
        "invalid_domain" => Class::Hint(Reason::HostUnknown),
        "mailbox_full" => Class::Hint(Reason::MailboxFull),
        "inactive_mailbox" | "mailbox_inactive" => Class::Hint(Reason::MailboxDisabled),
        _ => Class::Silent,
    }
}

/// Mandrill itself refused the message, without a try.
fn rejected(reason: &str, failure: Failure<'_>, context: &Context<'_>) -> Event {
    let ours = |reason| Class::Decided(reason, Fault::SenderSystem);
    let class = match reason {
        "hard-bounce" | "soft-bounce" | "custom" => {
            return events::suppressed(BlockCause::ProviderList);
        }
        "spam" => return events::suppressed(BlockCause::Complaint),
        "unsub" => return events::suppressed(BlockCause::Unsubscribe),
        "invalid" => Class::Decided(Reason::BadAddressSyntax, Fault::Recipient),
        "invalid-sender" => ours(Reason::SenderRejected),
        "unsigned" => ours(Reason::AuthenticationFailed),
        "test-mode-limit" => ours(Reason::RateLimited),
        "rule" => ours(Reason::PolicyRejected),
        _ => Class::Hint(Reason::PolicyRejected),
    };
    events::bounced(Failure { class, ..failure }, context)
}

/// The field of the form.
const EVENTS: &str = "mandrill_events";
