//! A trail for what a service sends with [lettre](https://docs.rs/lettre): one line changes.
//!
//! [`TrackedTransport`] wraps a transport and is one. Each recipient of an envelope becomes a delivery with
//! an envelope, a return path and a pixel of its own.

mod attempt;
mod copy;
mod deliver;
mod error;
mod headers;
mod recorder;
mod reply;
mod spool;

use std::fmt;
use std::path::PathBuf;

use async_trait::async_trait;
use lettre::address::Envelope;
use lettre::{AsyncTransport, Transport};
use mailtrail_classify::Classifier;
use mailtrail_core::evidence::OnDoubt;
use mailtrail_core::token::Keys;
use mailtrail_smtp::return_path::ReturnPath;
use mailtrail_smtp::send::TalksTo;
use mailtrail_webhook::instrument::InstrumentOptions;

pub use error::{OpenError, SpoolError, StoreError, TrackedError};
pub use headers::HeaderError;

use crate::Tracker;
use deliver::{Awaited, Blocking, deliver};
use recorder::Recorder;
use spool::Spool;

/// What to do about a mail while the store takes no events.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnStoreFailure {
    /// Send nothing: no mail without a trail.
    Refuse,
    /// Send all the same, and keep the facts in this file until the store takes them: no mail is held up.
    /// The blocked list is not asked while it can't be.
    SendAndSpool(PathBuf),
}

/// A transport of lettre whose mails have a trail. It takes the place of the one that it wraps.
///
/// The broadcast, contact, kind and name of a mail come from its headers `Mailtrail-Broadcast`,
/// `Mailtrail-Contact`, `Mailtrail-Kind` and `Mailtrail-Name`, which no recipient sees. Without them the
/// broadcast is the Message-ID, the contact the address, and the kind `transactional`.
///
/// # Guarantees
/// - Each recipient has a delivery, and a copy with an envelope of its own.
/// - `Queued` and `Attempted` are durable before a copy goes to the transport: in the store, or in the spool
///   of [`OnStoreFailure::SendAndSpool`].
/// - What was settled (blocked, given up, sent before) is never sent. So the same message may be sent again
///   after an error: who got it gets it no second time.
/// - When a mail has left, the caller gets the transport's `Ok` whatever the store does. What the store
///   doesn't take goes to the spool; without one the attempt is in doubt then, as the trail says.
///
/// # Errors
/// [`TrackedError`]. A 4xx is recorded as an attempt after which someone tries again, a 5xx as the end, by the
/// same rules as every reply. A connection that broke leaves the attempt in doubt.
///
/// # Cancellation
/// A dropped future may leave an attempt in doubt.
///
/// # Privacy
/// Without `Mailtrail-Contact` the address is the contact's id, which an erasure leaves in the log: give one
/// if people may have to be forgotten. The spool holds addresses; its file is for its owner only.
///
/// # Example
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use lettre::AsyncTransport;
/// use lettre::address::Envelope;
/// use mailtrail::core::token::{Key, Keys};
/// use mailtrail::lettre::{OnStoreFailure, TrackedTransport};
/// use mailtrail::{Tracker, memory::MemoryStore};
///
/// let tracker = Tracker::builder(MemoryStore::new()).open();
/// let keys = Keys::new(Key::new(1, [7; 32])); // mailtrail::keys_file("keys.toml")?
/// let mailer = lettre::transport::stub::AsyncStubTransport::new_ok(); // as before
/// let mailer = TrackedTransport::open(mailer, tracker.clone(), keys, OnStoreFailure::Refuse)?;
///
/// // Or a `Message` of lettre's builder, by `send`.
/// let message = b"From: office@school.example\r\nTo: ann@a.example\r\nSubject: Your new password\r\n\
///     Mailtrail-Broadcast: password-reset-4711\r\n\r\nHello Ann ...\r\n";
/// let from = "office@school.example".parse()?;
/// let envelope = Envelope::new(Some(from), vec!["ann@a.example".parse()?])?;
/// mailer.send_raw(&envelope, message).await?;
///
/// # use mailtrail::core::DeliveryId;
/// # use mailtrail::core::id::Destination;
/// let ann = "ann@a.example".parse()?;
/// let (broadcast, contact) = ("password-reset-4711".parse()?, "ann@a.example".parse()?);
/// let namespace = tracker.store().namespace();
/// let delivery = DeliveryId::derive(&namespace, &broadcast, &contact, Destination::Address(&ann));
/// assert_eq!(tracker.evidence(delivery).await?.status().label(), "Sent");
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TrackedTransport<T> {
    inner: T,
    recorder: Recorder,
}

