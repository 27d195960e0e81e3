//! A tracker's own sender, and what goes out beside the text.

use std::sync::{Arc, Mutex, PoisonError};

use mailtrail_classify::Classifier;
use mailtrail_core::store::BoxError;
use mailtrail_core::token::Keys;
use mailtrail_smtp::message::{Compose, Headers, Letter};
use mailtrail_smtp::return_path::ReturnPath;
use mailtrail_smtp::send::{Random, Route, Sender};
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
    /// let outgoing = mailtrail::Outgoing::new(message).tracked(keys, options);
    /// let dispatcher = Dispatcher::new(sender, outgoing);
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
        Sender::new(store, keys, return_path, route, classifier, clock, random())
    }
}

/// Random bytes for ids, drawn for many at once: asking the operating system for each takes longer than to use them.
fn random() -> Random {
    let left = Mutex::new(Vec::new());
    Box::new(move || {
        let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(random) = left.pop() {
            return Ok(random);
        }
        let mut drawn = [[0; 10]; 64];
        getrandom::fill(drawn.as_flattened_mut())?;
        let [random, others @ ..] = drawn;
        left.extend(others);
        Ok(random)
    })
}

/// A message with all that goes out beside it, in the one order in which none breaks another: composed,
/// its headers completed, tracked, signed.
///
/// # Example
/// ```
/// use mailtrail::Outgoing;
/// use mailtrail::smtp::message::{Headers, Message};
/// use mailtrail::webhook::instrument::InstrumentOptions;
/// # let keys = mailtrail::core::token::Keys::new(mailtrail::core::token::Key::new(1, [7; 32]));
/// let message = Message::new("office@school.example", "Closed today", "Stay at home.");
/// let outgoing = Outgoing::new(message)
///     .headers(Headers::new().list_id("school.example").bulk())
///     .tracked(keys, InstrumentOptions::new("https://mail.school.example")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Outgoing<C> {
    compose: C,
    headers: Headers,
    tracking: Option<(Keys, InstrumentOptions)>,
    #[cfg(feature = "dkim")]
    dkim: Option<mailtrail_smtp::message::dkim::Dkim>,
}

impl<C: Compose> Outgoing<C> {
    /// Of these messages, with the headers that none goes without.
    pub fn new(compose: C) -> Self {
        Self {
            compose,
            headers: Headers::new(),
            tracking: None,
            #[cfg(feature = "dkim")]
            dkim: None,
        }
    }

    /// With these headers, where a message lacks them.
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// With links, pixel, unsubscribing, and the header that names the row.
    pub fn tracked(mut self, keys: Keys, options: InstrumentOptions) -> Self {
        self.tracking = Some((keys, options));
        self
    }

    /// Signed (RFC 6376).
    #[cfg(feature = "dkim")]
    pub fn signed(mut self, dkim: mailtrail_smtp::message::dkim::Dkim) -> Self {
        self.dkim = Some(dkim);
        self
    }
}

impl<C: Compose> Compose for Outgoing<C> {
    fn compose(&self, letter: &Letter<'_>) -> Result<Vec<u8>, BoxError> {
        let mut message = self.headers.add_to(self.compose.compose(letter)?, letter)?;
        if let Some((keys, options)) = &self.tracking {
            message = instrument(&message, letter.row.delivery, keys, options)?.message;
        }
        #[cfg(feature = "dkim")]
        if let Some(dkim) = &self.dkim {
            message = dkim.sign(message, letter.date)?;
        }
        Ok(message)
    }
}
