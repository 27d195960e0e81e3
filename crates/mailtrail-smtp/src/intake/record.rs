//! One mail that came back: read, kept raw, recorded.

use std::sync::Arc;

use bytes::Bytes;
use mailtrail_bounce::{ReadError, Reader};
use mailtrail_classify::Classifier;
use mailtrail_core::clock::Clock;
use mailtrail_core::correlation::Correlation;
use mailtrail_core::event::{Authenticity, Custom, EncodeError, Private, RawHash, Source};
use mailtrail_core::id::Identity;
use mailtrail_core::store::{AppendError, Appended, RawError, RawStore};
use mailtrail_core::token::{Keys, Purpose, SeenIn, TokenError, Verified};
use mailtrail_core::{EventId, EventStore, EventStoreExt, Feedback};

use crate::return_path::ReturnPath;

/// Reads mails and records what they say. The same mail again changes nothing.
pub struct Intake {
    store: Arc<dyn EventStore>,
    raw: Option<Arc<dyn RawStore>>,
    keys: Keys,
    return_path: ReturnPath,
    classifier: Classifier,
    clock: Arc<dyn Clock>,
    require_token: bool,
}

/// What a mail came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recorded {
    /// Feedback: its facts, and which of them were new.
    Feedback(Appended),
    /// A mail to a delivery's return path that is no feedback: kept unread.
    Unread(Appended),
    /// Feedback without the token that this intake [requires](Intake::require_token): no evidence.
    Refused(Unproven),
    /// Neither feedback nor addressed to a delivery: nothing to keep.
    NotFeedback,
}

/// Why nothing proves that feedback follows from a message of ours.
///
/// ```
/// use mailtrail_smtp::intake::Unproven;
/// assert_eq!(Unproven::Quoted.to_string(), "its token is only quoted: whoever saw the message has it");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unproven {
    /// It did not come to a return path, and names no delivery.
    #[error("it has no token of ours")]
    NoToken,
    /// Its return path was signed by a key that is not configured.
    #[error("its token was signed by key {key_id}, which is not configured")]
    UnknownKey {
        /// The id in the token.
        key_id: u8,
    },
    /// Its return path was signed by a key that is retired.
    #[error("its token was signed by key {key_id}, which is retired")]
    RetiredKey {
        /// The id in the token.
        key_id: u8,
    },
    /// The token of its return path is not ours, or was made for another purpose.
    #[error("its token is forged, or made for another purpose")]
    Forged,
    /// It did not come to a return path, and a valid token stands in its text.
    #[error("its token is only quoted: whoever saw the message has it")]
    Quoted,
}

