//! Mailgun: one event a request, signed by an HMAC in the body that does not cover the event.
//!
//! Source: documentation.mailgun.com/docs/mailgun/user-manual/webhooks, "Webhook Payloads", "Automatic
//! Retries", "Open and Click Bot Detection"; of the legacy forms, django-anymail.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::TimeDelta;
use data_encoding::HEXLOWER_PERMISSIVE;
use mail_parser::MessageParser;
use mailtrail_core::Event;
use mailtrail_core::event::{Agent, Authenticity, BlockCause};
use mailtrail_core::reason::Reason;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Request;
use crate::form::Form;
use crate::provider::account::Account;
use crate::provider::diagnose::{Class, Failure};
use crate::provider::dialect::{Dialect, Said, Say};
use crate::provider::fields::{Fields, Time};
use crate::provider::reader::Stated;
use crate::provider::signature::{Algorithm, KeyError, KeyForm, Scheme, SigningKey, fresh};
use crate::provider::{Answers, Context, Element, Refused, events};

/// Mailgun. The token goes into the user variable `mt_delivery`.
#[derive(Debug)]
pub(super) struct Mailgun;

impl Dialect for Mailgun {
    fn name(&self) -> &'static str {
        "mailgun"
    }

    fn answers(&self) -> Answers {
        // It tries again on everything but 200 and 406, for eight hours: but never a `delivered`.
        Answers { never: &[406], ..Answers::DEFAULT }
    }

    fn always_signs(&self) -> bool {
        true
    }

    fn scheme(&self) -> Option<&Scheme> {
        None
    }

    fn key(&self, text: &str) -> Result<SigningKey, KeyError> {
        SigningKey::parse(text, Algorithm::HmacSha256, KeyForm::Text)
    }

    fn verify(&self, account: &Account, request: &Request<'_>) -> Result<Authenticity, Refused> {
        let shown = if is_json(request) { shown_in_json(request) } else { shown_in_form(request) };
        let shown = shown.ok_or(Refused::MissingSignature)?;
        let decode = |text: &String| HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
        let signatures: Vec<_> = shown.signatures.iter().filter_map(decode).collect();
        if signatures.is_empty() {
            return Err(Refused::MalformedSignature);
        }
        let message = [shown.timestamp.as_bytes(), shown.token.as_bytes()].concat();
        let signs =
            |key: &SigningKey| signatures.iter().any(|signature| key.verifies(&message, signature));
        if !account.keys().iter().any(signs) {
            return Err(Refused::WrongSignature);
        }
        if let Some(tolerance) = account.tolerance_or(Some(TOLERANCE)) {
            fresh(Time::Seconds.read(&shown.timestamp), request.now, tolerance)?;
        }
        // Who sent it knows the key, or has seen a request of who does: the event itself is not signed.
        Ok(Authenticity::SharedSecret)
    }

    fn once(&self, request: &Request<'_>) -> Option<String> {
        let shown = if is_json(request) { shown_in_json(request) } else { shown_in_form(request) };
        shown.map(|shown| shown.token)
    }

    fn split<'a>(&self, request: &Request<'a>) -> Result<Vec<Element<'a>>, Refused> {
        if is_json(request) {
            let event = serde_json::from_slice::<Post<'a>>(request.body).ok();
            let bytes = event.map_or(request.body, |post| post.event.get().as_bytes());
            return Ok(vec![Element::new(bytes)]);
        }
        let form = Form::of(request);
        if form.first("event").is_none() && form.first("sender").is_some() {
            // Mail that comes in, from a route.
            return Err(Refused::WrongEndpoint);
        }
        if form.first("event").is_none() {
            return Ok(vec![Element::new(request.body)]);
        }
        let element = serde_json::to_vec(&legacy(&form)).unwrap_or_default();
        Ok(vec![Element::new(&element).into_owned()])
    }

    fn read<'a>(&self, fields: Fields<'a>, context: &Context<'_>, say: Say<'_, 'a>) {
        if let Some(said) = read(fields, context) {
            say(said);
        }
    }
}

