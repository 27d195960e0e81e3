//! What mail systems say in their notices, as data: all phrases in one pass.

use std::sync::LazyLock;

use mailtrail_classify::{Fragments, FragmentsError, normal};
use serde::Deserialize;

/// What a phrase says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Says {
    /// It could not be delivered.
    Failed,
    /// It is still tried.
    Delayed,
    /// It was delivered.
    Delivered,
    /// It was handed on.
    Relayed,
    /// The recipients that follow failed.
    FailedSection,
    /// The recipients that follow are still tried.
    DelayedSection,
    /// The recipients that follow got it.
    DeliveredSection,
    /// What follows is the message that came back.
    Original,
    /// A machine answers.
    Automatic,
    /// A person is away: only where a machine answers.
    Away,
    /// A person has moved.
    Moved,
    /// A machine asks the sender to prove who that is.
    Challenge,
    /// A mail program unsubscribes.
    OptOut,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "version")]
    _version: String,
    mailers: Vec<String>,
    contacts: Vec<String>,
    phrase: Vec<Group>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    says: Says,
    text: Vec<String>,
    /// Where such phrases are known from: for people.
    #[serde(rename = "source")]
    _source: String,
}

/// What mail systems say in the notices that they write for people, in the form of
/// `rules/phrases.toml`.
///
/// ```
/// use mailtrail_bounce::{Phrases, Reader};
/// # use mailtrail_classify::Classifier;
/// # use mailtrail_core::token::{Key, Keys};
/// # let (classifier, keys) = (Classifier::builtin()?, Keys::new(Key::new(1, [7; 32])));
/// let phrases = Phrases::from_toml(r#"
///     version = "1"
///     mailers = ["postbote"]
///     contacts = []
///     [[phrase]]
///     says = "failed"
///     text = ["kam nicht an"]
///     source = "the campus server"
/// "#)?;
/// let reader = Reader::new(&classifier, &keys).phrases(&phrases);
/// let mail = b"From: postbote@campus.example\n\nEs kam nicht an bei ann@a.example.";
/// let reading = reader.read(mail, None, chrono::DateTime::UNIX_EPOCH)?;
/// assert_eq!(reading.recipients[0].recipient.as_deref(), Some("ann@a.example"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Phrases {
    matcher: Option<Fragments>,
    says: Vec<Says>,
    /// Local parts that only mail systems have.
    pub(crate) mailers: Vec<String>,
    /// Words before addresses of people who help, and of senders.
    pub(crate) contacts: Vec<String>,
}

/// Why a file of phrases can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhrasesError {
    /// It is not TOML of the right shape.
    #[error("the phrases are not valid: {0}")]
    Syntax(#[source] toml::de::Error),
    /// A phrase could never match.
    #[error("the phrase {phrase:?} is not in lower case with single spaces")]
    Phrase {
        /// The phrase.
        phrase: String,
    },
    /// The phrases are too many for one matcher.
    #[error("the phrases are too many for one matcher")]
    Matcher(#[source] FragmentsError),
}

/// A phrase in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hit {
    /// Where it starts.
    pub(crate) start: usize,
    /// What it says.
    pub(crate) says: Says,
}

impl Phrases {
    /// Those that come with this crate, in their file.
    pub const BUILTIN: &'static str = include_str!("../rules/phrases.toml");

    /// Those that come with this crate.
    pub fn builtin() -> &'static Self {
        // A test reads the file.
        static COMPILED: LazyLock<Phrases> =
            LazyLock::new(|| Phrases::from_toml(Phrases::BUILTIN).unwrap_or_default());
        &COMPILED
    }

    /// Those of a file of this form, and no others.
    ///
    /// # Errors
    /// [`PhrasesError`] says what is wrong with it.
    pub fn from_toml(text: &str) -> Result<Self, PhrasesError> {
        let file: File = toml::from_str(text).map_err(PhrasesError::Syntax)?;
        let texts = || file.phrase.iter().flat_map(|group| &group.text);
        if let Some(phrase) = texts().find(|text| text.is_empty() || normal(text) != **text) {
            return Err(PhrasesError::Phrase { phrase: phrase.clone() });
        }
        let says = file.phrase.iter().flat_map(|group| group.text.iter().map(|_| group.says));
        Ok(Self {
            says: says.collect(),
            matcher: Some(
                Fragments::new(texts().map(String::as_str)).map_err(PhrasesError::Matcher)?,
            ),
            mailers: file.mailers,
            contacts: file.contacts,
        })
    }

    /// The phrases in a text that is in lower case, with single spaces, by their places.
    pub(crate) fn find(&self, normal: &str) -> Vec<Hit> {
        let found = self.matcher.iter().flat_map(|matcher| matcher.find(normal));
        let hits = found.filter_map(|found| {
            let says = *self.says.get(found.fragment)?;
            Some(Hit { start: found.start, says })
        });
        let mut hits: Vec<Hit> = hits.collect();
        hits.sort_by_key(|hit| hit.start);
        hits
    }

    /// Whether a mail from this address is from a mail system.
    pub(crate) fn is_mailer(&self, address: &str) -> bool {
        let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
        let mut plain = String::with_capacity(local.len());
        for own in local.chars().filter(|c| c.is_alphanumeric()) {
            if own.is_ascii() {
                plain.push(own.to_ascii_lowercase());
            } else {
                plain.extend(own.to_lowercase());
            }
        }
        // Microsoft appends the 32 hexadecimal digits of a tenant.
        let name =
            plain.split_at_checked(plain.len().saturating_sub(TENANT)).filter(|(_, tenant)| {
                tenant.len() == TENANT && tenant.bytes().all(|byte| byte.is_ascii_hexdigit())
            });
        let name = name.map_or(plain.as_str(), |(name, _)| name);
        let name = name.trim_end_matches(|c: char| c.is_ascii_digit());
        self.mailers.iter().any(|mailer| mailer == name)
    }
}

/// Characters of the tenant in Microsoft's addresses.
const TENANT: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phrase_can_match() {
        let text = Phrases::BUILTIN;
        let phrases = Phrases::from_toml(text).unwrap();
        let file: File = toml::from_str(text).unwrap();
        for phrase in file.phrase.iter().flat_map(|group| &group.text) {
            assert!(!phrases.find(phrase).is_empty());
        }
    }
}
