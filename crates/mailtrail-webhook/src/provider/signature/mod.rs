//! Signatures in header fields: which algorithm, over what, in which writing.
//!
//! Most providers differ in nothing but these words, so that a scheme is data: those of this crate are
//! constants, a mapping file's are read.

mod certificate;
mod key;
pub(super) mod sns;

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::HEXLOWER_PERMISSIVE;
use mailtrail_core::event::Authenticity;
use serde::Deserialize;

pub(super) use certificate::Certificate;
#[cfg(feature = "mock")]
pub(super) use key::SPKI_P256;
pub(super) use key::{Algorithm, KeyForm};
pub use key::{KeyError, SigningKey};

use super::Refused;
use crate::Request;
use crate::text::base64;

/// How a provider signs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scheme {
    /// The algorithm.
    pub(super) algorithm: Algorithm,
    /// The header field with the signature.
    pub(super) header: Text,
    /// How the signature is written.
    #[serde(default)]
    pub(super) encoding: Encoding,
    /// What stands around it.
    #[serde(default)]
    pub(super) form: Form,
    /// What is signed: a text in which `{body}`, `{timestamp}` and `{id}` stand for themselves.
    #[serde(default = "body")]
    pub(super) signed: Text,
    /// The header field with the time, where the signature's own field has none.
    #[serde(default)]
    pub(super) timestamp: Option<Text>,
    /// Whether the time is in milliseconds.
    #[serde(default)]
    pub(super) milliseconds: bool,
    /// The header field with the id.
    #[serde(default)]
    pub(super) id: Option<Text>,
    /// Seconds by which the time may differ from ours, either way; none: it is not looked at.
    #[serde(default)]
    pub(super) tolerance: Option<u32>,
    /// How the key is written.
    #[serde(default)]
    pub(super) key: KeyForm,
}

/// A text of this program or of a file.
pub(super) type Text = Cow<'static, str>;

fn body() -> Text {
    Text::Borrowed("{body}")
}

/// How bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Encoding {
    #[default]
    Hex,
    Base64,
}

/// What stands around a signature in its header field.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Form {
    /// Nothing.
    #[default]
    Plain,
    /// A space-separated list of `v1,<signature>` (Standard Webhooks); others are of other algorithms.
    Versions,
    /// `t=…,v1=…`: names and values.
    Pairs {
        /// Between the pairs.
        separator: char,
        /// The name of the signature.
        signature: Text,
        /// The name of the time.
        #[serde(default)]
        timestamp: Option<Text>,
    },
}

/// What a request shows.
struct Shown<'r> {
    signatures: Vec<&'r str>,
    timestamp: Option<&'r str>,
    id: Option<&'r str>,
}

impl Scheme {
    /// A scheme without time and id, over the body.
    pub(super) fn of_body(algorithm: Algorithm, header: &'static str, encoding: Encoding) -> Self {
        Self {
            algorithm,
            header: Text::Borrowed(header),
            encoding,
            form: Form::Plain,
            signed: Text::Borrowed("{body}"),
            timestamp: None,
            milliseconds: false,
            id: None,
            tolerance: None,
            key: KeyForm::Text,
        }
    }

    /// Standard Webhooks, with these names of the header fields.
    pub(super) fn standard_webhooks(
        id: &'static str,
        timestamp: &'static str,
        signature: &'static str,
    ) -> Self {
        Self {
            algorithm: Algorithm::HmacSha256,
            header: Text::Borrowed(signature),
            encoding: Encoding::Base64,
            form: Form::Versions,
            signed: Text::Borrowed("{id}.{timestamp}.{body}"),
            timestamp: Some(Text::Borrowed(timestamp)),
            milliseconds: false,
            id: Some(Text::Borrowed(id)),
            tolerance: Some(300),
            key: KeyForm::Whsec,
        }
    }

    /// Whether it says where the time stands.
    pub(super) fn has_time(&self) -> bool {
        let in_form = matches!(&self.form, Form::Pairs { timestamp: Some(_), .. });
        self.timestamp.is_some() || in_form
    }

    /// How far the time may be from ours; none: it is not looked at.
    pub(super) fn tolerance(&self) -> Option<TimeDelta> {
        self.tolerance.map(|seconds| TimeDelta::seconds(seconds.into()))
    }

