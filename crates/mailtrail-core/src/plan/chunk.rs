//! A few rows that are decided and appended together.

use std::collections::{HashMap, HashSet};

use super::broadcast::{Broadcast, Contact};
use crate::address::EmailAddress;
use crate::event::{
    AddressClaimed, Duplicated, EncodeError, Event, Fact, Malformed, NewEvent, NotSelected,
    Private, Provenance, Queued, Source, Suppressed, SuppressedBy,
};
use crate::id::{DeliveryId, Destination, EventId, Identity, Namespace, StreamId};
use crate::store::{AppendBatch, Expected};
use crate::suppression::Suppression;

/// A row that is yet to be decided.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) delivery: DeliveryId,
    pub(super) plan_id: EventId,
    row: crate::event::Row,
    private: Private,
    to: To,
}

#[derive(Debug, Clone)]
enum To {
    /// No address of the contact is for this kind; it has so many others.
    Nobody {
        others: u32,
    },
    Unparsed,
    Address {
        address: EmailAddress,
        claim: StreamId,
    },
}

/// What becomes of a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Queued,
    NotSelected,
    Duplicated(DeliveryId),
    Suppressed,
    Malformed,
}

/// The rows of one contact, and how many of its addresses add nothing.
pub(super) fn candidates(
    namespace: &Namespace,
    broadcast: &Broadcast,
    contact: &Contact,
) -> (Vec<Candidate>, usize) {
    let mut seen = HashSet::new();
    let mut found: Vec<Candidate> = Vec::new();
    let mut repeated = 0_usize;
    for given in contact.addresses.iter().filter(|given| given.is_for(broadcast.kind())) {
        let candidate = Candidate::of(namespace, broadcast, contact, &given.text);
        if seen.insert(candidate.delivery) {
            found.push(candidate);
        } else {
            repeated = repeated.saturating_add(1);
        }
    }
    if found.is_empty() {
        found.push(Candidate::nobody(namespace, broadcast, contact));
    }
    (found, repeated)
}

impl Candidate {
    fn of(namespace: &Namespace, broadcast: &Broadcast, contact: &Contact, text: &str) -> Self {
        let address = EmailAddress::parse(text);
        let destination = match &address {
            Ok(address) => Destination::Address(address),
            Err(_) => Destination::Unparsed(text),
        };
        let mut candidate = Self::new(namespace, broadcast, contact, destination);
        candidate.private.address = Some(text.into());
        candidate.to = To::Unparsed;
        if let Ok(address) = address {
            candidate.private.normal_address = Some(address.normal().into());
            let claim = StreamId::claim(namespace, broadcast.id(), &address);
            candidate.to = To::Address { address, claim };
        }
        candidate
    }

    fn nobody(namespace: &Namespace, broadcast: &Broadcast, contact: &Contact) -> Self {
        let mut candidate = Self::new(namespace, broadcast, contact, Destination::None);
        let others = contact.addresses.iter().map(|given| given.text.clone());
        candidate.private.other_addresses = others.collect();
        candidate
    }

    fn new(
        namespace: &Namespace,
        broadcast: &Broadcast,
        contact: &Contact,
        destination: Destination<'_>,
    ) -> Self {
        let delivery = DeliveryId::derive(namespace, broadcast.id(), &contact.id, destination);
        let mut private = Private::default();
        private.name.clone_from(&contact.name);
        private.subject = broadcast.subject_line().map(Into::into);
        private.labels.clone_from(&contact.labels);
        let others = u32::try_from(contact.addresses.len()).unwrap_or(u32::MAX);
        Self {
            delivery,
            plan_id: Identity::Plan(delivery).event_id(namespace),
            row: broadcast.row(delivery, contact),
            private,
            to: To::Nobody { others },
        }
    }

    pub(super) fn address(&self) -> Option<&EmailAddress> {
        match &self.to {
            To::Address { address, .. } => Some(address),
            To::Nobody { .. } | To::Unparsed => None,
        }
    }