/// Why a mail was not recorded: keep it, and bring it again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IntakeError {
    /// It is no mail.
    #[error("the mail can't be read")]
    Read(#[from] ReadError),
    /// The raw bytes could not be kept.
    #[error("the raw bytes could not be kept")]
    Raw(#[from] RawError),
    /// The facts could not be stored.
    #[error("the facts could not be stored")]
    Append(#[from] AppendError),
    /// A fact can't be written.
    #[error("a fact can't be written")]
    Encode(#[from] EncodeError),
}

impl Intake {
    /// An intake that records into a store.
    pub fn new(
        store: Arc<dyn EventStore>,
        keys: Keys,
        return_path: ReturnPath,
        classifier: Classifier,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store, raw: None, keys, return_path, classifier, clock, require_token: false }
    }

    /// That takes only feedback that came to a signed return path. What is correlated by quoted text
    /// alone could have been written by anyone who saw the message: it is refused, and leaves no event.
    pub fn require_token(mut self) -> Self {
        self.require_token = true;
        self
    }

    /// That keeps raw bytes too.
    pub fn raw(mut self, raw: Arc<dyn RawStore>) -> Self {
        self.raw = Some(raw);
        self
    }

    /// The return paths that it takes mail for.
    pub fn return_path(&self) -> &ReturnPath {
        &self.return_path
    }

    /// The keys of their tokens.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Reads a mail and records what it says. `envelope_recipient` is where it was delivered to.
    ///
    /// # Guarantees
    /// On `Ok` everything is as durable as the store promises: the mail may be taken off its source.
    ///
    /// # Errors
    /// [`IntakeError`]: bring the mail again.
    pub async fn record(
        &self,
        mail: Bytes,
        envelope_recipient: Option<&str>,
    ) -> Result<Recorded, IntakeError> {
        let now = self.clock.now();
        let reader = Reader::new(&self.classifier, &self.keys);
        let mut reading = reader.read(&mail, envelope_recipient, now)?;
        if reading.is_feedback() {
            if self.require_token {
                reading.feedback.retain(is_authenticated);
                if reading.feedback.is_empty() {
                    return Ok(Recorded::Refused(
                        self.unproven(envelope_recipient, reading.seen_in),
                    ));
                }
            }
            let raw = self.keep(mail).await?;
            for feedback in &mut reading.feedback {
                feedback.fact.raw = raw;
            }
            return Ok(Recorded::Feedback(self.append(reading.feedback).await?));
        }
        let token = envelope_recipient.and_then(|to| self.return_path.read(&self.keys, to).ok());
        let Some(Verified { delivery, key_id, .. }) = token else {
            return Ok(Recorded::NotFeedback);
        };
        let hash = RawHash::of(&mail);
        let raw = self.keep(mail).await?;
        let correlation = Correlation::Token { delivery, key_id, seen_in: SeenIn::ReturnPath };
        let mut custom = Custom::default();
        custom.custom_type = "unread_mail".into();
        let mut feedback =
            Feedback::new(correlation, custom.into(), unread(hash), Source::known("mail"));
        feedback.private = Private::default();
        feedback.fact.raw = raw;
        Ok(Recorded::Unread(self.append(vec![feedback]).await?))
    }

    /// What the return path lacks; where the mail came to none of ours, what the mail itself does.
    fn unproven(&self, envelope_recipient: Option<&str>, seen_in: Option<SeenIn>) -> Unproven {
        let local = envelope_recipient.and_then(|to| to.rsplit_once('@')).map(|(local, _)| local);
        let word = local.and_then(|local| local.rsplit(['+', '=', '-']).next());
        match word.map(|word| self.keys.verify(Purpose::ReturnPath, word)) {
            Some(Err(TokenError::UnknownKey { key_id })) => Unproven::UnknownKey { key_id },
            Some(Err(TokenError::RetiredKey { key_id })) => Unproven::RetiredKey { key_id },
            Some(Err(TokenError::Forged)) => Unproven::Forged,
            Some(Ok(_) | Err(_)) | None if seen_in.is_some() => Unproven::Quoted,
            Some(Ok(_) | Err(_)) | None => Unproven::NoToken,
        }
    }

    async fn keep(&self, mail: Bytes) -> Result<Option<RawHash>, RawError> {
        match &self.raw {
            Some(raw) => raw.put(mail).await.map(Some),
            None => Ok(None),
        }
    }

    async fn append(&self, feedback: Vec<Feedback>) -> Result<Appended, IntakeError> {
        let namespace = self.store.namespace();
        let facts = feedback.into_iter().map(|feedback| feedback.into_event(&namespace));
        Ok(self.store.record(facts.collect::<Result<_, _>>()?).await?)
    }
}

fn is_authenticated(feedback: &Feedback) -> bool {
    matches!(
        feedback.provenance.authenticity,
        Authenticity::Token { seen_in: SeenIn::ReturnPath | SeenIn::Metadata, .. }
    )
}

/// A mail that is no feedback is named by its bytes alone.
fn unread(hash: RawHash) -> Identity {
    let [head @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = hash.as_bytes();
    Identity::Unread { event: EventId::from_bytes(*head), index: 0 }
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").field("return_path", &self.return_path).finish_non_exhaustive()
    }
}
