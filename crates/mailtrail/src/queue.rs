//! The rows of a broadcast that wait to be sent.

use std::collections::VecDeque;
use std::fmt;

use mailtrail_core::correlation::CorrelationKey;
use mailtrail_core::event::{Event, Fact, Private, Provenance, Row, Sent, SentStage, Source};
use mailtrail_core::id::{Category, Endpoint};
use mailtrail_core::store::{Appended, EventStoreExt, Filter, ReadError};
use mailtrail_core::token::{Keys, Purpose};
use mailtrail_core::{
    BroadcastId, DeliveryId, EmailAddress, Envelope, NewEvent, Position, StreamId,
};

use crate::tracker::{RecordError, Tracker};

/// One row that waits to be sent: whom to write to, and how what comes back will be known.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// The facts of the row.
    pub row: Row,
    /// Where it goes.
    pub address: EmailAddress,
    /// The person's name.
    pub name: Option<String>,
}

impl Delivery {
    /// Its id.
    pub fn id(&self) -> DeliveryId {
        self.row.delivery
    }

    /// The name and the value to put into the metadata of a provider's send call. The provider gives
    /// both back with each event, which is then known as this row's.
    ///
    /// Postmark calls it `Metadata`, SendGrid `custom_args`. Send one message per recipient: what stands
    /// in the metadata of a message holds for all its recipients.
    pub fn metadata(&self, keys: &Keys) -> (&'static str, String) {
        (METADATA, keys.sign(Purpose::Metadata, self.id()))
    }

    /// Puts tracking into the message to this row: links, pixel, unsubscribing, and the header that names
    /// the row. See [`instrument`](mailtrail_webhook::instrument::instrument).
    ///
    /// # Errors
    /// [`InstrumentError`](mailtrail_webhook::instrument::InstrumentError): the message is as it was.
    ///
    /// # Example
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
    /// use mailtrail::prelude::*;
    /// use mailtrail::webhook::instrument::InstrumentOptions;
    /// # let tracker = Tracker::builder(mailtrail::memory::MemoryStore::new()).open();
    /// # let ann = Contact::new("c1".parse()?).address(ContactAddress::new("ann@a.example"));
    /// # tracker.plan(Broadcast::new("snow-day".parse()?, "emergency".parse()?), [ann]).await?;
    /// # let keys = mailtrail::core::token::Keys::new(mailtrail::core::token::Key::new(1, [7; 32]));
    /// let options = InstrumentOptions::new("https://mail.school.example")?;
    /// let mime = b"Subject: Closed today\n\nMore: https://school.example/\n";
    /// let delivery = tracker.queued("snow-day".parse()?).next().await?.ok_or("no row waits")?;
    /// let instrumented = delivery.instrument(mime, &keys, &options)?;
    /// assert_eq!(instrumented.links, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "webhook")]
    pub fn instrument(
        &self,
        message: &[u8],
        keys: &Keys,
        options: &mailtrail_webhook::instrument::InstrumentOptions,
    ) -> Result<
        mailtrail_webhook::instrument::Instrumented,
        mailtrail_webhook::instrument::InstrumentError,
    > {
        mailtrail_webhook::instrument::instrument(message, self.id(), keys, options)
    }
}

/// The rows that wait, one after the other, in the order in which they were planned.
///
/// Read in pages: a broadcast of any size takes the memory of one page. What was sent, blocked or
/// given up meanwhile is left out; a row whose attempt is in doubt still waits.
pub struct Queue {
    tracker: Tracker,
    broadcast: BroadcastId,
    next: Option<Position>,
    page: VecDeque<Envelope>,
}

impl Queue {
    /// The next row that waits.
    ///
    /// # Errors
    /// [`ReadError`]; ask again to go on at the same row.
    pub async fn next(&mut self) -> Result<Option<Delivery>, ReadError> {
        loop {
            while let Some(planned) = self.page.front() {
                let delivery = self.waiting(planned).await?;
                self.page.pop_front();
                if delivery.is_some() {
                    return Ok(delivery);
                }
            }
            let Some(after) = self.next else { return Ok(None) };
            let filter = Filter::all().category(Category::DELIVERY).event_type("queued");
            let page = self.tracker.store().read_all(&filter, after, PAGE).await?;
            (self.page, self.next) = (page.events.into(), page.next);
        }
    }

    async fn waiting(&self, planned: &Envelope) -> Result<Option<Delivery>, ReadError> {
        let Ok(Event::Queued(queued)) = planned.fact().map(|fact| fact.event) else {
            return Ok(None);
        };
        let row = queued.row;
        if row.broadcast != self.broadcast {
            return Ok(None);
        }
        let private = planned.private();
        let address = private.address.as_deref().map(EmailAddress::parse);
        let Some(Ok(address)) = address else { return Ok(None) };
        let waits = self.tracker.evidence(row.delivery).await?.is_waiting();
        let name = private.name.map(Into::into);
        Ok(waits.then_some(Delivery { row, address, name }))
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("broadcast", &self.broadcast).finish_non_exhaustive()
    }
}

impl Tracker {
    /// The rows of a broadcast that wait to be sent. After a crash, ask again: it is what is still
    /// unsent.
    ///
    /// # Example
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
    /// use mailtrail::core::id::Endpoint;
    /// use mailtrail::prelude::*;
    /// # let tracker = Tracker::builder(mailtrail::memory::MemoryStore::new()).open();
    /// # let ann = Contact::new("c1".parse()?).address(ContactAddress::new("ann@a.example"));
    /// # tracker.plan(Broadcast::new("snow-day".parse()?, "emergency".parse()?), [ann]).await?;
    /// # let keys = mailtrail::core::token::Keys::new(mailtrail::core::token::Key::new(1, [7; 32]));
    /// # let send = |_: &EmailAddress, _: (&str, String)| "m-1";
    /// let postmark = Endpoint::new("postmark")?;
    /// let mut queued = tracker.queued("snow-day".parse()?);
    /// while let Some(delivery) = queued.next().await? {
    ///     let message_id = send(&delivery.address, delivery.metadata(&keys)); // your own client
    ///     tracker.sent(&delivery, &postmark, message_id).await?;
    /// }
    /// assert!(tracker.queued("snow-day".parse()?).next().await?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn queued(&self, broadcast: BroadcastId) -> Queue {
        let (tracker, next) = (self.clone(), Some(Position::START));
        Queue { tracker, broadcast, next, page: VecDeque::new() }
    }

    /// Records that a provider took a message, and what it calls it: its events of that message to
    /// that recipient join this row, also those that came before.
    ///
    /// # Errors
    /// [`RecordError`]: nothing was stored; call again.
    pub async fn sent(
        &self,
        delivery: &Delivery,
        endpoint: &Endpoint,
        message_id: &str,
    ) -> Result<Appended, RecordError> {
        let namespace = self.store().namespace();
        let key = CorrelationKey::new(endpoint.clone(), message_id, delivery.address.as_given());
        let mut sent = Sent::default();
        sent.stage = SentStage::Accepted;
        sent.keys = vec![StreamId::key(&namespace, &key)];
        let (fact, private) = (Fact::new(sent.into()), Private::default());
        let event = NewEvent::new(self.observed()?, &fact, &private, Source::known("client"))?
            .occurred_at(Some(self.clock().now()))
            .provenance(Provenance::observed());
        Ok(self.store().record(vec![(StreamId::delivery(delivery.id()), event)]).await?)
    }
}

/// What providers' adapters look for in the metadata that comes back.
const METADATA: &str = "mt_delivery";
/// Rows asked for at once.
const PAGE: usize = 256;
