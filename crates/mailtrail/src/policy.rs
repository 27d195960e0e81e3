//! The blocking policy: who complained or unsubscribed gets no more of that kind of broadcast.

use mailtrail_core::correlation::Attribution;
use mailtrail_core::event::{
    AddressBlocked, BlockCause, Envelope, Event, Provenance, Source, UnsubscribedHow,
};
use mailtrail_core::id::Identity;
use mailtrail_core::projection::{Projection, StateError};
use mailtrail_core::store::{EventStoreExt, Filter, ReadError};
use mailtrail_core::suppression::Scope;
use mailtrail_core::{EmailAddress, EventId, Fact, NewEvent, Position, Private, StreamId};
use mailtrail_report::{EmailLog, EmailLogState};

use crate::projection::apply;
use crate::{RecordError, ReportError, Tracker};

impl Tracker {
    /// Blocks addresses for the kinds of broadcast that their owners complained about or unsubscribed
    /// from. Says how many entries are new; running it again adds nothing.
    ///
    /// Only authenticated causes count, and no entry ever covers `emergency`: only a person can block
    /// that. Where the Email Log stands still at an event that it can't apply, the log is read without it: whoever
    /// complains is blocked all the same. Who unblocks an address later is not overruled. Nothing is blocked after Failed: the
    /// address needs a correction.
    ///
    /// # Errors
    /// [`PolicyError`]: run it again.
    pub async fn apply_blocking_policy(&self) -> Result<usize, PolicyError> {
        let state = match self.email_log().await {
            Err(ReportError::Paused { .. }) => self.email_log_of_what_can_be_applied().await?,
            state => state?,
        };
        let filter = Filter::all().event_type("complained").event_type("unsubscribed");
        let mut next = Some(Position::START);
        let mut new = 0_usize;
        while let Some(after) = next {
            let page = self.store().read_all(&filter, after, PAGE).await?;
            let mut entries = Vec::new();
            for envelope in &page.events {
                if let Some(cause) = cause(envelope) {
                    entries.extend(self.entries(&state, envelope, cause)?);
                }
            }
            new = new.saturating_add(
                self.store().record(entries).await.map_err(RecordError::from)?.new_events(),
            );
            next = page.next;
        }
        Ok(new)
    }

    /// The Email Log in memory, without the events that it can't apply. What they would have said is not known; that
    /// others are blocked must not wait for it.
    async fn email_log_of_what_can_be_applied(&self) -> Result<EmailLogState, ReadError> {
        let (filter, mut state) = (EmailLog.filter(), EmailLogState::default());
        let mut next = Some(Position::START);
        while let Some(after) = next {
            let page = self.store().read_all(&filter, after, PAGE).await?;
            for envelope in &page.events {
                apply(&EmailLog, envelope, &mut state).ok();
            }
            next = page.next;
        }
        Ok(state)
    }

    /// The entries that follow from one event: one for each delivery that it concerns.
    fn entries(
        &self,
        state: &EmailLogState,
        envelope: &Envelope,
        cause: BlockCause,
    ) -> Result<Vec<(StreamId, NewEvent)>, PolicyError> {
        let mut entries = Vec::new();
        for delivery in state.concerned(envelope.stream)? {
            let Some(row) = state.planned_row(delivery)? else { continue };
            let address = state.normal_address(delivery)?;
            let address = address.and_then(|text| EmailAddress::parse(&text).ok());
            let Some(address) = address.filter(|_| !row.kind.is_emergency()) else { continue };
            let scope = Scope::Kind(row.kind.clone());
            let id = self.block_id(envelope.event.event_id, &scope);
            let mut private = Private::default();
            private.address = Some(address.as_given().into());
            private.normal_address = Some(address.normal().into());
            let fact = Fact::new(AddressBlocked::new(scope, cause).into());
            let event = NewEvent::new(id, &fact, &private, Source::known("policy"))
                .map_err(RecordError::from)?
                .occurred_at(envelope.event.occurred_at)
                .provenance(Provenance::observed())
                .caused_by(envelope.event.event_id)
                .actor("policy");
            entries.push((StreamId::address(&self.store().namespace(), &address), event));
        }
        Ok(entries)
    }

    fn block_id(&self, cause: EventId, scope: &Scope) -> EventId {
        Identity::Block { cause, scope: scope.clone() }.event_id(&self.store().namespace())
    }
}

/// Why an event blocks, if it does.
fn cause(envelope: &Envelope) -> Option<BlockCause> {
    let fact = envelope.fact().ok()?;
    let authentic = envelope.event.provenance.authenticity.is_authenticated();
    if !authentic || fact.attribution == Attribution::Message {
        return None;
    }
    match fact.event {
        Event::Complained(_) => Some(BlockCause::Complaint),
        Event::Unsubscribed(unsubscribed) => {
            (unsubscribed.how != UnsubscribedHow::ByOthers).then_some(BlockCause::Unsubscribe)
        }
        _ => None,
    }
}