fn is_json(request: &Request<'_>) -> bool {
    request.body.trim_ascii_start().starts_with(b"{")
}

/// What is signed, and by whom: the account, and of a subaccount its parent.
struct Shown {
    timestamp: String,
    token: String,
    signatures: Vec<String>,
}

fn shown_in_json(request: &Request<'_>) -> Option<Shown> {
    let element = Element::new(request.body);
    let fields = element.fields()?.object("signature")?;
    let signatures = ["signature", "parent-signature"];
    Some(Shown {
        timestamp: fields.text_or_number("timestamp")?.into_owned(),
        token: fields.text("token")?.to_owned(),
        signatures: signatures
            .iter()
            .filter_map(|name| fields.text(name))
            .map(Into::into)
            .collect(),
    })
    .filter(|shown| !shown.signatures.is_empty())
}

/// User variables may have the same names: of these fields the last is Mailgun's own.
fn shown_in_form(request: &Request<'_>) -> Option<Shown> {
    let form = Form::of(request);
    let last = |name| form.last(name).map(ToOwned::to_owned);
    Some(Shown {
        timestamp: last("timestamp")?,
        token: last("token")?,
        signatures: vec![last("signature")?],
    })
}

#[derive(Deserialize)]
struct Post<'a> {
    #[serde(borrow, rename = "event-data")]
    event: &'a RawValue,
}

/// The fields of a legacy form, without what is of the attempt. Of those that a user variable has the
/// name of, the first is Mailgun's own; but of `timestamp` the last.
fn legacy<'f>(form: &'f Form<'_>) -> BTreeMap<&'f str, &'f str> {
    let event = form.pairs().filter(|(name, _)| !matches!(*name, "signature" | "token"));
    let mut fields: BTreeMap<_, _> = event.rev().collect();
    fields.extend(form.last("timestamp").map(|last| ("timestamp", last)));
    fields
}

fn read<'a>(fields: Fields<'a>, context: &Context<'_>) -> Option<Said<'a>> {
    let stated = stated(fields.text("event")?, fields);
    let id = stated.message_id.as_deref();
    let (event, class) = match stated.event {
        "accepted" => (events::accepted(id), ""),
        "delivered" => (events::delivered(Some(&words(fields))), ""),
        "failed" if fields.text("severity") == Some("temporary") => {
            (failed(events::deferred, class(fields), fields, context), "temporary")
        }
        "failed" => (given_up(fields, context), "permanent"),
        // Legacy: what a server refused, and what Mailgun no longer tried.
        "bounced" | "dropped" => (given_up(fields, context), ""),
        "rejected" => {
            let class = Class::Hint(Reason::PolicyRejected);
            (failed(events::bounced, class, fields, context), "")
        }
        "opened" => (events::opened(machine(fields), stated.user_agent), ""),
        "clicked" => (events::clicked(machine(fields), fields.text("url")), ""),
        "complained" => (events::complained(None), ""),
        "unsubscribed" => (events::unsubscribed(None), ""),
        // stored, list_*, and what Mailgun may add.
        _ => return Some(Said::new(stated, None)),
    };
    Some(Said::new(stated, event).by(class))
}

fn stated<'a>(name: &'a str, fields: Fields<'a>) -> Stated<'a> {
    let id = fields.first_text(&["message/headers/message-id", "Message-Id", "message-id"]);
    let id = id.map(|id| id.trim_start_matches('<').trim_end_matches('>'));
    let is_hit = matches!(name, "opened" | "clicked");
    Stated {
        event: name,
        event_id: fields.text("id").map(Into::into),
        recipient: fields.text("recipient").or_else(|| {
            let to = fields.text("message/headers/to").filter(|_| name == "rejected");
            to.and_then(only_address)
        }),
        message_id: id.map(Into::into),
        header_id: id,
        token: fields.token("user-variables").or_else(|| fields.text("mt_delivery")),
        occurred: fields.time("timestamp", Time::Seconds),
        text: fields.first_text(TEXTS),
        ip: fields.text("ip").filter(|_| is_hit),
        user_agent: fields.first_text(&["client-info/user-agent", "user-agent"]),
    }
}

