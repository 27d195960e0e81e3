//! `ZeptoMail`: events of several messages in one request, each with details, perhaps in a form's field.
//!
//! In code, as a mapping reads one event of an object, and this has lists in lists in lists. Source:
//! zoho.com/zeptomail/webhooks-instant-notification, and public programs that verify its signature; no
//! primary description of the signature was found.

use std::sync::LazyLock;

use mailtrail_core::Event;
use mailtrail_core::event::Authenticity;
use mailtrail_core::reason::Reason;
use percent_encoding::percent_decode;

use crate::form::Form;
use crate::provider::account::Account;
use crate::provider::diagnose::{Class, Failure};
use crate::provider::dialect::{Dialect, Said, Say};
use crate::provider::fields::{Claim, Fields, Time};
use crate::provider::reader::Stated;
use crate::provider::signature::{Algorithm, Encoding, Form as Around, Scheme, Text};
use crate::provider::{Answers, Context, Element, Refused, events};
use crate::{Headers, Request};

/// `ZeptoMail`. The token goes into `client_reference`.
#[derive(Debug)]
pub(super) struct ZeptoMail;

/// The time beside the signature is not signed, so that it proves nothing.
static SCHEME: LazyLock<Scheme> = LazyLock::new(|| Scheme {
    form: Around::Pairs { separator: ';', signature: Text::Borrowed("s"), timestamp: None },
    ..Scheme::of_body(Algorithm::HmacSha256, SIGNATURE, Encoding::Base64)
});

impl Dialect for ZeptoMail {
    fn name(&self) -> &'static str {
        "zeptomail"
    }

    fn answers(&self) -> Answers {
        Answers::DEFAULT
    }

    fn scheme(&self) -> Option<&Scheme> {
        Some(&SCHEME)
    }

    fn verify(&self, account: &Account, request: &Request<'_>) -> Result<Authenticity, Refused> {
        let shown = request.headers.only(SIGNATURE).ok_or(Refused::MissingSignature)?;
        let shown: Vec<u8> = percent_decode(shown).collect();
        let own = request.clone().headers(Headers::new().with(SIGNATURE, shown));
        let verified = SCHEME.verify(account.keys(), &own, None);
        match document(request) {
            Some(document) if verified == Err(Refused::WrongSignature) => {
                SCHEME.verify(account.keys(), &own.body(document.as_bytes()), None)
            }
            _ => verified,
        }
    }

    fn split<'a>(&self, request: &Request<'a>) -> Result<Vec<Element<'a>>, Refused> {
        Ok(vec![match document(request) {
            Some(document) => Element::new(document.as_bytes()).into_owned(),
            None => Element::new(request.body),
        }])
    }

    fn read<'a>(&self, fields: Fields<'a>, context: &Context<'_>, say: Say<'_, 'a>) {
        let Some(name) = fields.text("event_name/0").or_else(|| fields.text("event_name")) else {
            return;
        };
        let request = fields.text_or_number("webhook_request_id").unwrap_or_default();
        for (index, place) in places(fields).into_iter().enumerate() {
            let mut stated = stated(name, &place);
            let own = stated.event_id.take();
            stated.event_id = Some(own.unwrap_or_else(|| format!("{request}/{index}").into()));
            let event = meaning(name, &place, context);
            say(Said::new(stated, event));
        }
    }
}

/// The document in a form's field.
fn document(request: &Request<'_>) -> Option<String> {
    if request.body.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let form = Form::of(request);
    let mut values = form.pairs().map(|(_, value)| value.trim());
    values.find(|value| value.starts_with('{')).map(ToOwned::to_owned)
}

/// A message, and what is told of it.
struct Place<'a> {
    message: Fields<'a>,
    detail: Option<Fields<'a>>,
}

fn places(fields: Fields<'_>) -> Vec<Place<'_>> {
    let mut places = Vec::new();
    for message in fields.objects("event_message") {
        let before = places.len();
        for data in message.objects("event_data") {
            let details = data.objects("details");
            places.extend(details.map(|detail| Place { message, detail: Some(detail) }));
        }
        if places.len() == before {
            places.push(Place { message, detail: None });
        }
    }
    places
}

fn stated<'a>(name: &'a str, place: &Place<'a>) -> Stated<'a> {
    let told = |path| place.detail.and_then(|detail| detail.text(path));
    let message_id = place.message.text("request_id");
    let occurred = time(place);
    // The same whatever else comes in one request.
    let own = occurred.text().zip(message_id).map(|(time, message)| {
        format!("{message}/{time}/{}", told("clicked_link").unwrap_or_default()).into()
    });
    Stated {
        event: name,
        event_id: own,
        recipient: told("bounced_recipient").or_else(|| only_recipient(place.message)),
        message_id: message_id.map(Into::into),
        token: place.message.token("email_info/client_reference"),
        occurred,
        text: told("diagnostic_message").or_else(|| told("reason")),
        ip: told("ip_address"),
        user_agent: told("user_agent"),
        ..Stated::default()
    }
}

fn time<'a>(place: &Place<'a>) -> Claim<'a> {
    let of = |form| {
        let claim = place.detail.map(|detail| detail.first_time(&["time", "modified_time"], form));
        claim.unwrap_or_default()
    };
    Some(of(Time::Iso)).filter(|claim| claim.at.is_some()).unwrap_or_else(|| of(Time::Milliseconds))
}

/// Whose it is, if the message went to one only.
fn only_recipient(message: Fields<'_>) -> Option<&str> {
    let more =
        ["email_info/cc", "email_info/bcc"].iter().any(|path| message.list(path).count() > 0);
    let mut recipients = message.objects("email_info/to");
    let recipient = recipients.next()?.text("email_address/address")?;
    (!more && recipients.next().is_none()).then_some(recipient)
}

fn meaning(name: &str, place: &Place<'_>, context: &Context<'_>) -> Option<Event> {
    let told = |path| place.detail.and_then(|detail| detail.text(path));
    let reason = told("reason").unwrap_or_default().to_ascii_lowercase();
    let invalid = ["invalid mailbox", "invalid recipient", "invalid domain"];
    let class = match invalid.iter().position(|head| reason.starts_with(head)) {
        Some(0 | 1) => Class::Hint(Reason::UserUnknown),
        Some(_) => Class::Hint(Reason::HostUnknown),
        None => Class::Silent,
    };
    let text = told("diagnostic_message").or_else(|| told("reason"));
    Some(match name {
        // No event says that it is tried again, or that it arrived.
        "hardbounce" | "softbounce" => {
            events::bounced(Failure { text, class, ..Failure::default() }, context)
        }
        "feedback loop" | "feedback_loop" => events::complained(None),
        "email_open" => events::opened(None, told("user_agent")),
        "email_link_click" => events::clicked(None, told("clicked_link")),
        _ => return None,
    })
}

const SIGNATURE: &str = "producer-signature";
