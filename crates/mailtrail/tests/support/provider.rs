//! A provider that reports by message id and recipient.

use mailtrail::Tracker;
use mailtrail::core::correlation::{Correlation, CorrelationKey};
use mailtrail::core::event::{Delivered, Source};
use mailtrail::core::id::{Endpoint, Identity};
use mailtrail::core::{EmailAddress, Event, Feedback};

pub(crate) fn endpoint() -> Endpoint {
    Endpoint::new("provider").unwrap()
}

pub(crate) fn feedback(
    tracker: &Tracker,
    correlation: Correlation,
    event: impl Into<Event>,
) -> Feedback {
    let observed = Identity::Observed(tracker.observed().unwrap());
    Feedback::new(correlation, event.into(), observed, Source::known("webhook:provider"))
}

pub(crate) fn delivered(tracker: &Tracker, message_id: &str, to: &EmailAddress) -> Feedback {
    let key = CorrelationKey::new(endpoint(), message_id, to.as_given());
    feedback(tracker, Correlation::Key(key), Delivered::default())
}
