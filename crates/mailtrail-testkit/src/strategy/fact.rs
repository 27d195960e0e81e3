//! Generated facts: every type of event, every attribution.

use chrono::{DateTime, Utc};
use mailtrail_core::correlation::Attribution;
use mailtrail_core::diagnosis::Diagnosis;
use mailtrail_core::event::{
    Agent, Attempted, AutoReplied, Bounced, Clicked, Complained, Custom, Deferred, Delivered, Hit,
    Opened, Reading, Reclassified, Resubscribed, Sent, SentStage, Suppressed, SuppressedBy,
    Unsubscribed, UnsubscribedHow,
};
use mailtrail_core::reason::Reason;
use mailtrail_core::{Event, EventId, Fact, StreamId};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Times of one week, to the second, so that some are equal.
pub fn time() -> impl Strategy<Value = DateTime<Utc>> {
    (0_i64..604_800).prop_map(|offset| {
        DateTime::from_timestamp(1_700_000_000 + offset, 0).unwrap_or(DateTime::UNIX_EPOCH)
    })
}

/// Events that feedback and senders bring: every type but those of planning and of the blocked list.
///
/// `keys` are the streams that a sender's events name; `known` the events that may be read again.
pub fn event(keys: Vec<StreamId>, known: Vec<EventId>) -> impl Strategy<Value = Event> {
    let attempt = option::of(1_u32..4);
    let named = Just(keys.clone());
    let sent = (attempt.clone(), stage(), named).prop_map(|(attempt, stage, keys)| {
        let mut sent = Sent::default();
        (sent.attempt, sent.stage, sent.keys) = (attempt, stage, keys);
        sent.into()
    });
    let attempted = (1_u32..4, Just(keys)).prop_map(|(attempt, keys)| {
        let mut attempted = Attempted::default();
        (attempted.attempt, attempted.keys) = (attempt, keys);
        attempted.into()
    });
    let deferred =
        (diagnosis(), attempt.clone(), option::of(time())).prop_map(|(d, attempt, next)| {
            let mut deferred = Deferred::default();
            (deferred.diagnosis, deferred.attempt, deferred.next_attempt) = (d, attempt, next);
            deferred.into()
        });
    let bounced = (diagnosis(), attempt.clone()).prop_map(|(diagnosis, attempt)| {
        let mut bounced = Bounced::default();
        (bounced.diagnosis, bounced.attempt) = (diagnosis, attempt);
        bounced.into()
    });
    let delivered = attempt.prop_map(|attempt| {
        let mut delivered = Delivered::default();
        delivered.attempt = attempt;
        delivered.into()
    });
    let seen = (agent(), any::<bool>()).prop_map(|(agent, click)| {
        if click {
            let mut clicked = Clicked::default();
            clicked.agent = agent;
            Event::from(clicked)
        } else {
            let mut opened = Opened::default();
            opened.agent = agent;
            opened.into()
        }
    });
    let mut moved = AutoReplied::default();
    moved.address_change = true;
    let rare = select(vec![
        Complained::default().into(),
        AutoReplied::default().into(),
        moved.into(),
        Resubscribed::default().into(),
        Hit::default().into(),
        Custom::default().into(),
    ]);
    prop_oneof![
        2 => attempted, 3 => sent, 2 => deferred, 3 => bounced, 3 => delivered, 3 => seen,
        1 => unsubscribed(), 1 => suppressed(), 1 => rare, 1 => reclassified(known),
    ]
}

/// A fact of any attribution.
pub fn fact(keys: Vec<StreamId>, known: Vec<EventId>) -> impl Strategy<Value = Fact> {
    let attribution = prop_oneof![
        8 => Just(Attribution::Delivery), 3 => Just(Attribution::Recipient), 1 => Just(Attribution::Message),
    ];
    (event(keys, known), attribution).prop_map(|(event, whose)| Fact::new(event).attributed(whose))
}

fn stage() -> impl Strategy<Value = SentStage> {
    prop_oneof![Just(SentStage::Accepted), Just(SentStage::HandedOver)]
}

fn agent() -> impl Strategy<Value = Agent> {
    select(vec![Agent::Human, Agent::MailboxMachine, Agent::Scanner, Agent::Unknown])
}

fn reason() -> impl Strategy<Value = Reason> {
    select(Reason::ALL)
}

fn diagnosis() -> impl Strategy<Value = Diagnosis> {
    (reason(), option::of(select(vec!["5.1.1", "4.2.2", "5.7.1"]))).prop_map(|(reason, code)| {
        let mut diagnosis = Diagnosis::because(reason);
        diagnosis.enhanced_code = code.and_then(|code| code.parse().ok());
        diagnosis
    })
}

fn unsubscribed() -> impl Strategy<Value = Event> {
    select(vec![
        UnsubscribedHow::Page,
        UnsubscribedHow::OneClick,
        UnsubscribedHow::Provider,
        UnsubscribedHow::ByOthers,
    ])
    .prop_map(|how| {
        let mut unsubscribed = Unsubscribed::default();
        unsubscribed.how = how;
        unsubscribed.into()
    })
}

fn suppressed() -> impl Strategy<Value = Event> {
    select(vec![SuppressedBy::Sender, SuppressedBy::Provider]).prop_map(|by| {
        let mut suppressed = Suppressed::default();
        suppressed.by = by;
        suppressed.into()
    })
}

fn reclassified(known: Vec<EventId>) -> impl Strategy<Value = Event> {
    let known = if known.is_empty() { vec![EventId::from_bytes([9; 16])] } else { known };
    let reading = prop_oneof![reason().prop_map(Reading::Reason), agent().prop_map(Reading::Agent)];
    let of_type = select(vec!["bounced", "deferred", "opened", "clicked"]);
    (select(known), of_type, reading, 1_u64..4).prop_map(|(of, of_type, reading, sequence)| {
        Reclassified::new(of, of_type, reading, sequence, format!("rules-{sequence}")).into()
    })
}
