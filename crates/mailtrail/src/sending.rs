//! A tracker's own sender, and tracking in what it sends.

use std::sync::Arc;

use mailtrail_classify::Classifier;
use mailtrail_core::store::BoxError;
use mailtrail_core::token::Keys;
use mailtrail_smtp::message::{Compose, Letter};
use mailtrail_smtp::return_path::ReturnPath;
use mailtrail_smtp::send::{Route, Sender};
use mailtrail_webhook::instrument::{InstrumentOptions, instrument};

use crate::tracker::Tracker;

impl Tracker {
    /// What sends this tracker's broadcasts by SMTP.
    ///
    /// # Example
    /// ```no_run
    /// # async fn example(keys: mailtrail::core::token::Keys) -> Result<(), Box<dyn std::error::Error>> {
    /// use mailtrail::prelude::*;
    /// use mailtrail::smtp::message::Message;
    /// use mailtrail::smtp::return_path::ReturnPath;
    /// use mailtrail::smtp::send::{Dispatcher, Relay, Tls};
    /// use mailtrail::webhook::instrument::InstrumentOptions;
    ///
    /// # let tracker = Tracker::builder(mailtrail::memory::MemoryStore::new()).open();
    /// let relay = Relay::new("smtp.provider.example", 587).tls(Tls::StartTls);
    /// let classifier = mailtrail::classify::Classifier::builtin()?;
    /// let path = ReturnPath::new("bounces.school.example");
    /// let sender = tracker.sender(keys.clone(), path, relay, classifier);
    ///
    /// let message = Message::new("office@school.example", "Closed today", "Stay at home.");
    /// let options = InstrumentOptions::new("https://mail.school.example")?;
    /// let dispatcher = Dispatcher::new(sender, mailtrail::Tracked::new(message, keys, options));
    /// let dispatched = dispatcher.run(&"snow-day".parse()?, |_| {}).await?;
    /// println!("{} sent, {} bounced", dispatched.sent, dispatched.bounced);
    /// # Ok(()) }
    /// ```
    pub fn sender(
        &self,
        keys: Keys,
        return_path: ReturnPath,
        route: impl Into<Route>,
        classifier: Classifier,
    ) -> Sender {
        let (store, clock) = (Arc::clone(self.store()), Arc::clone(self.clock()));
        let random = Box::new(|| {
            let mut random = [0; 10];
            getrandom::fill(&mut random)?;
            Ok(random)
        });
        Sender::new(store, keys, return_path, route, classifier, clock, random)
    }
}

/// What is composed, with tracking in it: links, pixel, unsubscribing, and the header that names the row.
///
/// What signs the message comes after it.
#[derive(Debug, Clone)]
pub struct Tracked<C> {
    compose: C,
    keys: Keys,
    options: InstrumentOptions,
}

impl<C> Tracked<C> {
    /// Of these messages, with tokens of these keys.
    pub fn new(compose: C, keys: Keys, options: InstrumentOptions) -> Self {
        Self { compose, keys, options }
    }
}

impl<C: Compose> Compose for Tracked<C> {
    fn compose(&self, letter: &Letter<'_>) -> Result<Vec<u8>, BoxError> {
        let message = self.compose.compose(letter)?;
        Ok(instrument(&message, letter.row.delivery, &self.keys, &self.options)?.message)
    }
}