impl<T> TrackedTransport<T> {
    /// Wraps a transport. Until told otherwise the envelope's sender stays, the only mark in a message is the
    /// header by which a provider's events are known again, and what takes the mail is a relay.
    ///
    /// # Errors
    /// [`OpenError`]: the spool can't be used, or another transport has it.
    pub fn open(
        inner: T,
        tracker: Tracker,
        keys: Keys,
        on_store_failure: OnStoreFailure,
    ) -> Result<Self, OpenError> {
        let spool = match on_store_failure {
            OnStoreFailure::Refuse => None,
            OnStoreFailure::SendAndSpool(path) => Some(Spool::open(&path)?),
        };
        let classifier = Classifier::builtin()?;
        Ok(Self { inner, recorder: Recorder::new(tracker, keys, spool, classifier) })
    }

    /// With a signed envelope sender for each delivery, so that what comes back is known. An empty envelope
    /// sender stays empty (RFC 5321 §4.5.5).
    pub fn return_path(mut self, return_path: ReturnPath) -> Self {
        self.recorder.return_path = Some(return_path);
        self
    }

    /// With tracking in each message: pixel, links, unsubscribing. A message that is DKIM-signed already can't
    /// have any: let the mail server sign, or switch all off, `correlation` too.
    pub fn instrument(mut self, options: InstrumentOptions) -> Self {
        self.recorder.options = options;
        self
    }

    /// Doing this about attempts in doubt, when the same message is sent again: [`OnDoubt::Hold`] unless set.
    pub fn on_doubt(mut self, on_doubt: OnDoubt) -> Self {
        self.recorder.on_doubt = on_doubt;
        self
    }

    /// Whether the service sends the same message again after a 4xx: it does unless set. If it doesn't, nobody
    /// tries any more, and a 4xx is the end.
    pub fn retries(mut self, retries: bool) -> Self {
        self.recorder.retries = retries;
        self
    }

    /// With the name of the server and who it is: [`TalksTo::Relay`] unless set.
    pub fn server(mut self, host: impl Into<String>, talks_to: TalksTo) -> Self {
        (self.recorder.host, self.recorder.talks_to) = (Some(host.into()), talks_to);
        self
    }

    /// Reading replies by these rules.
    pub fn classifier(mut self, classifier: Classifier) -> Self {
        self.recorder.classifier = classifier;
        self
    }

    /// The transport within: what it sends has no trail.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// Brings what is in the spool to the store, and says how many facts that were. Each send tries this first;
    /// call it when the store is back and nothing is to be sent, such as at the start of the service.
    /// Bringing a fact twice stores it once.
    ///
    /// # Errors
    /// [`SpoolError`]: the spool keeps its facts.
    pub async fn replay(&self) -> Result<usize, SpoolError> {
        self.recorder.replay().await
    }
}

#[async_trait]
impl<T> AsyncTransport for TrackedTransport<T>
where
    T: AsyncTransport + Send + Sync,
    T::Ok: Send + 'static,
    T::Error: std::error::Error + Send + Sync + 'static,
{
    type Ok = T::Ok;
    type Error = TrackedError<T::Error>;

    async fn send_raw(&self, envelope: &Envelope, email: &[u8]) -> Result<Self::Ok, Self::Error> {
        deliver(&self.recorder, &Awaited(&self.inner), envelope, email).await
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}

impl<T> Transport for TrackedTransport<T>
where
    T: Transport + Sync,
    T::Ok: Send + 'static,
    T::Error: std::error::Error + Send + Sync + 'static,
{
    type Ok = T::Ok;
    type Error = TrackedError<T::Error>;

    fn send_raw(&self, envelope: &Envelope, email: &[u8]) -> Result<Self::Ok, Self::Error> {
        pollster::block_on(deliver(&self.recorder, &Blocking(&self.inner), envelope, email))
    }

    fn shutdown(&self) {
        self.inner.shutdown();
    }
}

impl<T> fmt::Debug for TrackedTransport<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackedTransport").field("recorder", &self.recorder).finish_non_exhaustive()
    }
}
