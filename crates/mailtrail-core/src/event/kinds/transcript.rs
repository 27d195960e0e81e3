//! What was said while a message was handed over.

use std::net::IpAddr;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize, Serializer};

use crate::diagnosis::{EnhancedCode, ReplyCode};
use crate::event::Event;

/// What a reply answers (RFC 5321 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stage {
    /// The connection: the greeting, `EHLO`, encryption, the login.
    Connect,
    /// `MAIL FROM`.
    Mail,
    /// `RCPT TO`.
    Rcpt,
    /// `DATA`.
    Data,
    /// The message, with its final dot.
    Message,
    /// Something that this version doesn't know.
    #[default]
    #[serde(other)]
    Other,
}

impl Stage {
    /// Its name, as it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::Message => "message",
            Self::Other => "other",
        }
    }
}

payload! {
    /// How a connection was encrypted.
    Encryption {
        /// Whether the certificate was good for the host, by the authorities that were asked.
        verified: bool,
        /// The version, as `TLSv1.3`.
        version: Box<str>,
    }
}

payload! {
    /// A reply. Its text is in [`Private::replies`](crate::event::Private::replies), at the same place.
    Said {
        /// When it came.
        #[serde(skip_serializing_if = "Option::is_none", serialize_with = "in_one_piece")]
        at: Option<DateTime<Utc>>,
        /// Its enhanced code.
        #[serde(skip_serializing_if = "Option::is_none")]
        enhanced_code: Option<EnhancedCode>,
        /// Its code.
        #[serde(skip_serializing_if = "Option::is_none")]
        reply_code: Option<ReplyCode>,
        /// What it answers.
        stage: Stage,
    }
}

/// As `chrono` writes it, which gives it to `serde_json` letter by letter.
#[expect(clippy::ref_option, reason = "serde calls it so")]
fn in_one_piece<S: Serializer>(at: &Option<DateTime<Utc>>, to: S) -> Result<S::Ok, S::Error> {
    let text = at.map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
    text.serialize(to)
}

payload! {
    /// The conversation of an attempt: with whom, how encrypted, and each reply that concerns the
    /// recipient, in order.
    Transcript {
        /// The address of the host.
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<IpAddr>,
        /// The replies.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        replies: Vec<Said>,
        /// How it was encrypted, if it was.
        #[serde(skip_serializing_if = "Option::is_none")]
        tls: Option<Encryption>,
    }
}

impl Event {
    /// The conversation, if it is the outcome of an attempt of ours.
    pub fn transcript(&self) -> Option<&Transcript> {
        match self {
            Self::Sent(sent) => sent.transcript.as_deref(),
            Self::Deferred(deferred) => deferred.transcript.as_deref(),
            Self::Bounced(bounced) => bounced.transcript.as_deref(),
            Self::Delivered(delivered) => delivered.transcript.as_deref(),
            Self::Queued(_)
            | Self::NotSelected(_)
            | Self::Duplicated(_)
            | Self::Malformed(_)
            | Self::Suppressed(_)
            | Self::BroadcastCreated(_)
            | Self::BroadcastClosed(_)
            | Self::Attempted(_)
            | Self::Hit(_)
            | Self::Opened(_)
            | Self::Clicked(_)
            | Self::Complained(_)
            | Self::Unsubscribed(_)
            | Self::Resubscribed(_)
            | Self::AutoReplied(_)
            | Self::Reclassified(_)
            | Self::Custom(_)
            | Self::AddressClaimed(_)
            | Self::AddressBlocked(_)
            | Self::AddressUnblocked(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_time_is_written_as_chrono_writes_it(seconds in any::<i32>(), nanos in prop_oneof![Just(0), Just(7_000_000), 0..1_000_000_000_u32]) {
            let at = DateTime::from_timestamp(seconds.into(), nanos);
            let said = serde_json::to_value(Said { at, ..Said::default() }).unwrap();
            prop_assert_eq!(&said["at"], &serde_json::to_value(at).unwrap());
        }
    }
}
