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

use super::counts::{Counters, Counts};
use crate::return_path::{ReturnPath, ReturnPathError};

/// Reads mails and records what they say. The same mail again changes nothing.
pub struct Intake {
    store: Arc<dyn EventStore>,
    raw: Option<Arc<dyn RawStore>>,
    keys: Keys,
    return_path: ReturnPath,
    classifier: Classifier,
    clock: Arc<dyn Clock>,
    require_token: bool,
    counters: Counters,
}

/// What a mail came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recorded {
    /// Feedback: its facts, and which of them were new.
    Feedback(Appended),
    /// A mail to a delivery's return path, or to the address of its Reply-To, that is no feedback: kept
    /// unread. Answers of people are such mails.
    Unread(Appended),
    /// It came to a return path that is not valid, or lacks the token that this intake
    /// [requires](Intake::require_token): no evidence.
    Refused(Unproven),
    /// Neither feedback nor addressed to a delivery: nothing to keep.
    NotFeedback,
}

/// Why nothing proves that a mail follows from a message of ours.
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

impl Unproven {
    /// A name for counting.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::UnknownKey { .. } => "unknown_key",
            Self::RetiredKey { .. } => "retired_key",
            Self::Forged => "forged",
            Self::Quoted => "quoted",
        }
    }

    fn of(error: TokenError) -> Option<Self> {
        match error {
            TokenError::UnknownKey { key_id } => Some(Self::UnknownKey { key_id }),
            TokenError::RetiredKey { key_id } => Some(Self::RetiredKey { key_id }),
            TokenError::Forged => Some(Self::Forged),
            // Without the form of a token it claims nothing.
            _ => None,
        }
    }
}

/// Why a mail was not recorded: keep it, and bring it again, unless it [is the mail's
/// fault](IntakeError::is_of_the_mail).
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

impl IntakeError {
    /// Whether another try would fail too, as the mail itself is no mail, or too large for the store.
    /// Everything else passes, or is mended: bring the mail again.
    pub fn is_of_the_mail(&self) -> bool {
        match self {
            Self::Read(_) | Self::Encode(_) => true,
            Self::Raw(_) => false,
            Self::Append(error) => matches!(error, AppendError::TooLarge { .. }),
        }
    }
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
        let counters = Counters::default();
        Self {
            store,
            raw: None,
            keys,
            return_path,
            classifier,
            clock,
            require_token: false,
            counters,
        }
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

    /// What came so far.
    pub fn counts(&self) -> Counts {
        self.counters.read()
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether this is an address of a delivery: its return path, or that of its Reply-To.
    ///
    /// # Errors
    /// [`ReturnPathError`]: it is none of ours.
    pub fn names_a_delivery(&self, recipient: &str) -> Result<(), ReturnPathError> {
        self.addressed(recipient).map(|_| ())
    }

    fn addressed(&self, recipient: &str) -> Result<(Verified, SeenIn), ReturnPathError> {
        match self.return_path.read(&self.keys, recipient) {
            Ok(verified) => Ok((verified, SeenIn::ReturnPath)),
            Err(ReturnPathError::NotOurs) => {
                let reply = self.return_path.read_reply(&self.keys, recipient)?;
                Ok((reply, SeenIn::Quoted))
            }
            Err(error) => Err(error),
        }
    }

    /// Reads a mail and records what it says. `envelope_recipient` is where it was delivered to. A mail
    /// to a return path that is forged, or signed by a key that is not there or retired, is refused
    /// whatever it says.
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
        let result = self.read_and_record(mail, envelope_recipient).await;
        self.counters.count(&result);
        result
    }

    async fn read_and_record(
        &self,
        mail: Bytes,
        envelope_recipient: Option<&str>,
    ) -> Result<Recorded, IntakeError> {
        let addressed = envelope_recipient.map(|to| self.addressed(to));
        if let Some(Err(ReturnPathError::Token(error))) = addressed
            && let Some(why) = Unproven::of(error)
        {
            return Ok(Recorded::Refused(why));
        }
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
        let Some(Ok((Verified { delivery, key_id, .. }, seen_in))) = addressed else {
            return Ok(Recorded::NotFeedback);
        };
        let hash = RawHash::of(&mail);
        let raw = self.keep(mail).await?;
        let correlation = Correlation::Token { delivery, key_id, seen_in };
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
        let error = word.and_then(|word| self.keys.verify(Purpose::ReturnPath, word).err());
        error.and_then(Unproven::of).unwrap_or(if seen_in.is_some() {
            Unproven::Quoted
        } else {
            Unproven::NoToken
        })
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
