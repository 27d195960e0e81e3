//! The store as another process sees it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use mailtrail_core::event::Envelope;
use mailtrail_core::store::{
    AppendError, Appended, Capabilities, Filter, Head, ImportError, Page, ReadError, RedactError,
    StreamPage, record,
};
use mailtrail_core::{AppendBatch, EventId, EventStore, Namespace, Position, StreamId, Version};

use crate::failure::not_redacted;
use crate::lease::{Lease, LeaseError};
use crate::link::{Link, Unanswered};
use crate::message::{Answer, Batch, PROTOCOL, Request, namespace_of, stored};
use crate::states::RemoteStates;

/// The store of another process on this host.
///
/// # Guarantees
/// Those of the store that is shared, as [`capabilities`](EventStore::capabilities) says. Where the
/// connection ends before an answer, an append is [`OutcomeUnknown`](AppendError::OutcomeUnknown) and a
/// read `Unavailable`. It does not connect again by itself: the next owner may have another store.
///
/// # Cancellation
/// As of the contract; the owner is told that nobody waits any more.
#[derive(Debug)]
pub struct RemoteStore {
    link: Arc<Link>,
    namespace: Namespace,
    capabilities: Capabilities,
}

impl RemoteStore {
    /// Connects to the owner of a folder.
    ///
    /// # Errors
    /// [`ConnectError`] says whether anyone shares the folder, and understands this version.
    pub fn connect(folder: impl AsRef<Path>) -> Result<Self, ConnectError> {
        let hello = Request::Hello { protocol: PROTOCOL };
        let (link, answer) =
            Link::open(folder.as_ref(), &hello).map_err(ConnectError::NotShared)?;
        let Answer::Hello { protocol, namespace, capabilities } = answer else {
            return Err(ConnectError::Protocol { owner: None });
        };
        let namespace = namespace_of(&namespace).filter(|_| protocol == PROTOCOL);
        let namespace = namespace.ok_or(ConnectError::Protocol { owner: Some(protocol) })?;
        Ok(Self { link: Arc::new(link), namespace, capabilities: capabilities.into() })
    }

    /// Takes a name that nobody else may hold at once. It ends when it is dropped, or with the connection.
    ///
    /// # Errors
    /// [`LeaseError::Held`] if someone has it.
    pub async fn lease(&self, name: &str) -> Result<Lease, LeaseError> {
        let request = Request::Lease { name: name.to_owned() };
        match self.link.ask(&request, Vec::new()).await {
            Ok((Answer::Lease { granted: true }, _)) => {
                Ok(Lease::remote(name, Arc::clone(&self.link)))
            }
            Ok((Answer::Lease { granted: false }, _)) => {
                Err(LeaseError::Held { name: name.into() })
            }
            Ok(_) => Err(LeaseError::Unavailable(nonsense())),
            Err(error) => Err(LeaseError::Unavailable(error.into_cause())),
        }
    }

    /// The states of projections that the owner shares; every call fails if it shares none.
    pub fn states(&self) -> RemoteStates {
        RemoteStates::new(Arc::clone(&self.link))
    }

    async fn read(&self, request: Request) -> Result<(Answer, Vec<Envelope>), ReadError> {
        match self.link.ask(&request, Vec::new()).await {
            Ok((Answer::NotRead(error), _)) => Err(error.into()),
            Ok((answer, records)) => Ok((answer, envelopes(&records)?)),
            Err(error) => Err(ReadError::Unavailable { cause: error.into_cause().into() }),
        }
    }

    /// The same limits as the owner's, before anything goes out.
    fn check(&self, batch: &AppendBatch) -> Result<(), AppendError> {
        let limits = self.capabilities.limits;
        if batch.len() > limits.batch_events {
            return Err(AppendError::TooLarge { limit: limits.batch_events, unit: "events" });
        }
        if batch.payload_bytes() > limits.batch_bytes {
            return Err(AppendError::TooLarge { limit: limits.batch_bytes, unit: "bytes" });
        }
        Ok(())
    }
}

