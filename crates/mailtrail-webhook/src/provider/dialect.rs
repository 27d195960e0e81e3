//! What all accounts at one provider share: how it signs, and what its words mean.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use mailtrail_core::Event;
use mailtrail_core::event::Authenticity;

use super::account::Account;
use super::fields::Fields;
use super::reader::Stated;
use super::signature::{KeyError, Scheme, SigningKey};
use super::wanted::Wanted;
use super::{Answers, Context, Element, Handshake, Refused, dialects};
use crate::Request;

/// A provider's way to sign and to speak. Pure; see [`Provider`](super::Provider).
pub(super) trait Dialect: Send + Sync + fmt::Debug {
    /// The provider's name.
    fn name(&self) -> &str;

    /// What its requests are answered with.
    fn answers(&self) -> Answers;

    /// How it signs; none if it signs nothing.
    fn scheme(&self) -> Option<&Scheme>;

    /// Reads a key as the provider's settings show it.
    fn key(&self, text: &str) -> Result<SigningKey, KeyError> {
        let scheme = self.scheme().ok_or(KeyError::Unsigned)?;
        SigningKey::parse(text, scheme.algorithm, scheme.key)
    }

    /// Whether the account has what this provider's signatures are verified with.
    fn is_signed(&self, account: &Account) -> bool {
        !account.keys().is_empty()
    }

    /// Whether every request of this provider is signed, so that there is always a key to configure.
    fn always_signs(&self) -> bool {
        false
    }

    /// Verifies the signature.
    fn verify(&self, account: &Account, request: &Request<'_>) -> Result<Authenticity, Refused> {
        let scheme = self.scheme().ok_or(Refused::NotConfigured)?;
        let tolerance = account.tolerance_or(scheme.tolerance());
        scheme.verify(account.keys(), request, tolerance)
    }

    /// The URL of what verifying the request needs and the account has not; see
    /// [`Provider::wants`](super::Provider::wants).
    fn wants(&self, _account: &Account, _request: &Request<'_>) -> Option<String> {
        None
    }

    /// What signs this one request; see [`Provider::once`](super::Provider::once).
    fn once(&self, _request: &Request<'_>) -> Option<String> {
        None
    }

    /// What the provider asks of the endpoint; see [`Provider::asks`](super::Provider::asks).
    fn asks(&self, _account: &Account, _request: &Request<'_>) -> Option<Handshake> {
        None
    }

    /// What an answer of this status says; see [`Provider::says`](super::Provider::says).
    fn says(&self, _request: &Request<'_>, _status: u16) -> Option<String> {
        None
    }

    /// Whether a GET with a query is an event.
    fn takes_get(&self) -> bool {
        false
    }

    /// The provider's own id of the request, if it is the same whenever it tries again. It is that of
    /// the event, if there is one event in the request.
    fn delivery_id<'r>(&self, request: &'r Request<'_>) -> Option<&'r str> {
        self.scheme()?.id(request)
    }

    /// The elements of a verified request.
    fn split<'a>(&self, request: &Request<'a>) -> Result<Vec<Element<'a>>, Refused> {
        Ok(Element::all(request.body))
    }

    /// All members that it reads of an element; none if any may be read, or if the elements of one
    /// request have to be seen beside each other.
    fn wanted(&self) -> Option<&Wanted> {
        None
    }

    /// Says what an element says, once for each recipient; nothing if it can't be read.
    fn read<'a>(&self, fields: Fields<'a>, context: &Context<'_>, say: Say<'_, 'a>);
}

/// Takes what an element says.
pub(super) type Say<'s, 'a> = &'s mut dyn FnMut(Said<'a>);

/// What an element says.
#[derive(Debug)]
pub(super) struct Said<'a> {
    /// Whose it is, and what it is called.
    pub(super) stated: Stated<'a>,
    /// The event; none if it is no event of ours: then it is kept as it is.
    pub(super) event: Option<Event>,
    /// The rule that read it: the provider's own word, with the class that decided behind a slash.
    pub(super) rule: Cow<'a, str>,
}

impl<'a> Said<'a> {
    /// What is said by the provider's own word alone. A rule is one word, also where that is several.
    pub(super) fn new(stated: Stated<'a>, event: impl Into<Option<Event>>) -> Self {
        let rule = match stated.event {
            words if words.as_bytes().contains(&b' ') => words.replace(' ', "_").into(),
            word => Cow::Borrowed(word),
        };
        Self { stated, event: event.into(), rule }
    }

    /// With what decided beside the word.
    pub(super) fn by(mut self, class: &str) -> Self {
        if !class.is_empty() {
            self.rule = format!("{}/{class}", self.rule).into();
        }
        self
    }
}

/// The dialect of this name.
pub(super) fn builtin(name: &str) -> Option<Arc<dyn Dialect>> {
    dialects::all().find(|dialect| dialect.name() == name)
}
