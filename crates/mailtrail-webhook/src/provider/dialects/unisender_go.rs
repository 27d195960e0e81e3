//! Unisender Go: events by user, or one flat event; signed by an MD5 in the body.
//!
//! Source: godocs.unisender.ru callback-format; what is signed also as django-anymail has it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use data_encoding::HEXLOWER_PERMISSIVE;
use mailtrail_core::Event;
use mailtrail_core::diagnosis::Fault;
use mailtrail_core::event::{Authenticity, BlockCause, UnsubscribedHow};
use mailtrail_core::reason::Reason;
use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::value::RawValue;
use subtle::ConstantTimeEq;

use crate::Request;
use crate::provider::account::Account;
use crate::provider::diagnose::{Class, Failure};
use crate::provider::dialect::{Dialect, Said, Say};
use crate::provider::fields::{Fields, Time};
use crate::provider::reader::Stated;
use crate::provider::signature::{Algorithm, KeyError, KeyForm, Scheme, SigningKey};
use crate::provider::{Answers, Context, Element, Refused, events};

/// Unisender Go. The token goes into the metadata `mt_delivery`.
///
/// Its signature is weak: an MD5 of the body with the API key in it. Give the hook a URL with a
/// password too, over TLS.
#[derive(Debug)]
pub(super) struct UnisenderGo;

impl Dialect for UnisenderGo {
    fn name(&self) -> &'static str {
        "unisender_go"
    }

    fn answers(&self) -> Answers {
        Answers::DEFAULT
    }

    fn scheme(&self) -> Option<&Scheme> {
        None
    }

    fn key(&self, text: &str) -> Result<SigningKey, KeyError> {
        SigningKey::parse(text, Algorithm::Own, KeyForm::Text)
    }

    fn verify(&self, account: &Account, request: &Request<'_>) -> Result<Authenticity, Refused> {
        let element = Element::new(request.body);
        let shown = element.fields().and_then(|fields| fields.text("auth"));
        let shown = shown.ok_or(Refused::MissingSignature)?;
        let digest = HEXLOWER_PERMISSIVE.decode(shown.as_bytes()).ok();
        let digest = digest.filter(|digest| digest.len() == MD5_BYTES);
        let digest = digest.ok_or(Refused::MalformedSignature)?;
        let (before, after) = around(request.body, shown).ok_or(Refused::MalformedSignature)?;
        let signs = |key: &&SigningKey| {
            let secret = key.secret().map(crate::Secret::bytes).unwrap_or_default();
            let hash = Md5::new().chain_update(before).chain_update(secret).chain_update(after);
            bool::from(hash.finalize().as_slice().ct_eq(&digest))
        };
        let key = account.keys().iter().find(signs).ok_or(Refused::WrongSignature)?;
        Ok(Authenticity::Signed { key_id: key.id().into() })
    }

    fn split<'a>(&self, request: &Request<'a>) -> Result<Vec<Element<'a>>, Refused> {
        Ok(elements(request.body))
    }

    fn read<'a>(&self, fields: Fields<'a>, context: &Context<'_>, say: Say<'_, 'a>) {
        if let Some(said) = read(fields, context) {
            say(said);
        }
    }
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    events_by_user: Vec<User<'a>>,
}

#[derive(Deserialize)]
struct User<'a> {
    #[serde(borrow)]
    events: &'a RawValue,
}

fn elements(body: &[u8]) -> Vec<Element<'_>> {
    if let Ok(Batch { events_by_user }) = serde_json::from_slice::<Batch<'_>>(body) {
        let events = events_by_user.into_iter().map(|user| user.events.get().as_bytes());
        return events.flat_map(Element::all).collect();
    }
    // One flat event: the signature beside it is of the request, not of the event.
    let flat = serde_json::from_slice::<BTreeMap<Cow<'_, str>, &RawValue>>(body);
    let bare = flat.ok().and_then(|mut fields| {
        fields.remove("auth")?;
        serde_json::to_vec(&fields).ok()
    });
    vec![match bare {
        Some(bare) => Element::new(&bare).into_owned(),
        None => Element::new(body),
    }]
}

