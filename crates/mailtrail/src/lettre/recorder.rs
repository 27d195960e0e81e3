//! What is written down, and where: in the store, or else in the spool.

use std::error::Error;
use std::fmt;

use mailtrail_classify::Classifier;
use mailtrail_core::diagnosis::Diagnosis;
use mailtrail_core::event::{Bounced, Deferred, Private, Provenance, Source};
use mailtrail_core::evidence::OnDoubt;
use mailtrail_core::plan::{PlanError, unasked};
use mailtrail_core::reason::Reason;
use mailtrail_core::token::Keys;
use mailtrail_core::{Event, EventId, EventStoreExt, Fact, Namespace, NewEvent, StreamId};
use mailtrail_smtp::return_path::ReturnPath;
use mailtrail_smtp::send::{Reply, TalksTo, facts};
use mailtrail_webhook::instrument::InstrumentOptions;

use super::copy::Recipient;
use super::error::{SpoolError, StoreError, TrackedError};
use super::headers::{HeaderError, Told};
use super::reply::NotTaken;
use super::spool::Spool;
use crate::tracker::{RecordError, Tracker};

/// All of a tracked transport but the transport.
pub(super) struct Recorder {
    pub(super) tracker: Tracker,
    spool: Option<Spool>,
    pub(super) keys: Keys,
    pub(super) return_path: Option<ReturnPath>,
    pub(super) options: InstrumentOptions,
    pub(super) on_doubt: OnDoubt,
    pub(super) retries: bool,
    pub(super) host: Option<String>,
    pub(super) talks_to: TalksTo,
    pub(super) classifier: Classifier,
}

impl Recorder {
    pub(super) fn new(
        tracker: Tracker,
        keys: Keys,
        spool: Option<Spool>,
        classifier: Classifier,
    ) -> Self {
        Self {
            tracker,
            spool,
            keys,
            return_path: None,
            options: InstrumentOptions::untracked(),
            on_doubt: OnDoubt::default(),
            retries: true,
            host: None,
            talks_to: TalksTo::default(),
            classifier,
        }
    }

    pub(super) fn namespace(&self) -> Namespace {
        self.tracker.store().namespace()
    }

    pub(super) fn fresh(&self) -> Result<EventId, StoreError> {
        Ok(self.tracker.observed()?)
    }

    pub(super) async fn replay(&self) -> Result<usize, SpoolError> {
        match &self.spool {
            Some(spool) => spool.replay(&**self.tracker.store()).await,
            None => Ok(0),
        }
    }

    /// A store that is still away keeps no mail from going out.
    pub(super) async fn replay_what_waits(&self) {
        if self.spool.as_ref().is_some_and(Spool::waits) {
            self.replay().await.ok();
        }
    }

    /// Plans the rows, and says whether the store has them: else the spool has.
    pub(super) async fn plan<E: Error + 'static>(
        &self,
        told: &Told,
        recipients: &[Recipient],
    ) -> Result<bool, TrackedError<E>> {
        let contacts = Recipient::contacts(recipients, told);
        match self.tracker.plan(told.broadcast.clone(), contacts.clone()).await {
            Ok(_) => Ok(true),
            Err(PlanError::AnotherKind { broadcast }) => {
                Err(TrackedError::Headers(HeaderError::AnotherKind { broadcast }))
            }
            Err(error) => {
                let now = self.tracker.clock().now();
                let facts = unasked(&self.namespace(), &told.broadcast, contacts, now);
                let facts = facts.map_err(PlanError::Encode).map_err(StoreError::Plan);
                let kept = self.keep(facts.map_err(TrackedError::Store)?, error.into()).await;
                kept.map(|()| false).map_err(TrackedError::Store)
            }
        }
    }

    /// The server took it. Whatever the store does, the mail has left.
    pub(super) async fn taken(&self, to: &Recipient, attempt: u32, reply: Option<Reply>) {
        let event = facts::taken(reply.as_ref(), self.talks_to, self.host.as_deref(), attempt);
        self.record(to, event, reply.map(|reply| reply.text)).await.ok();
    }

    /// It was not taken, or nobody knows. The caller has the transport's error, which says more than ours.
    pub(super) async fn not_taken(&self, to: &Recipient, attempt: u32, why: NotTaken) {
        let now = self.tracker.clock().now();
        let (event, text) = match why {
            NotTaken::Unanswered => return,
            NotTaken::Unreached(text) => {
                let diagnosis = Diagnosis::because(Reason::ConnectionFailed);
                (facts::put_back(diagnosis, attempt, now).into(), text)
            }
            NotTaken::NotOffered(text) => {
                (bounced(Diagnosis::because(Reason::EncodingUnsupported), attempt), text)
            }
            NotTaken::Refused(reply) => {
                let diagnosis = reply.diagnosis(self.host.as_deref(), &self.classifier);
                let event = if reply.is_about_us(self.talks_to) {
                    facts::put_back(diagnosis, attempt, now).into()
                } else if reply.code.is_transient() && self.retries {
                    let mut deferred = Deferred::default();
                    (deferred.diagnosis, deferred.attempt) = (diagnosis, Some(attempt));
                    deferred.into()
                } else {
                    bounced(diagnosis, attempt)
                };
                (event, reply.text)
            }
        };
        self.record(to, event, Some(text)).await.ok();
    }

    pub(super) fn event(
        &self,
        id: EventId,
        event: Event,
        private: &Private,
    ) -> Result<NewEvent, StoreError> {
        let event = NewEvent::new(id, &Fact::new(event), private, Source::known("lettre"))
            .map_err(RecordError::from)?;
        Ok(event.occurred_at(Some(self.tracker.clock().now())).provenance(Provenance::observed()))
    }

    async fn record(
        &self,
        to: &Recipient,
        event: Event,
        text: Option<String>,
    ) -> Result<(), StoreError> {
        let mut private = Private::default();
        private.text = text.map(Into::into);
        let event = self.event(self.fresh()?, event, &private)?;
        self.store(vec![(StreamId::delivery(to.delivery), event)]).await
    }

    pub(super) async fn store(&self, facts: Vec<(StreamId, NewEvent)>) -> Result<(), StoreError> {
        match self.tracker.store().record(facts.clone()).await {
            Ok(_) => Ok(()),
            Err(error) => self.keep(facts, RecordError::from(error).into()).await,
        }
    }

    /// Spools what the store didn't take, if there is a spool.
    pub(super) async fn keep(
        &self,
        facts: Vec<(StreamId, NewEvent)>,
        failure: StoreError,
    ) -> Result<(), StoreError> {
        match &self.spool {
            Some(spool) => Ok(spool.add(&facts).await?),
            None => Err(failure),
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("tracker", &self.tracker)
            .field("spool", &self.spool)
            .finish_non_exhaustive()
    }
}

fn bounced(diagnosis: Diagnosis, attempt: u32) -> Event {
    let mut bounced = Bounced::default();
    (bounced.diagnosis, bounced.attempt) = (diagnosis, Some(attempt));
    bounced.into()
}
