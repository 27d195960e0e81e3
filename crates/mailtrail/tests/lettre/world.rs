//! A service that sends with lettre: its store, which may go away, and a transport that looks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use lettre::AsyncTransport;
use lettre::address::{Address, Envelope};
use mailtrail::core::id::Destination;
use mailtrail::core::store::{AppendError, Appended, EventStore, ReadError};
use mailtrail::core::token::{Key, Keys};
use mailtrail::core::{AppendBatch, DeliveryId, EmailAddress, Evidence, Namespace, StreamId};
use mailtrail::lettre::{OnStoreFailure, TrackedTransport};
use mailtrail::memory::MemoryStore;
use mailtrail::smtp::return_path::ReturnPath;
use mailtrail::{Tracker, core::EventStoreExt};
use mailtrail_testkit::{Double, Otherwise};

/// A store that can be taken away.
pub(crate) type Leaving = Double<Away>;

#[derive(Debug, Default)]
pub(crate) struct Away {
    inner: MemoryStore,
    refuses_events: AtomicBool,
    gone: AtomicBool,
}

impl Away {
    /// From now on it takes no events.
    pub(crate) fn refuse_events(&self, refuses: bool) {
        self.refuses_events.store(refuses, Ordering::SeqCst);
    }

    /// From now on it does nothing at all.
    pub(crate) fn go_away(&self, is_away: bool) {
        self.gone.store(is_away, Ordering::SeqCst);
    }
}

#[async_trait]
impl Otherwise for Away {
    fn store(&self) -> &dyn EventStore {
        &self.inner
    }

    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        if self.refuses_events.load(Ordering::SeqCst) || self.read().is_err() {
            return Err(AppendError::Unavailable { cause: "away".into() });
        }
        self.inner.append(batch).await
    }

    fn read(&self) -> Result<(), ReadError> {
        let is_well = !self.gone.load(Ordering::SeqCst);
        is_well.then_some(()).ok_or(ReadError::Unavailable { cause: "away".into() })
    }
}

/// What a transport was given.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) envelope: Envelope,
    pub(crate) message: String,
    /// The types of the events that the store had of this delivery by then.
    pub(crate) known: Vec<String>,
}

type Hook = Box<dyn Fn() + Send + Sync>;

/// A transport that writes down what it is given before it passes it on.
pub(crate) struct Looking<T> {
    pub(crate) inner: T,
    store: Arc<dyn EventStore>,
    given: Mutex<Vec<Given>>,
    while_sending: Mutex<Option<Hook>>,
}

impl<T> Looking<T> {
    pub(crate) fn at(store: Arc<dyn EventStore>, inner: T) -> Self {
        Self { inner, store, given: Mutex::default(), while_sending: Mutex::default() }
    }

    pub(crate) fn given(&self) -> Vec<Given> {
        self.given.lock().unwrap().clone()
    }

    /// Does this whenever it has taken a message.
    pub(crate) fn while_sending(&self, hook: impl Fn() + Send + Sync + 'static) {
        *self.while_sending.lock().unwrap() = Some(Box::new(hook));
    }
}

#[async_trait]
impl<T> AsyncTransport for Looking<T>
where
    T: AsyncTransport + Send + Sync,
    T::Ok: Send,
    T::Error: Send,
{
    type Ok = T::Ok;
    type Error = T::Error;

    async fn send_raw(&self, envelope: &Envelope, email: &[u8]) -> Result<T::Ok, T::Error> {
        let from = envelope.from().unwrap().to_string();
        let delivery = path().read(&keys(), &from).unwrap().delivery;
        let known = self.store.stream(StreamId::delivery(delivery)).await.unwrap_or_default();
        let known = known.iter().map(|event| event.event.event_type.to_string());
        self.given.lock().unwrap().push(Given {
            envelope: envelope.clone(),
            message: String::from_utf8(email.to_vec()).unwrap(),
            known: known.collect(),
        });
        let result = self.inner.send_raw(envelope, email).await;
        if let Some(hook) = &*self.while_sending.lock().unwrap() {
            hook();
        }
        result
    }
}

pub(crate) fn keys() -> Keys {
    Keys::new(Key::new(1, [7; 32]))
}

pub(crate) fn path() -> ReturnPath {
    ReturnPath::new("bounces.school.example")
}

/// A tracked transport that looks.
pub(crate) fn tracked<T>(
    store: &Arc<Leaving>,
    inner: T,
    on_store_failure: OnStoreFailure,
) -> TrackedTransport<Looking<T>> {
    tracked_over(Arc::clone(store) as Arc<dyn EventStore>, inner, on_store_failure)
}

pub(crate) fn tracked_over<T>(
    store: Arc<dyn EventStore>,
    inner: T,
    on_store_failure: OnStoreFailure,
) -> TrackedTransport<Looking<T>> {
    let tracker = Tracker::shared(Arc::clone(&store)).open();
    let inner = Looking::at(store, inner);
    let tracked = TrackedTransport::open(inner, tracker, keys(), on_store_failure).unwrap();
    tracked.return_path(path())
}

/// A message and its envelope.
pub(crate) struct Mail {
    pub(crate) envelope: Envelope,
    pub(crate) bytes: Vec<u8>,
}

/// A mail of the broadcast `b` to these.
pub(crate) fn message(to: &[&str]) -> Mail {
    message_with("Content-Type: text/plain\r\n", to)
}

/// The same with these lines in its header.
pub(crate) fn message_with(lines: &str, to: &[&str]) -> Mail {
    let from = Some(address("office@school.example"));
    let envelope = Envelope::new(from, to.iter().map(|to| address(to)).collect()).unwrap();
    let bytes = format!(
        "From: office@school.example\r\nTo: {}\r\nMessage-ID: <m-1@school.example>\r\n\
         Mailtrail-Broadcast: b\r\nSubject: Closed today\r\n{lines}\r\n<p>Stay at home.</p>\r\n",
        to.join(", ")
    );
    Mail { envelope, bytes: bytes.into_bytes() }
}

/// Sends a mail as lettre's `send` sends a `Message`.
pub(crate) trait Sends: AsyncTransport + Sync {
    async fn send(&self, mail: Mail) -> Result<Self::Ok, Self::Error> {
        self.send_raw(&mail.envelope, &mail.bytes).await
    }
}

impl<T: AsyncTransport + Sync> Sends for T {}

/// The delivery of broadcast `b` to an address that is its own contact.
pub(crate) fn delivery(namespace: &Namespace, address: &str) -> DeliveryId {
    let address: EmailAddress = address.parse().unwrap();
    let contact = address.normal().parse().unwrap();
    let destination = Destination::Address(&address);
    DeliveryId::derive(namespace, &"b".parse().unwrap(), &contact, destination)
}

pub(crate) async fn evidence(store: &Arc<Leaving>, address: &str) -> Evidence {
    let tracker = Tracker::shared(Arc::clone(store) as Arc<dyn EventStore>).open();
    tracker.evidence(delivery(&store.namespace(), address)).await.unwrap()
}

pub(crate) fn address(text: &str) -> Address {
    text.parse().unwrap()
}