    pub(super) fn claim(&self) -> Option<StreamId> {
        match &self.to {
            To::Address { claim, .. } => Some(*claim),
            To::Nobody { .. } | To::Unparsed => None,
        }
    }
}

/// Rows that go into one batch, with what is known about them.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) candidates: Vec<Candidate>,
    /// Who has an address already, by claim stream: learnt from conflicts.
    pub(super) claimed: HashMap<StreamId, DeliveryId>,
    /// The blocked list of the addresses in it.
    pub(super) blocked: HashMap<EmailAddress, Suppression>,
}

impl Chunk {
    /// Decides every row: for each the first rule that applies.
    pub(super) fn decide(&self, broadcast: &Broadcast) -> Vec<Verdict> {
        let mut claimed = self.claimed.clone();
        let mut decide = |candidate: &Candidate| match &candidate.to {
            To::Nobody { .. } => Verdict::NotSelected,
            To::Unparsed => Verdict::Malformed,
            To::Address { address, .. } if self.is_blocked(address, broadcast) => {
                Verdict::Suppressed
            }
            To::Address { claim, .. } => {
                let holder = *claimed.entry(*claim).or_insert(candidate.delivery);
                if holder == candidate.delivery {
                    Verdict::Queued
                } else {
                    Verdict::Duplicated(holder)
                }
            }
        };
        self.candidates.iter().map(&mut decide).collect()
    }

    fn is_blocked(&self, address: &EmailAddress, broadcast: &Broadcast) -> bool {
        let list = self.blocked.get(address);
        list.is_some_and(|list| list.blocked_for(broadcast.kind()).is_some())
    }

    /// The batch that stores these decisions.
    pub(super) fn batch(
        &self,
        namespace: &Namespace,
        broadcast: &Broadcast,
        verdicts: &[Verdict],
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<AppendBatch, EncodeError> {
        let mut batch = AppendBatch::new();
        let event = |id, fact: &Fact, private: &Private| {
            let event = NewEvent::new(id, fact, private, Source::known("planner"))?;
            Ok(event.occurred_at(Some(now)).provenance(Provenance::observed()))
        };
        for (candidate, verdict) in self.candidates.iter().zip(verdicts) {
            let fact = Fact::new(self.event(candidate, verdict, broadcast));
            let planned = event(candidate.plan_id, &fact, &candidate.private)?;
            // A delivery may have evidence before its planning is stored (a forged or early report).
            batch =
                batch.write(StreamId::delivery(candidate.delivery), Expected::Any, vec![planned]);
            if let (Verdict::Queued, Some(claim)) = (verdict, candidate.claim()) {
                let id = Identity::Claim(candidate.delivery).event_id(namespace);
                let fact = Fact::new(AddressClaimed::new(candidate.delivery).into());
                let claimed = event(id, &fact, &Private::default())?;
                batch = batch.write(claim, Expected::NoStream, vec![claimed]);
            }
        }
        Ok(batch)
    }

    fn event(&self, candidate: &Candidate, verdict: &Verdict, broadcast: &Broadcast) -> Event {
        let row = candidate.row.clone();
        match verdict {
            Verdict::Queued => Queued::new(row).into(),
            Verdict::NotSelected => {
                let others = match candidate.to {
                    To::Nobody { others } => others,
                    To::Unparsed | To::Address { .. } => 0,
                };
                NotSelected::new(row, others).into()
            }
            Verdict::Duplicated(of) => Duplicated::new(row, *of).into(),
            Verdict::Malformed => Malformed::new(row).into(),
            Verdict::Suppressed => {
                let mut suppressed = Suppressed {
                    by: SuppressedBy::Planner,
                    row: Some(row),
                    ..Suppressed::default()
                };
                let list = candidate.address().and_then(|address| self.blocked.get(address));
                if let Some((scope, entry)) = list.and_then(|l| l.blocked_for(broadcast.kind())) {
                    suppressed.cause = entry.cause;
                    suppressed.since = Some(entry.since);
                    suppressed.scope = Some(scope.clone());
                }
                suppressed.into()
            }
        }
    }
}
