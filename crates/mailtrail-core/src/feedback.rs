//! What a port brings: a fact, how it names its delivery, and how far it is trusted.

use chrono::{DateTime, Utc};

use crate::clock::plausible;
use crate::correlation::{Attribution, Correlation, CorrelationKey};
use crate::event::{
    Authenticity, EncodeError, Event, Fact, NewEvent, Private, Provenance, RawHash, Source,
};
use crate::id::{Endpoint, EventId, Identity, Namespace, StreamId};

/// A fact as a port read it from bytes: everything but a store.
///
/// ```
/// use mailtrail_core::correlation::{Correlation, CorrelationKey};
/// use mailtrail_core::event::{Delivered, Source};
/// use mailtrail_core::id::{Endpoint, Identity, Namespace};
/// use mailtrail_core::{Event, EventId, Feedback};
/// let postmark = Endpoint::new("postmark")?;
/// let key = CorrelationKey::new(postmark, "m-1", "ann@a.example");
/// let observed = Identity::Observed(EventId::from_bytes([3; 16]));
/// let event = Event::Delivered(Delivered::default());
/// let feedback = Feedback::new(Correlation::Key(key), event, observed, Source::known("webhook:postmark"));
///
/// let namespace = Namespace::from_random([1; 16]);
/// let (stream, new_event) = feedback.into_event(&namespace)?;
/// assert_eq!(stream.category().as_str(), "key");
/// # let _ = new_event;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Feedback {
    /// How it names its delivery.
    pub correlation: Correlation,
    /// What happened, whose it is, and where the raw bytes are.
    pub fact: Fact,
    /// What identifies a person.
    pub private: Private,
    /// What else the message is called, and where, so that later feedback without a token is matched:
    /// with the recipient of `private`, these become the keys of an event that has any.
    pub names: Vec<(Endpoint, Box<str>)>,
    /// What its id is derived from.
    pub identity: Identity,
    /// When it happened, as the source claims.
    pub occurred_at: Option<DateTime<Utc>>,
    /// What brought it.
    pub source: Source,
    /// How far it is trusted, and the rule that read it.
    pub provenance: Provenance,
}

impl Feedback {
    /// Feedback whose attribution and authenticity are as its correlation implies.
    #[inline]
    pub fn new(correlation: Correlation, event: Event, identity: Identity, source: Source) -> Self {
        let (attribution, authenticity) = match &correlation {
            Correlation::Token { key_id, seen_in, .. } => {
                (Attribution::Delivery, Authenticity::Token { key_id: *key_id, seen_in: *seen_in })
            }
            Correlation::Key(_) => (Attribution::Recipient, Authenticity::None),
            Correlation::Message { .. } => (Attribution::Message, Authenticity::None),
        };
        Self {
            correlation,
            fact: Fact::new(event).attributed(attribution),
            private: Private::default(),
            names: Vec::new(),
            identity,
            occurred_at: None,
            source,
            provenance: Provenance::of(authenticity),
        }
    }

    /// With the time that the source claims; one that can't be true is kept as text only.
    pub fn claimed_at(mut self, claimed: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Self {
        self.claim(claimed, now);
        self
    }

    /// The same in place.
    #[inline]
    pub fn claim(&mut self, claimed: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        self.occurred_at = claimed.and_then(|claimed| plausible(claimed, now));
        if let (Some(claimed), None) = (claimed, self.occurred_at) {
            self.private.occurred_at_text = Some(claimed.to_rfc3339().into());
        }
    }

    /// With what identifies a person.
    pub fn private(mut self, private: Private) -> Self {
        self.private = private;
        self
    }

    /// With the raw bytes that it was read from.
    pub fn raw(mut self, raw: RawHash) -> Self {
        self.fact.raw = Some(raw);
        self
    }

    /// With another attribution than its correlation implies.
    pub fn attributed(mut self, attribution: Attribution) -> Self {
        self.fact.attribution = attribution;
        self
    }

    /// The id of its event.
    pub fn event_id(&self, namespace: &Namespace) -> EventId {
        self.identity.event_id(namespace)
    }

    /// The event to append, and its stream: functions of the feedback alone.
    ///
    /// # Errors
    /// [`EncodeError`], if a custom event holds what canonical JSON can't express.
    pub fn into_event(
        mut self,
        namespace: &Namespace,
    ) -> Result<(StreamId, NewEvent), EncodeError> {
        let id = self.event_id(namespace);
        self.derive_keys(namespace);
        let event = NewEvent::new(id, &self.fact, &self.private, self.source)?
            .occurred_at(self.occurred_at)
            .provenance(self.provenance);
        Ok((self.correlation.stream(namespace), event))
    }

    fn derive_keys(&mut self, namespace: &Namespace) {
        let (Some(recipient), Some(keys)) =
            (&self.private.recipient, keys_of(&mut self.fact.event))
        else {
            return;
        };
        let mut names = self.names.drain(..);
        let Some((endpoint, id)) = names.next() else { return };
        let first = CorrelationKey::new(endpoint, &id, recipient);
        let others =
            names.map(|(endpoint, id)| StreamId::key(namespace, &first.also(endpoint, &id)));
        keys.push(StreamId::key(namespace, &first));
        keys.extend(others);
    }
}

/// The keys of an event that has any.
fn keys_of(event: &mut Event) -> Option<&mut Vec<StreamId>> {
    if let Event::Sent(sent) = event {
        return Some(&mut sent.keys);
    }
    if let Event::Deferred(deferred) = event {
        return Some(&mut deferred.keys);
    }
    if let Event::Bounced(bounced) = event {
        return Some(&mut bounced.keys);
    }
    if let Event::Delivered(delivered) = event {
        return Some(&mut delivered.keys);
    }
    None
}