#[async_trait]
impl EventStore for RemoteStore {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn namespace(&self) -> Namespace {
        self.namespace
    }

    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        self.check(&batch)?;
        let (asked, records) = Batch::of(&batch);
        match self.link.ask(&Request::Append(asked), records).await {
            Ok((Answer::Appended { events }, _)) => Ok(Appended::of(stored(events))),
            Ok((Answer::NotAppended(refusal), _)) => Err(refusal.into()),
            Ok(_) => Err(AppendError::OutcomeUnknown { cause: nonsense().into() }),
            Err(error) => Err(unanswered(error)),
        }
    }

    async fn read_stream(
        &self,
        stream: StreamId,
        from: Version,
        limit: usize,
    ) -> Result<StreamPage, ReadError> {
        match self.read(Request::ReadStream { stream, from, limit }).await? {
            (Answer::StreamPage { last }, events) => Ok(StreamPage::new(events, from, last)),
            _ => Err(ReadError::Unavailable { cause: nonsense().into() }),
        }
    }

    async fn read_all(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
    ) -> Result<Page, ReadError> {
        let categories = filter.categories.iter().map(|of| of.as_str().to_owned()).collect();
        let event_types = filter.event_types.clone();
        match self.read(Request::ReadAll { categories, event_types, after, limit }).await? {
            (Answer::Page { scanned_to, head }, events) => Ok(Page::new(events, scanned_to, head)),
            _ => Err(ReadError::Unavailable { cause: nonsense().into() }),
        }
    }

    async fn changed(&self, past: Position) -> Result<Position, ReadError> {
        match self.read(Request::Changed { past }).await? {
            (Answer::Changed { to }, _) => Ok(to),
            _ => Err(ReadError::Unavailable { cause: nonsense().into() }),
        }
    }

    async fn head(&self) -> Result<Head, ReadError> {
        match self.read(Request::Head).await? {
            (Answer::Head { position, hash }, _) => Ok(Head::new(position, hash)),
            _ => Err(ReadError::Unavailable { cause: nonsense().into() }),
        }
    }

    async fn redact(&self, ids: &[EventId]) -> Result<(), RedactError> {
        match self.link.ask(&Request::Redact { ids: ids.to_vec() }, Vec::new()).await {
            Ok((Answer::Redacted, _)) => Ok(()),
            Ok((Answer::NotRedacted { not_stored, supported, unreadable }, _)) => {
                Err(not_redacted(not_stored, supported, unreadable))
            }
            Ok(_) => Err(RedactError::Unavailable { cause: nonsense().into() }),
            Err(error) => Err(RedactError::Unavailable { cause: error.into_cause().into() }),
        }
    }

    async fn import(&self, batch: AppendBatch) -> Result<Appended, ImportError> {
        self.check(&batch).map_err(ImportError::Append)?;
        let (asked, records) = Batch::of(&batch);
        match self.link.ask(&Request::Import(asked), records).await {
            Ok((Answer::Appended { events }, _)) => Ok(Appended::of(stored(events))),
            Ok((Answer::NotImported { refusal: Some(refusal) }, _)) => {
                Err(ImportError::Append(refusal.into()))
            }
            Ok((Answer::NotImported { refusal: None }, _)) => Err(ImportError::Unsupported),
            Ok(_) => {
                let cause = nonsense().into();
                Err(ImportError::Append(AppendError::OutcomeUnknown { cause }))
            }
            Err(error) => Err(ImportError::Append(unanswered(error))),
        }
    }
}

/// Why another process's store can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody shares the folder.
    #[error("the store is not shared: its owner does not answer on control.sock")]
    NotShared(#[source] io::Error),
    /// The owner speaks another version.
    #[error("the owner of the store runs another version of mailtrail: use the same for both")]
    Protocol {
        /// The owner's version of the protocol, if it said one.
        owner: Option<u32>,
    },
}

fn envelopes(records: &[Bytes]) -> Result<Vec<Envelope>, ReadError> {
    records.iter().map(record::decode).collect()
}

fn unanswered(error: Unanswered) -> AppendError {
    match error {
        Unanswered::NotSent(cause) => AppendError::Unavailable { cause: cause.into() },
        Unanswered::Lost(cause) => AppendError::OutcomeUnknown { cause: cause.into() },
    }
}

fn nonsense() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the owner's answer makes no sense")
}
