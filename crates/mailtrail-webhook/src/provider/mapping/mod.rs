//! Providers without code: a file says where things stand, and what the provider's words mean.

mod builtin;
mod file;
mod read;
mod sample;

use std::fmt;

use super::dialect::{Dialect, Say};
use super::fields::Fields;
use super::signature::Scheme;
use super::wanted::Wanted;
use super::{Answers, Context, Element, Refused};
use crate::Request;
use crate::form::Form;

pub(super) use builtin::builtin;
pub(super) use file::Batch;
use file::File;
#[cfg(feature = "mock")]
pub(super) use file::Places;
pub use sample::{Expected, Sample};

/// A provider that is described by a file.
///
/// The format is that of the files in this crate's folder `providers`, which `docs/providers.md`
/// explains. Names of fields are paths: members separated by slashes, items of arrays by number.
///
/// ```
/// use mailtrail_core::{Event, Namespace, id::Endpoint, token::{Key, Keys}};
/// use mailtrail_webhook::provider::{Access, Account, Mapping, Reader, receive};
/// use mailtrail_webhook::Request;
/// let mapping = Mapping::from_toml(r#"
///     name = "in_house"
///     source = "our gateway's manual"
///     [fields]
///     event = "kind"
///     recipient = ["to"]
///     message_id = ["id"]
///     time = [{ at = "when", form = "seconds" }]
///     text = ["reply"]
///     [[event]]
///     when = ["ok"]
///     is = "delivered"
///     [[event]]
///     when = ["gone"]
///     is = "bounced"
///     hint = "user_unknown"
/// "#)?;
/// let access = Access::new().unauthenticated();
/// let account = Account::of(Endpoint::new("gateway")?, mapping, access);
/// let body = br#"{"kind":"gone","to":"ann@a.example","id":"7","when":1700000000}"#;
/// let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
/// let (keys, rules) = (Keys::new(Key::new(1, [7; 32])), mailtrail_classify::Classifier::builtin()?);
/// let reader = Reader::new(&keys, &rules);
/// let feedback = receive(&account, &Request::new(body, now), &reader, None)?;
/// assert!(matches!(&feedback[0].fact.event, Event::Bounced(bounced)
///     if bounced.diagnosis.reason == mailtrail_core::reason::Reason::UserUnknown));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Mapping {
    file: File,
    wanted: Wanted,
}

/// Why a file is no mapping.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// It is not TOML of the right shape.
    #[error("the mapping is not valid: {0}")]
    Syntax(#[source] Box<toml::de::Error>),
    /// Its name can't be one.
    #[error(
        "the name of a provider has small letters, digits and underscores only: {name:?} has others"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// An event would never be read, as one before it takes all of them.
    #[error(
        "event {event:?} is there twice, and the first of them has no condition: the second is never read"
    )]
    Shadowed {
        /// The provider's word.
        event: String,
    },
    /// A reason, fault, agent, cause or table has no such name.
    #[error(
        "the mapping uses a name that does not exist, in {place}: docs/providers.md lists them"
    )]
    UnknownName {
        /// Where.
        place: String,
    },
    /// The text that is signed is not made of known parts.
    #[error(
        "`signed` has {{{part}}}, but there are only {{body}}, {{timestamp}} and {{id}}, and `timestamp` and `id` must say where those are"
    )]
    Signed {
        /// The part.
        part: String,
    },
}

impl Mapping {
    /// The files that come with this crate.
    pub const BUILTIN: &'static [&'static str] = builtin::FILES;

    /// The mapping that a file describes.
    ///
    /// # Errors
    /// [`MappingError`] says what is wrong with it.
    pub fn from_toml(text: &str) -> Result<Self, MappingError> {
        let mut file: File =
            toml::from_str(text).map_err(|error| MappingError::Syntax(Box::new(error)))?;
        file.check()?;
        let wanted = file.wanted();
        Ok(Self { file, wanted })
    }

    /// The provider's name.
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// The examples in the file.
    pub fn samples(&self) -> &[Sample] {
        &self.file.test
    }

    /// How the events of one request stand together.
    #[cfg(feature = "mock")]
    pub(super) fn batch(&self) -> Batch {
        self.file.batch
    }

    /// Where things stand.
    #[cfg(feature = "mock")]
    pub(super) fn places(&self) -> &Places {
        &self.file.fields
    }
}

impl Dialect for Mapping {
    fn name(&self) -> &str {
        &self.file.name
    }

    fn answers(&self) -> Answers {
        self.file.answers.answers()
    }

    fn scheme(&self) -> Option<&Scheme> {
        self.file.signature.as_ref()
    }

    fn split<'a>(&self, request: &Request<'a>) -> Result<Vec<Element<'a>>, Refused> {
        Ok(match self.file.batch {
            Batch::Array => Element::all(request.body),
            Batch::Lines => Element::lines(request.body),
            // Which of the two is a setting of the hook.
            Batch::Form if request.body.trim_ascii_start().starts_with(b"{") => {
                vec![Element::new(request.body)]
            }
            Batch::Form => vec![Element::of_form(&Form::of(request))],
        })
    }

    fn takes_get(&self) -> bool {
        self.file.batch == Batch::Form
    }

    fn wanted(&self) -> Option<&Wanted> {
        (self.file.batch == Batch::Array).then_some(&self.wanted)
    }

    fn read<'a>(&self, fields: Fields<'a>, context: &Context<'_>, say: Say<'_, 'a>) {
        self.file.read(fields, context, say);
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mapping").field(&self.file.name).finish()
    }
}
