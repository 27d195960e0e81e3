//! How each provider signs: the counterpart of what verifies it.

mod access;
mod firehose;
mod mailgun;
mod mandrill;
mod scheme;
mod signer;
mod sns;
mod unisender_go;

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use mailtrail_core::event::RawHash;

use super::document::Document;
use super::{MockError, Spoil};
use crate::Headers;
use crate::provider::dialect::Dialect;
use crate::provider::{Access, Account, KeyError, Refused};

pub(super) use firehose::Firehose;
pub(super) use sns::CERTIFICATES;

/// A way to prove where a request is from, which can be spoilt.
pub(super) trait Rule: fmt::Debug + Send + Sync {
    /// What the account asks for besides signatures.
    fn access(&self) -> Access {
        Access::new()
    }

    /// The account with what verifies the signatures.
    fn trust(&self, account: Account) -> Result<Account, KeyError>;

    /// In which ways requests can be spoilt, and how each of them is refused.
    fn refusals(&self) -> Vec<(Spoil, Refused)>;

    /// The request that says this.
    fn sign(&self, document: &Document, signing: &Signing<'_>) -> Posted;
}

/// How a request is signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signing<'s> {
    /// The request's own id.
    pub(super) id: &'s RawHash,
    pub(super) at: DateTime<Utc>,
    /// What goes wrong, if anything does.
    pub(super) spoil: Option<Spoil>,
}

impl Signing<'_> {
    fn is(&self, spoil: Spoil) -> bool {
        self.spoil == Some(spoil)
    }

    /// The time that is signed, where it may differ from ours by so much.
    fn time(&self, tolerance: TimeDelta) -> DateTime<Utc> {
        let far = tolerance.checked_add(&TimeDelta::hours(1)).unwrap_or(tolerance);
        let moved = match self.spoil {
            Some(Spoil::Stale) => self.at.checked_sub_signed(far),
            Some(Spoil::Early) => self.at.checked_add_signed(far),
            _ => Some(self.at),
        };
        moved.unwrap_or(self.at)
    }
}

/// A request as it is sent.
#[derive(Debug)]
pub(super) struct Posted {
    pub(super) headers: Headers,
    pub(super) query: Option<String>,
    pub(super) body: Vec<u8>,
    pub(super) certificate: Option<&'static str>,
}

impl Posted {
    fn new(document: &Document) -> Self {
        let headers = Headers::new().with("Content-Type", document.content_type());
        Self { headers, query: None, body: document.bytes(), certificate: None }
    }

    fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers = self.headers.with(name, value);
        self
    }
}

/// The rule of a dialect.
pub(super) fn of(dialect: &dyn Dialect) -> Result<Arc<dyn Rule>, MockError> {
    Ok(match (dialect.scheme(), dialect.name()) {
        (Some(scheme), _) => Arc::new(scheme::Schemed::new(scheme)?),
        (None, "mailgun") => Arc::new(mailgun::Mailgun),
        (None, "mandrill") => Arc::new(mandrill::Mandrill),
        (None, "ses") => Arc::new(sns::Sns::new()?),
        (None, "unisender_go") => Arc::new(unisender_go::UnisenderGo),
        (None, name) => unsigned(name),
    })
}

/// The rule of a provider that signs nothing: a secret that it was given. Event Grid shows none but in
/// the URL.
pub(super) fn unsigned(provider: &str) -> Arc<dyn Rule> {
    Arc::new(if provider == "azure" { access::Shown::InQuery } else { access::Shown::AsBasic })
}

/// Every signature can be spoilt in these ways.
const OF_ALL: [(Spoil, Refused); 5] = [
    (Spoil::Unsigned, Refused::MissingSignature),
    (Spoil::Malformed, Refused::MalformedSignature),
    (Spoil::WrongKey, Refused::WrongSignature),
    (Spoil::Changed, Refused::WrongSignature),
    (Spoil::Borrowed, Refused::WrongSignature),
];

/// What is no signature, in whatever writing.
const NONE: &str = "no signature!";
/// The body of another request.
const OTHER_BODY: &[u8] = b"{}";
const OWN_KEY: &[u8] = b"a mock's own key";
const OTHER_KEY: &[u8] = b"a stranger's key";