/// Why the policy could not be applied. What it blocked stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The events can't be read.
    #[error("the events can't be read")]
    Read(#[from] ReadError),
    /// The Email Log can't be made.
    #[error("the Email Log can't be made, which says whom a complaint concerns")]
    Report(#[from] ReportError),
    /// The state of the Email Log can't be read.
    #[error("the Email Log can't be read, which says whom a complaint concerns")]
    State(#[from] StateError),
    /// The entries can't be stored.
    #[error("the entries can't be stored")]
    Record(#[from] RecordError),
}

/// Events read at once.
const PAGE: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use mailtrail_core::DeliveryId;
    use mailtrail_core::event::{Authenticity, Complained};
    use mailtrail_core::plan::{Broadcast, Contact, ContactAddress};
    use mailtrail_core::projection::{AsOf, Pause, StateId, StateStore};
    use mailtrail_memory::{MemoryStates, MemoryStore};
    use std::sync::Arc;

    async fn planned(tracker: &Tracker, kind: &str) -> DeliveryId {
        let broadcast = Broadcast::new(kind.parse().unwrap(), kind.parse().unwrap());
        let ann = Contact::new("c1".parse().unwrap()).address(ContactAddress::new("ann@a.example"));
        tracker.plan(broadcast, [ann]).await.unwrap();
        let state = tracker.as_of(&EmailLog, &AsOf::Now).await.unwrap().state;
        let found =
            state.deliveries_to("ann@a.example").unwrap().into_iter().find(|delivery| {
                state.planned_row(*delivery).unwrap().unwrap().kind.as_str() == kind
            });
        found.unwrap()
    }

    async fn complain(tracker: &Tracker, delivery: DeliveryId, authenticity: Authenticity) {
        let fact = Fact::new(Complained::default().into());
        let id = tracker.observed().unwrap();
        let event = NewEvent::new(id, &fact, &Private::default(), Source::known("test")).unwrap();
        let event = event.provenance(Provenance::of(authenticity));
        tracker.store().record(vec![(StreamId::delivery(delivery), event)]).await.unwrap();
    }

    #[tokio::test]
    async fn a_complaint_blocks_while_the_email_log_stands_still() {
        let states = Arc::new(MemoryStates::default());
        let kept = Arc::clone(&states);
        let tracker = Tracker::builder(MemoryStore::new()).states(states).open();
        planned(&tracker, "older").await;
        tracker.email_log().await.unwrap();
        let id = StateId::new(EmailLog.name(), EmailLog.revision());
        let from = kept.checkpoint(&id).unwrap().unwrap();
        let news = planned(&tracker, "news").await;
        let after = tracker.store().read_all(&EmailLog.filter(), from.position, 1).await.unwrap();
        let mut to = from.clone();
        let (position, event) = (after.events[0].position, after.events[0].event.event_id);
        to.paused = Some(Pause::new(position, event, "this one is beyond me"));
        kept.save(&id, Some(&from), Vec::new(), &to).unwrap();

        complain(&tracker, news, Authenticity::SharedSecret).await;
        assert!(matches!(tracker.email_log().await, Err(ReportError::Paused { .. })));
        assert_eq!(tracker.apply_blocking_policy().await.unwrap(), 1);
        assert_eq!(tracker.apply_blocking_policy().await.unwrap(), 0, "again adds nothing");
        let list = tracker.suppression(&"ann@a.example".parse().unwrap()).await.unwrap();
        assert!(list.blocked_for(&"news".parse().unwrap()).is_some());
        assert_eq!(kept.checkpoint(&id).unwrap().unwrap(), to, "it stands still as before");
    }

    #[tokio::test]
    async fn a_complaint_blocks_its_kind_and_never_an_emergency() {
        let tracker = Tracker::builder(MemoryStore::new()).open();
        let news = planned(&tracker, "news").await;
        let alarm = planned(&tracker, "emergency").await;
        let (ann, kind) = ("ann@a.example".parse().unwrap(), "news".parse().unwrap());
        complain(&tracker, news, Authenticity::None).await;
        assert_eq!(tracker.apply_blocking_policy().await.unwrap(), 0, "anyone could have said so");
        complain(&tracker, news, Authenticity::SharedSecret).await;
        complain(&tracker, alarm, Authenticity::SharedSecret).await;
        assert_eq!(tracker.apply_blocking_policy().await.unwrap(), 1);
        assert_eq!(tracker.apply_blocking_policy().await.unwrap(), 0, "again adds nothing");
        let list = tracker.suppression(&ann).await.unwrap();
        assert_eq!(list.blocked_for(&kind).unwrap().1.cause, BlockCause::Complaint);
        assert!(list.blocked_for(&"emergency".parse().unwrap()).is_none());

        tracker.unblock(&ann, Scope::Kind(kind.clone()), "office", None).await.unwrap();
        tracker.apply_blocking_policy().await.unwrap();
        assert!(tracker.suppression(&ann).await.unwrap().blocked_for(&kind).is_none());
    }
}
