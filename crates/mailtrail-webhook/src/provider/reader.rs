//! From what an element says to feedback: correlation, trust, diagnosis, identity.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use mailtrail_classify::Classifier;
use mailtrail_core::correlation::{Attribution, Correlation, CorrelationKey};
use mailtrail_core::event::{Authenticity, Custom, Private, RawHash, Source};
use mailtrail_core::id::{Endpoint, Identity};
use mailtrail_core::token::{Keys, Purpose, SeenIn, Verified};
use mailtrail_core::{Event, Feedback};

use super::dialect::Said;
use super::fields::Claim;
use super::{Element, Provider};
use crate::text::cut;

/// What reading needs of an installation.
///
/// ```
/// use mailtrail_classify::Classifier;
/// use mailtrail_core::token::{Key, Keys};
/// use mailtrail_webhook::provider::Reader;
/// let (keys, classifier) = (Keys::new(Key::new(1, [7; 32])), Classifier::builtin()?);
/// let reader = Reader::new(&keys, &classifier);
/// # let _ = reader;
/// # Ok::<(), mailtrail_classify::RulesError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    keys: &'a Keys,
    classifier: &'a Classifier,
}

impl<'a> Reader<'a> {
    /// With these keys for tokens, and these rules for replies.
    pub fn new(keys: &'a Keys, classifier: &'a Classifier) -> Self {
        Self { keys, classifier }
    }
}

/// What is common to all elements of a request.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    reader: Reader<'a>,
    provider: &'a str,
    endpoint: &'a Endpoint,
    /// Of the ids in headers.
    headers: Endpoint,
    source: Source,
    authenticity: Authenticity,
    raw: Option<RawHash>,
    now: DateTime<Utc>,
}

/// Whose an element is, and what it is called: as the provider states it.
#[derive(Debug, Clone, Default)]
pub(super) struct Stated<'a> {
    /// The provider's own name of the event.
    pub(super) event: &'a str,
    /// Its own id of the event, if that is the same whenever it tries again.
    pub(super) event_id: Option<Cow<'a, str>>,
    /// The one recipient.
    pub(super) recipient: Option<&'a str>,
    /// The provider's message id, normalised.
    pub(super) message_id: Option<Cow<'a, str>>,
    /// The RFC 5322 Message-ID.
    pub(super) header_id: Option<&'a str>,
    /// What may be our token.
    pub(super) token: Option<&'a str>,
    pub(super) occurred: Claim<'a>,
    /// A server's words.
    pub(super) text: Option<&'a str>,
    pub(super) ip: Option<&'a str>,
    pub(super) user_agent: Option<&'a str>,
}

impl<'a> Context<'a> {
    /// For the elements of a request of this provider, which verified like this.
    pub fn new(
        reader: &Reader<'a>,
        provider: &'a dyn Provider,
        authenticity: Authenticity,
        raw: Option<RawHash>,
        now: DateTime<Utc>,
    ) -> Self {
        let (reader, endpoint, provider) = (*reader, provider.endpoint(), provider.name());
        let source = Source::from(format!("webhook:{provider}"));
        let headers = Endpoint::message_id();
        Self { reader, provider, endpoint, headers, source, authenticity, raw, now }
    }

    /// An element that nobody can read: kept, raises nothing.
    pub fn unparsed(&self, element: &Element<'_>) -> Feedback {
        self.custom(element, &Stated::default(), "unparsed")
    }

