//! Examples in a mapping's file, which say what is to be read of a request.

use chrono::{DateTime, Utc};
use mailtrail_classify::Classifier;
use mailtrail_core::correlation::Correlation;
use mailtrail_core::diagnosis::Diagnosis;
use mailtrail_core::event::Authenticity;
use mailtrail_core::id::Endpoint;
use mailtrail_core::reason::Reason;
use mailtrail_core::token::{Key, Keys};
use mailtrail_core::{Event, Feedback};
use serde::Deserialize;

use super::Mapping;
use crate::provider::{Access, Account, Reader, read_verified};
use crate::{Headers, Request};

/// An example that a mapping's file gives: a request, and what is to be read of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Sample {
    /// The body.
    pub body: String,
    /// Its content type, where it is not JSON.
    #[serde(default)]
    pub content_type: Option<String>,
    /// What is to be read of it, in order.
    pub expect: Vec<Expected>,
}

/// What is to be read of an element. What is not named is not compared.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Expected {
    /// The type of the event, as in `bounced`.
    pub event: String,
    /// The recipient.
    pub recipient: Option<String>,
    /// The provider's message id.
    pub message_id: Option<String>,
    /// When it happened, as in RFC 3339.
    pub at: Option<DateTime<Utc>>,
    /// The reason of a failure.
    pub reason: Option<Reason>,
    /// Who opened or clicked.
    pub agent: Option<String>,
}

impl Sample {
    /// In what a mapping reads otherwise than it should; nothing if all is as it should be.
    pub fn differences(&self, mapping: &Mapping, classifier: &Classifier) -> Vec<String> {
        let feedback = match self.read(mapping, classifier) {
            Ok(feedback) => feedback,
            Err(error) => return vec![error],
        };
        if feedback.len() != self.expect.len() {
            return vec![format!("{} events are read, not {}", feedback.len(), self.expect.len())];
        }
        let pairs = self.expect.iter().zip(&feedback).enumerate();
        let differences = pairs.flat_map(|(index, (expected, read))| {
            let number = index.saturating_add(1);
            expected
                .differences(read)
                .into_iter()
                .map(move |text| format!("event {number}: {text}"))
        });
        differences.collect()
    }

    fn read(&self, mapping: &Mapping, classifier: &Classifier) -> Result<Vec<Feedback>, String> {
        let endpoint = Endpoint::new(mapping.name()).map_err(|error| error.to_string())?;
        let account = Account::of(endpoint, mapping.clone(), Access::new());
        let latest = self.expect.iter().filter_map(|expected| expected.at).max();
        let headers = self.content_type.iter().fold(Headers::new(), |headers, content_type| {
            headers.with("Content-Type", content_type)
        });
        let request =
            Request::new(self.body.as_bytes(), latest.unwrap_or_default()).headers(headers);
        let keys = Keys::new(Key::new(0, [0; 32]));
        let reader = Reader::new(&keys, classifier);
        let read = read_verified(&account, &request, &reader, Authenticity::None, None);
        read.map_err(|refused| refused.to_string())
    }
}

impl Expected {
    fn differences(&self, read: &Feedback) -> Vec<String> {
        let message_id = match &read.correlation {
            Correlation::Key(key) => Some(key.message_id().to_owned()),
            _ => None,
        };
        let event = &read.fact.event;
        let reason = diagnosis(event).map(|diagnosis| diagnosis.reason.to_string());
        let agent = match event {
            Event::Opened(opened) => Some(opened.agent.name()),
            Event::Clicked(clicked) => Some(clicked.agent.name()),
            _ => None,
        };
        let compared = [
            ("event", Some(self.event.clone()), Some(event.type_name().to_owned())),
            (
                "recipient",
                self.recipient.clone(),
                read.private.recipient.as_deref().map(Into::into),
            ),
            ("message_id", self.message_id.clone(), message_id),
            ("at", self.at.map(text), read.occurred_at.map(text)),
            ("reason", self.reason.map(|reason| reason.to_string()), reason),
            ("agent", self.agent.clone(), agent.map(Into::into)),
        ];
        let differ =
            compared.into_iter().filter(|(_, wanted, got)| wanted.is_some() && wanted != got);
        let told = differ.map(|(name, wanted, got)| {
            format!(
                "{name} is {}, not {}",
                got.unwrap_or("none".into()),
                wanted.unwrap_or_default()
            )
        });
        told.collect()
    }
}

fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339()
}

fn diagnosis(event: &Event) -> Option<&Diagnosis> {
    match event {
        Event::Bounced(bounced) => Some(&bounced.diagnosis),
        Event::Deferred(deferred) => Some(&deferred.diagnosis),
        _ => None,
    }
}
