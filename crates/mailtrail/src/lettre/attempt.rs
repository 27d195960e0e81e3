//! Whether a copy may be sent, and the attempt made durable.

use std::error::Error;

use mailtrail_core::event::{Private, Suppressed};
use mailtrail_core::evidence::{OnDoubt, Planned};
use mailtrail_core::id::{Identity, Kind};
use mailtrail_core::store::AppendError;
use mailtrail_core::{
    AppendBatch, EmailAddress, Envelope, EventStoreExt, Evidence, Expected, NewEvent, Status,
    StreamId,
};
use mailtrail_smtp::send::facts;

use super::copy::Recipient;
use super::error::{StoreError, TrackedError};
use super::recorder::Recorder;
use crate::tracker::{RecordError, join};

/// What an attempt is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) to: &'a Recipient,
    pub(super) kind: &'a Kind,
    pub(super) message_id: &'a str,
    /// Whether the store has the row; else the spool has.
    pub(super) is_planned: bool,
}

/// What came of taking an attempt.
enum Take {
    Taken(u32),
    /// Something came meanwhile: an attempt of someone else, or feedback.
    Raced(StoreError),
    /// The store did not take the event of the attempt of this number, or perhaps it did.
    NoStore(u32, Box<NewEvent>, StoreError),
}

impl Recorder {
    /// Makes the attempt durable, if there may be one, and says which it is.
    pub(super) async fn take_attempt<E: Error + 'static>(
        &self,
        of: Subject<'_>,
    ) -> Result<u32, TrackedError<E>> {
        let Some(address) = &of.to.address else {
            return Err(TrackedError::Settled(Status::Failed));
        };
        let mut tries = 0;
        loop {
            match self.try_attempt(of, address).await? {
                Take::Taken(attempt) => return Ok(attempt),
                Take::Raced(error) if tries == TRIES => return Err(TrackedError::Store(error)),
                Take::Raced(_) => tries += 1,
                Take::NoStore(attempt, event, error) => {
                    let facts = vec![(StreamId::delivery(of.to.delivery), *event)];
                    self.keep(facts, error).await.map_err(TrackedError::Store)?;
                    return Ok(attempt);
                }
            }
        }
    }

    async fn try_attempt<E: Error + 'static>(
        &self,
        of: Subject<'_>,
        address: &EmailAddress,
    ) -> Result<Take, TrackedError<E>> {
        let attempted = |attempt| {
            self.attempted(of, attempt, address).map(Box::new).map_err(TrackedError::<E>::Store)
        };
        let trail = match self.tracker.trail(of.to.delivery).await {
            Ok(trail) => trail,
            Err(error) => return Ok(Take::NoStore(FIRST, attempted(FIRST)?, error.into())),
        };
        let evidence = join(&trail);
        self.may_be_sent(&evidence, of.is_planned)?;
        let attempt = evidence.last_attempt().unwrap_or(0).saturating_add(1);
        let event = attempted(attempt)?;
        match self.tracker.suppression(address).await {
            Ok(list) => match facts::suppressed(&list, of.kind) {
                None => {}
                Some(suppressed) => {
                    self.suppress(of.to, suppressed).await.map_err(TrackedError::Store)?;
                    return Err(TrackedError::Settled(Status::Blocked));
                }
            },
            Err(error) => return Ok(Take::NoStore(attempt, event, error.into())),
        }
        Ok(match self.append(of.to, &trail, &event).await {
            Ok(()) => Take::Taken(attempt),
            Err(error @ AppendError::Conflict { .. }) => {
                Take::Raced(RecordError::from(error).into())
            }
            Err(error) => Take::NoStore(attempt, event, RecordError::from(error).into()),
        })
    }

    async fn suppress(&self, to: &Recipient, suppressed: Suppressed) -> Result<(), StoreError> {
        let id = Identity::Suppressed(to.delivery).event_id(&self.namespace());
        let event = self.event(id, suppressed.into(), &Private::default())?;
        self.store(vec![(StreamId::delivery(to.delivery), event)]).await
    }

    /// Appends where nothing has come since the trail was read: so two senders can't take one attempt.
    async fn append(
        &self,
        to: &Recipient,
        trail: &[Envelope],
        event: &NewEvent,
    ) -> Result<(), AppendError> {
        let stream = StreamId::delivery(to.delivery);
        let own = trail.iter().filter(|envelope| envelope.stream == stream);
        let last = own.map(|envelope| envelope.version).max();
        let expected = last.map_or(Expected::NoStream, Expected::Exact);
        let batch = AppendBatch::new().write(stream, expected, vec![event.clone()]);
        self.tracker.store().append_again(batch).await.map(|_| ())
    }

    fn may_be_sent<E: Error + 'static>(
        &self,
        evidence: &Evidence,
        is_planned: bool,
    ) -> Result<(), TrackedError<E>> {
        let is_waiting = match evidence.planned() {
            Some(Planned::Queued) => evidence.is_waiting(),
            Some(_) => false,
            None => !is_planned,
        };
        if !is_waiting {
            return Err(match (evidence.planned(), evidence.status()) {
                (Some(Planned::Queued), status) if !is_given_up(status) => TrackedError::SentBefore,
                (_, status) => TrackedError::Settled(status),
            });
        }
        if self.on_doubt == OnDoubt::Hold && evidence.in_doubt().next().is_some() {
            return Err(TrackedError::InDoubt);
        }
        Ok(())
    }

    fn attempted(
        &self,
        of: Subject<'_>,
        attempt: u32,
        address: &EmailAddress,
    ) -> Result<NewEvent, StoreError> {
        let (namespace, host) = (self.namespace(), self.host.as_deref());
        let attempted = facts::attempted(&namespace, attempt, host, of.message_id, address);
        self.event(self.fresh()?, attempted.into(), &Private::default())
    }
}

fn is_given_up(status: Status) -> bool {
    matches!(status, Status::Blocked | Status::Bounced | Status::Failed)
}

/// The number of an attempt of which no store tells whether others came before.
const FIRST: u32 = 1;
/// How often an attempt is decided anew because something came meanwhile.
const TRIES: u32 = 3;