/// What stands before and behind a text. It stands there once: nobody can put the digest of a body into
/// that body.
fn around<'b>(body: &'b [u8], text: &str) -> Option<(&'b [u8], &'b [u8])> {
    let at = body.windows(text.len()).position(|window| window == text.as_bytes())?;
    let (before, rest) = body.split_at_checked(at)?;
    Some((before, rest.get(text.len()..)?))
}

fn read<'a>(fields: Fields<'a>, context: &Context<'_>) -> Option<Said<'a>> {
    let kind = fields.text("event_name")?;
    let fields = fields.object("event_data").unwrap_or(fields);
    let is_mail = kind == "transactional_email_status";
    let stated = stated(fields.text("status").filter(|_| is_mail).unwrap_or(kind), fields);
    let class = fields.text("delivery_info/delivery_status").unwrap_or_default();
    let failure = |class| Failure { text: stated.text, class, ..Failure::default() };
    let event = match stated.event {
        // Handed to its own server.
        "sent" => events::accepted(stated.message_id.as_deref()),
        "delivered" => events::delivered(stated.text),
        "opened" => events::opened(None, stated.user_agent),
        "clicked" => events::clicked(None, fields.text("url")),
        "unsubscribed" => events::unsubscribed(None),
        "subscribed" => events::resubscribed(UnsubscribedHow::Provider, None),
        "spam" => events::complained(None),
        "soft_bounced" => events::deferred(failure(bounce_class(class)), context),
        "hard_bounced" => bounce(class, failure(bounce_class(class)), context),
        // transactional_spam_block, and what Unisender may add.
        _ => return Some(Said::new(stated, None)),
    };
    let is_bounce = matches!(stated.event, "soft_bounced" | "hard_bounced");
    Some(Said::new(stated, event).by(if is_bounce { class } else { "" }))
}

fn stated<'a>(name: &'a str, fields: Fields<'a>) -> Stated<'a> {
    let is_hit = matches!(name, "opened" | "clicked");
    Stated {
        event: name,
        recipient: fields.text("email"),
        // All recipients of one call share it.
        message_id: fields.text_or_number("job_id"),
        token: fields.token("metadata"),
        // UTC, without saying so.
        occurred: fields.time("event_time", Time::Iso),
        text: fields.text("delivery_info/destination_response"),
        ip: fields.first_text(&["delivery_info/ip", "ip"]).filter(|_| is_hit),
        user_agent: fields.text("delivery_info/user_agent"),
        ..Stated::default()
    }
}

fn bounce(class: &str, failure: Failure<'_>, context: &Context<'_>) -> Event {
    match class {
        "err_will_retry" => events::deferred(failure, context),
        "err_unsubscribed" => events::suppressed(BlockCause::Unsubscribe),
        "err_skip_letter" => events::suppressed(BlockCause::ProviderList),
        _ => events::bounced(failure, context),
    }
}

/// `delivery_status`, where the server's words tell nothing; `err_unreachable` and
/// `err_delivery_failed` say nothing either.
fn bounce_class(class: &str) -> Class {
    let by_us = |reason| Class::Decided(reason, Fault::SenderSystem);
    match class {
        "err_user_unknown" => Class::Hint(Reason::UserUnknown),
        "err_domain_inactive" => Class::Hint(Reason::HostUnknown),
        "err_user_inactive" | "err_mailbox_discarded" => Class::Hint(Reason::MailboxDisabled),
        "err_mailbox_full" => Class::Hint(Reason::MailboxFull),
        "err_spam_rejected" => Class::Hint(Reason::SpamRejected),
        "err_blacklisted" => Class::Hint(Reason::ReputationBlocked),
        "err_too_large" => Class::Hint(Reason::MessageTooLarge),
        "err_destination_misconfigured" => Class::Hint(Reason::DnsError),
        "err_spam_skipped" => by_us(Reason::SpamRejected),
        "err_lost" => by_us(Reason::SystemError),
        _ => Class::Silent,
    }
}

const MD5_BYTES: usize = 16;