/// The address in a header field, if it has no other.
fn only_address(to: &str) -> Option<&str> {
    let mail = format!("To: {}\r\n\r\n", to.replace(['\r', '\n'], " "));
    let message = MessageParser::default().parse(mail.as_bytes())?;
    let mut addresses = message.to()?.iter();
    let address = addresses.next()?.address()?;
    let (start, none_follows) = (to.find(address)?, addresses.next().is_none());
    to.get(start..)?.get(..address.len()).filter(|_| none_follows)
}

/// Nobody tries again, or nobody tried.
fn given_up(fields: Fields<'_>, context: &Context<'_>) -> Event {
    let code = code(fields);
    match (fields.text("reason"), code.as_deref()) {
        (Some("suppress-bounce"), _) | (_, Some("605")) => {
            events::suppressed(BlockCause::ProviderList)
        }
        (Some("suppress-unsubscribe"), _) | (_, Some("606")) => {
            events::suppressed(BlockCause::Unsubscribe)
        }
        (Some("suppress-complaint"), _) | (_, Some("607")) => {
            events::suppressed(BlockCause::Complaint)
        }
        _ => failed(events::bounced, class(fields), fields, context),
    }
}

/// Mailgun says little of why: its own codes are of itself, not of a server.
fn class(fields: Fields<'_>) -> Class {
    match (fields.text("reason"), code(fields).as_deref()) {
        (Some("greylisted"), _) => Class::Hint(Reason::Greylisted),
        (Some("old"), _) | (_, Some("602")) => Class::Hint(Reason::Expired),
        (_, Some("498")) => Class::Hint(Reason::DnsError),
        (_, Some("499")) => Class::Hint(Reason::ConnectionFailed),
        (Some("espblock"), _) => Class::Hint(Reason::ReputationBlocked),
        _ => Class::Silent,
    }
}

fn failed(
    make: fn(Failure<'_>, &Context<'_>) -> Event,
    class: Class,
    fields: Fields<'_>,
    context: &Context<'_>,
) -> Event {
    let words = words(fields);
    make(Failure { text: Some(&words), status: None, class }, context)
}

fn code(fields: Fields<'_>) -> Option<Cow<'_, str>> {
    ["delivery-status/code", "code"].iter().find_map(|path| fields.text_or_number(path))
}

/// A server's reply, whose codes stand in fields of their own: `250 OK`.
fn words(fields: Fields<'_>) -> String {
    let is_own = |code: &str| matches!(code, "498" | "499") || code.starts_with('6');
    let code = code(fields).filter(|code| !is_own(code));
    let enhanced = fields.text("delivery-status/enhanced-code").map(Cow::Borrowed);
    let text = fields.first_text(TEXTS).map(Cow::Borrowed);
    let parts: Vec<_> = [code, enhanced, text].into_iter().flatten().collect();
    parts.join(" ")
}

/// Who Mailgun takes it for. Where it says nothing, it need not be a person.
fn machine(fields: Fields<'_>) -> Option<(Agent, &'static str)> {
    let agent = match fields.text("client-info/bot")? {
        // The mailbox's own provider fetches for its user.
        "apple" | "gmail" => Agent::MailboxMachine,
        "generic" => Agent::Scanner,
        _ => Agent::Unknown,
    };
    Some((agent, "mailgun_bot"))
}

/// Of two texts one is often empty. `error` is the legacy forms'.
const TEXTS: &[&str] = &[
    "delivery-status/message",
    "delivery-status/description",
    "error",
    "description",
    "reject/reason",
    "reject/description",
];
/// Whether retries are signed again nobody says; they go on for eight hours. What is repeated within a
/// day is known by its event ids.
const TOLERANCE: TimeDelta = TimeDelta::hours(24);