    /// Says which of the keys signed the request, at a time within this tolerance.
    ///
    /// # Errors
    /// [`Refused`].
    pub(super) fn verify(
        &self,
        keys: &[SigningKey],
        request: &Request<'_>,
        tolerance: Option<TimeDelta>,
    ) -> Result<Authenticity, Refused> {
        let shown = self.shown(request)?;
        let message = self.message(shown.timestamp, shown.id, request.body)?;
        let decoded = shown.signatures.iter().filter_map(|text| self.decode(text));
        let decoded: Vec<Vec<u8>> = decoded.take(MOST_SIGNATURES).collect();
        if decoded.is_empty() {
            return Err(Refused::MalformedSignature);
        }
        let signed_by =
            |key: &&SigningKey| decoded.iter().any(|signature| key.verifies(&message, signature));
        let key = keys.iter().find(signed_by).ok_or(Refused::WrongSignature)?;
        // Only of what is signed the time says anything.
        self.check_time(shown.timestamp, request.now, tolerance)?;
        Ok(Authenticity::Signed { key_id: key.id().into() })
    }

    /// The id that the request has by this scheme.
    pub(super) fn id<'r>(&self, request: &'r Request<'_>) -> Option<&'r str> {
        request.headers.text(self.id.as_deref()?).filter(|id| !id.is_empty())
    }

    /// Whether the request has the header field in which this scheme's signature stands.
    pub(super) fn is_shown(&self, request: &Request<'_>) -> bool {
        request.headers.has(&self.header)
    }

    fn shown<'r>(&'r self, request: &'r Request<'_>) -> Result<Shown<'r>, Refused> {
        let text = |name: &str| request.headers.text(name).filter(|text| !text.is_empty());
        let field = text(&self.header).ok_or(Refused::MissingSignature)?;
        let (signatures, own_time) = match &self.form {
            Form::Plain => (vec![field], None),
            Form::Versions => {
                let versions = field.split_ascii_whitespace();
                (versions.filter_map(|one| one.strip_prefix("v1,")).collect(), None)
            }
            Form::Pairs { separator, signature, timestamp } => {
                let pairs =
                    || field.split(*separator).filter_map(|pair| pair.trim().split_once('='));
                let all = |name: &'r str| {
                    pairs().filter(move |(own, _)| *own == name).map(|(_, value)| value)
                };
                let time = timestamp.as_deref().and_then(|name| all(name).next());
                (all(signature).collect(), time)
            }
        };
        if signatures.is_empty() {
            return Err(Refused::MalformedSignature);
        }
        let named = |name: &'r Option<Text>| name.as_deref().and_then(text);
        Ok(Shown {
            signatures,
            timestamp: own_time.or(named(&self.timestamp)),
            id: named(&self.id),
        })
    }

    /// The bytes that are signed.
    pub(super) fn message<'b>(
        &self,
        timestamp: Option<&str>,
        id: Option<&str>,
        body: &'b [u8],
    ) -> Result<Cow<'b, [u8]>, Refused> {
        // Most sign the body alone, which may be large: that needs no copy.
        if self.signed == "{body}" {
            return Ok(body.into());
        }
        let mut message = Vec::with_capacity(body.len().saturating_add(128));
        let mut rest = &*self.signed;
        while let Some((before, behind)) = rest.split_once('{') {
            message.extend_from_slice(before.as_bytes());
            let (name, after) = behind.split_once('}').ok_or(Refused::NotConfigured)?;
            match name {
                "body" => message.extend_from_slice(body),
                "timestamp" => {
                    message
                        .extend_from_slice(timestamp.ok_or(Refused::MissingSignature)?.as_bytes());
                }
                "id" => {
                    message.extend_from_slice(id.ok_or(Refused::MissingSignature)?.as_bytes());
                }
                _ => return Err(Refused::NotConfigured),
            }
            rest = after;
        }
        message.extend_from_slice(rest.as_bytes());
        Ok(message.into())
    }

    fn decode(&self, text: &str) -> Option<Vec<u8>> {
        match self.encoding {
            Encoding::Hex => HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok(),
            Encoding::Base64 => base64(text),
        }
    }

    fn check_time(
        &self,
        timestamp: Option<&str>,
        now: DateTime<Utc>,
        tolerance: Option<TimeDelta>,
    ) -> Result<(), Refused> {
        let Some(tolerance) = tolerance else { return Ok(()) };
        let number = timestamp
            .and_then(|text| text.parse::<i64>().ok())
            .ok_or(Refused::MalformedSignature)?;
        let at = if self.milliseconds {
            DateTime::from_timestamp_millis(number)
        } else {
            DateTime::from_timestamp(number, 0)
        };
        fresh(at, now, tolerance)
    }
}

/// Whether a time that a provider signed is not further from ours than this.
///
/// # Errors
/// [`Refused::Stale`].
pub(super) fn fresh(
    at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    tolerance: TimeDelta,
) -> Result<(), Refused> {
    let near = at.is_some_and(|at| now.signed_duration_since(at).abs() <= tolerance);
    if near { Ok(()) } else { Err(Refused::Stale) }
}

/// Signatures of one request that are tried: one for each key while keys are rotated.
const MOST_SIGNATURES: usize = 8;
