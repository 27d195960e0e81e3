//! Signatures in header fields, by the same data that verify them.

use data_encoding::{BASE64, HEXLOWER};

use super::signer::{Signer, Whose};
use super::{NONE, OF_ALL, OTHER_BODY, Posted, Rule, Signing};
use crate::provider::mock::document::{Document, flip};
use crate::provider::mock::{MockError, Spoil};
use crate::provider::signature::{Encoding, Form, Scheme};
use crate::provider::{Account, KeyError, Refused};

/// A provider that signs by a scheme.
#[derive(Debug)]
pub(super) struct Schemed {
    scheme: Scheme,
    own: Signer,
    other: Signer,
}

impl Schemed {
    pub(super) fn new(scheme: &Scheme) -> Result<Self, MockError> {
        let signer = |whose| Signer::new(scheme.algorithm, whose).ok_or(MockError::Unsignable);
        let (own, other) = (signer(Whose::Own)?, signer(Whose::Others)?);
        Ok(Self { scheme: scheme.clone(), own, other })
    }

    fn encode(&self, bytes: &[u8]) -> String {
        match self.scheme.encoding {
            Encoding::Hex => HEXLOWER.encode(bytes),
            Encoding::Base64 => BASE64.encode(bytes),
        }
    }

    /// What stands in the header field.
    fn field(&self, signature: &str, time: &str) -> String {
        match &self.scheme.form {
            Form::Plain => signature.to_owned(),
            Form::Versions => format!("v1,{signature}"),
            Form::Pairs { separator, signature: name, timestamp } => {
                let time = timestamp.as_ref().map(|name| format!("{name}={time}{separator}"));
                format!("{}{name}={signature}", time.unwrap_or_default())
            }
        }
    }

    fn time(&self, signing: &Signing<'_>) -> i64 {
        let at = signing.time(self.scheme.tolerance().unwrap_or_default());
        if self.scheme.milliseconds { at.timestamp_millis() } else { at.timestamp() }
    }
}

impl Rule for Schemed {
    fn trust(&self, account: Account) -> Result<Account, KeyError> {
        account.signing_key(&self.own.key(self.scheme.key))
    }

    fn refusals(&self) -> Vec<(Spoil, Refused)> {
        let is_signed = self.scheme.has_time() && self.scheme.signed.contains("{timestamp}");
        let redated = is_signed.then_some((Spoil::Redated, Refused::WrongSignature));
        let is_asked = is_signed && self.scheme.tolerance.is_some();
        let times = [(Spoil::Stale, Refused::Stale), (Spoil::Early, Refused::Stale)];
        let times = times.into_iter().filter(|_| is_asked);
        OF_ALL.into_iter().chain(redated).chain(times).collect()
    }

    fn sign(&self, document: &Document, signing: &Signing<'_>) -> Posted {
        let mut posted = Posted::new(document);
        let (time, id) = (self.time(signing), format!("msg_{}", signing.id));
        let body = if signing.is(Spoil::Borrowed) { OTHER_BODY } else { &posted.body };
        let signed = self.scheme.message(Some(&time.to_string()), Some(&id), body);
        let signer = if signing.is(Spoil::WrongKey) { &self.other } else { &self.own };
        let signature = self.encode(&signer.sign(&signed.unwrap_or_default()));
        if signing.is(Spoil::Changed) {
            flip(&mut posted.body);
        }
        let signature = if signing.is(Spoil::Malformed) { NONE } else { &signature };
        let time = time.saturating_add(signing.is(Spoil::Redated).into()).to_string();
        if let Some(name) = &self.scheme.timestamp {
            posted = posted.with(name, &time);
        }
        if let Some(name) = &self.scheme.id {
            posted = posted.with(name, &id);
        }
        if signing.is(Spoil::Unsigned) {
            return posted;
        }
        posted.with(&self.scheme.header, self.field(signature, &time))
    }
}
