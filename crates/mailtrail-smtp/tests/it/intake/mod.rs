//! Bounces on their way in: listeners, what misbehaves at them, and Maildirs.

mod listeners;
mod maildir;
mod misbehaving;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use mailtrail_classify::Classifier;
use mailtrail_core::store::{AppendBatch, AppendError, Appended, Filter, RawStore};
use mailtrail_core::token::{Key, Keys};
use mailtrail_core::{DeliveryId, EventStore, Position};
use mailtrail_memory::{MemoryRaw, MemoryStore};
use mailtrail_smtp::intake::Intake;
use mailtrail_smtp::return_path::ReturnPath;
use mailtrail_smtp::server::{Limits, Protocol, Running, Server};
use mailtrail_testkit::{Otherwise, VirtualClock};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// A store, and an intake of it.
pub(crate) struct Place {
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) raw: Arc<MemoryRaw>,
    pub(crate) intake: Arc<Intake>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::at(Arc::new(MemoryStore::new()))
    }

    pub(crate) fn at(store: Arc<dyn EventStore>) -> Self {
        let (path, classifier) = (ReturnPath::new(DOMAIN), Classifier::builtin().unwrap());
        let clock = Arc::new(VirtualClock::default());
        let raw = Arc::new(MemoryRaw::default());
        let intake = Intake::new(Arc::clone(&store), keys(), path, classifier, clock);
        let intake = Arc::new(intake.raw(Arc::clone(&raw) as _));
        Self { store, raw, intake }
    }

    /// Whether the bytes of each event's mail are kept.
    pub(crate) async fn raw_of_all(&self) -> bool {
        let page = self.store.read_all(&Filter::all(), Position::START, 1000).await.unwrap();
        for envelope in &page.events {
            let hash = envelope.fact().unwrap().raw.unwrap();
            if self.raw.read(hash).await.unwrap().is_none() {
                return false;
            }
        }
        !page.events.is_empty()
    }

    /// The types of all events, in order.
    pub(crate) async fn types(&self) -> Vec<String> {
        let page = self.store.read_all(&Filter::all(), Position::START, 1000).await.unwrap();
        page.events.iter().map(|envelope| envelope.event.event_type.to_string()).collect()
    }
}

/// A store that takes nothing while it is ill.
#[derive(Debug, Default)]
pub(crate) struct Ill {
    store: MemoryStore,
    refuses: AtomicBool,
    asked: Notify,
}

impl Ill {
    pub(crate) fn is_ill(&self, ill: bool) {
        self.refuses.store(ill, Ordering::SeqCst);
    }

    /// Waits until it has refused something.
    pub(crate) async fn was_asked(&self) {
        self.asked.notified().await;
    }
}

#[async_trait::async_trait]
impl Otherwise for Ill {
    fn store(&self) -> &dyn EventStore {
        &self.store
    }

    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        if self.refuses.load(Ordering::SeqCst) {
            self.asked.notify_one();
            return Err(AppendError::Unavailable { cause: "no space left".into() });
        }
        self.store.append(batch).await
    }
}

pub(crate) fn keys() -> Keys {
    Keys::new(Key::new(1, [7; 32]))
}

/// The return path of a delivery.
pub(crate) fn return_path(delivery: u8) -> String {
    ReturnPath::new(DOMAIN).address(&keys(), DeliveryId::from_bytes([delivery; 16]))
}

/// A return path that somebody made up.
pub(crate) fn forged() -> String {
    let keys = Keys::new(Key::new(1, [8; 32]));
    ReturnPath::new(DOMAIN).address(&keys, DeliveryId::from_bytes([1; 16]))
}

/// The address of the Reply-To of a delivery.
pub(crate) fn reply_address(delivery: u8) -> String {
    ReturnPath::new(DOMAIN).reply_address(&keys(), DeliveryId::from_bytes([delivery; 16]))
}

/// A report of this number that ann's mailbox is full.
pub(crate) fn report(number: u32) -> Bytes {
    let text = format!(
        "From: MAILER-DAEMON@mx.a.example\r\n\
         Date: Mon, 02 Nov 2026 10:00:00 +0000\r\n\
         Message-ID: <report-{number}@mx.a.example>\r\n\
         Subject: Undelivered\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"=b\"\r\n\
         \r\n\
         --=b\r\n\
         Content-Type: message/delivery-status\r\n\
         \r\n\
         Reporting-MTA: dns; mx.a.example\r\n\
         \r\n\
         Final-Recipient: rfc822; ann@a.example\r\n\
         Action: failed\r\n\
         Status: 5.2.2\r\n\
         Diagnostic-Code: smtp; 552 5.2.2 mailbox full\r\n\
         \r\n\
         --=b--\r\n"
    );
    text.into()
}

/// What a person writes back.
pub(crate) fn answer() -> Bytes {
    Bytes::from_static(
        b"From: ann@a.example\r\nSubject: Re: Closed today\r\nMessage-ID: <1@a.example>\r\n\r\nThank you!\r\n",
    )
}

/// A server on a free port.
pub(crate) async fn listen(
    protocol: Protocol,
    handler: impl mailtrail_smtp::server::Handler,
    limits: Limits,
) -> Running {
    let server = Server::new(protocol, handler).limits(limits).hostname("mx.example");
    server.bind(([127, 0, 0, 1], 0).into()).await.unwrap()
}

/// A client that says what a test wants.
pub(crate) struct Client(pub(crate) BufReader<TcpStream>);

impl Client {
    pub(crate) async fn connect(server: &Running) -> Self {
        Self(BufReader::new(TcpStream::connect(server.local_addr()).await.unwrap()))
    }

    /// Says a line, and hears the last line of the reply.
    pub(crate) async fn say(&mut self, line: &str) -> String {
        self.write(format!("{line}\r\n").as_bytes()).await;
        self.hear().await
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).await.unwrap();
    }

    pub(crate) async fn hear(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            self.0.read_line(&mut line).await.unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    /// Everything until the server ends it.
    pub(crate) async fn rest(&mut self) -> String {
        let mut text = String::new();
        self.0.read_to_string(&mut text).await.unwrap();
        text
    }

    /// Up to the data of a message.
    pub(crate) async fn begin_data(&mut self, hello: &str, to: &str) {
        assert!(self.hear().await.starts_with("220"));
        for line in [hello, "MAIL FROM:<>", &format!("RCPT TO:<{to}>"), "DATA"] {
            let reply = self.say(line).await;
            assert!(reply.starts_with(['2', '3']), "{line}: {reply}");
        }
    }
}

pub(crate) const DOMAIN: &str = "bounces.school.example";
