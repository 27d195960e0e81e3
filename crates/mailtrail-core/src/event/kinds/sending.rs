//! What became of the message on its way.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Transcript;
use crate::diagnosis::{Diagnosis, EnhancedCode, ReplyCode};
use crate::id::StreamId;
use crate::reason::Reason;

payload! {
    /// We are about to hand the message over. Without an outcome the attempt is in doubt.
    Attempted {
        /// Which attempt, from 1.
        attempt: u32,
        /// The host that we talk to.
        #[serde(skip_serializing_if = "Option::is_none")]
        host: Option<Box<str>>,
        /// The streams of the keys by which feedback may name this delivery.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        keys: Vec<StreamId>,
        /// The Message-ID that we gave, without angle brackets.
        #[serde(skip_serializing_if = "Option::is_none")]
        message_id: Option<Box<str>>,
    }
}

/// How far a message got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SentStage {
    /// A relay or provider took it.
    #[default]
    Accepted,
    /// It was handed to a system that gives no confirmation of the mailbox.
    HandedOver,
}

payload! {
    /// Someone took the message.
    Sent {
        /// Our attempt, if it was ours.
        #[serde(skip_serializing_if = "Option::is_none")]
        attempt: Option<u32>,
        /// Its enhanced code.
        #[serde(skip_serializing_if = "Option::is_none")]
        enhanced_code: Option<EnhancedCode>,
        /// Who took it.
        #[serde(skip_serializing_if = "Option::is_none")]
        host: Option<Box<str>>,
        /// The streams of the keys by which feedback may name this delivery.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        keys: Vec<StreamId>,
        /// What it calls the message.
        #[serde(skip_serializing_if = "Option::is_none")]
        queue_id: Option<Box<str>>,
        /// Its reply.
        #[serde(skip_serializing_if = "Option::is_none")]
        reply_code: Option<ReplyCode>,
        /// How far it got.
        stage: SentStage,
        /// What was said, if we said it.
        #[serde(skip_serializing_if = "Option::is_none")]
        transcript: Option<Box<Transcript>>,
    }
}

payload! {
    /// An attempt failed, and whoever made it will try again.
    Deferred {
        /// Our attempt, if it was ours.
        #[serde(skip_serializing_if = "Option::is_none")]
        attempt: Option<u32>,
        /// What was stated.
        diagnosis: Diagnosis,
        /// The streams of the keys by which feedback may name this delivery.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        keys: Vec<StreamId>,
        /// When the next one is.
        #[serde(skip_serializing_if = "Option::is_none")]
        next_attempt: Option<DateTime<Utc>>,
        /// What was said, if we said it.
        #[serde(skip_serializing_if = "Option::is_none")]
        transcript: Option<Box<Transcript>>,
    }
}

impl Deferred {
    /// A deferral of which only the reason is known.
    pub fn because(reason: Reason) -> Self {
        Self { diagnosis: Diagnosis::because(reason), ..Self::default() }
    }
}

payload! {
    /// Given up.
    Bounced {
        /// Our attempt, if it was ours.
        #[serde(skip_serializing_if = "Option::is_none")]
        attempt: Option<u32>,
        /// What was stated.
        diagnosis: Diagnosis,
        /// The streams of the keys by which feedback may name this delivery.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        keys: Vec<StreamId>,
        /// What was said, if we said it.
        #[serde(skip_serializing_if = "Option::is_none")]
        transcript: Option<Box<Transcript>>,
    }
}

impl Bounced {
    /// A bounce of which only the reason is known.
    pub fn because(reason: Reason) -> Self {
        Self { diagnosis: Diagnosis::because(reason), ..Self::default() }
    }
}

/// Who confirmed a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConfirmedBy {
    /// The recipient's own server, to us.
    Mx,
    /// A delivery report (RFC 3464).
    Dsn,
    /// The provider.
    Provider,
    /// The recipient's mail program, which got it (RFC 8098).
    Receipt,
    /// Something that this version doesn't know.
    #[default]
    #[serde(other)]
    Other,
}

payload! {
    /// The recipient's server took the message.
    Delivered {
        /// Our attempt, if it was ours.
        #[serde(skip_serializing_if = "Option::is_none")]
        attempt: Option<u32>,
        /// Who says so.
        confirmed_by: ConfirmedBy,
        /// Its enhanced code.
        #[serde(skip_serializing_if = "Option::is_none")]
        enhanced_code: Option<EnhancedCode>,
        /// The server.
        #[serde(skip_serializing_if = "Option::is_none")]
        host: Option<Box<str>>,
        /// The streams of the keys by which feedback may name this delivery.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        keys: Vec<StreamId>,
        /// Its reply.
        #[serde(skip_serializing_if = "Option::is_none")]
        reply_code: Option<ReplyCode>,
        /// What was said, if we said it.
        #[serde(skip_serializing_if = "Option::is_none")]
        transcript: Option<Box<Transcript>>,
    }
}