    pub(super) fn classifier(&self) -> &'a Classifier {
        self.reader.classifier
    }

    /// What an element says.
    pub(super) fn said(&self, element: &Element<'_>, said: Said<'_>) -> Feedback {
        let Said { stated, event, rule } = said;
        match event {
            Some(event) => self.feedback(element, &stated, event, &rule),
            None => self.custom(element, &stated, &rule),
        }
    }

    /// Something that is no event of ours: kept whole, raises nothing.
    fn custom(&self, element: &Element<'_>, stated: &Stated<'_>, custom_type: &str) -> Feedback {
        let mut custom = Custom::default();
        let custom_type = name(custom_type);
        custom.custom_type = custom_type.into();
        let mut feedback = self.feedback(element, stated, custom.into(), custom_type);
        feedback.private.custom = Some(element.kept());
        feedback
    }

    /// The feedback that an element is, by the rule that read it.
    fn feedback(
        &self,
        element: &Element<'_>,
        stated: &Stated<'_>,
        event: Event,
        rule: &str,
    ) -> Feedback {
        let token =
            stated.token.and_then(|text| self.reader.keys.verify(Purpose::Metadata, text).ok());
        let correlation = self.correlation(stated, token);
        let identity = Identity::Webhook {
            endpoint: self.endpoint.clone(),
            element: stated.event_id.as_deref().map_or_else(|| element.identity(), Into::into),
            event: stated.event.into(),
            recipient: stated.recipient.unwrap_or_default().into(),
        };
        let mut feedback = Feedback::new(correlation, event, identity, self.source.clone());
        stated.keep(&mut feedback.private);
        feedback.claim(stated.occurred.at, self.now);
        if stated.recipient.is_none() {
            feedback.fact.attribution = Attribution::Message;
        }
        if token.is_some() {
            feedback.names = self.names(stated);
        }
        if feedback.occurred_at.is_none() {
            feedback.private.occurred_at_text = kept(stated.occurred.text().as_deref());
        }
        feedback.fact.raw = self.raw;
        let provenance = &mut feedback.provenance;
        // What the whole request proved says more than a token inside of it, and a token more than
        // nothing or an address.
        if token.is_none() || self.authenticity.is_authenticated() {
            provenance.authenticity = self.authenticity.clone();
        }
        provenance.rule = Some([self.provider, "/", name(rule)].concat().into());
        provenance.rules_version = Some(MAPPING_VERSION.into());
        feedback
    }

    fn correlation(&self, stated: &Stated<'_>, token: Option<Verified>) -> Correlation {
        if let Some(Verified { delivery, key_id, .. }) = token {
            return Correlation::Token { delivery, key_id, seen_in: SeenIn::Metadata };
        }
        let (endpoint, message_id) = match (stated.message_id.as_deref(), stated.header_id) {
            (Some(id), _) => (self.endpoint.clone(), id),
            (None, Some(id)) => (self.headers.clone(), id),
            (None, None) => (self.endpoint.clone(), ""),
        };
        match stated.recipient {
            Some(to) => Correlation::Key(CorrelationKey::new(endpoint, message_id, to)),
            None => Correlation::message(endpoint, message_id),
        }
    }

    /// What later feedback may call the message of a token: a late bounce has none.
    fn names(&self, stated: &Stated<'_>) -> Vec<(Endpoint, Box<str>)> {
        let mut names = Vec::with_capacity(2);
        names.extend(stated.message_id.as_deref().map(|id| (self.endpoint.clone(), id.into())));
        names.extend(stated.header_id.map(|id| (self.headers.clone(), id.into())));
        names
    }
}

impl Stated<'_> {
    fn keep(&self, private: &mut Private) {
        private.recipient = kept(self.recipient);
        private.text = kept(self.text);
        private.ip = kept(self.ip);
        private.user_agent = kept(self.user_agent);
    }
}

/// A text as an event keeps it; the raw store has the rest.
pub(super) fn kept(text: Option<&str>) -> Option<Box<str>> {
    text.map(|text| cut(text, TEXT_BYTES).into())
}

/// A name in the words of others, if it can be one: what is no name may be anything, also a person.
fn name(text: &str) -> &str {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
    let fits = !text.is_empty() && text.len() <= NAME_BYTES && text.bytes().all(is_name);
    if fits { text } else { "unnamed" }
}

/// The version of the tables that turn a provider's words into ours.
const MAPPING_VERSION: &str = "1";
const TEXT_BYTES: usize = 8_192;
const NAME_BYTES: usize = 100;
