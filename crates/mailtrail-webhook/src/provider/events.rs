//! Events in the words that providers share.

use mailtrail_core::Event;
use mailtrail_core::event::{
    Agent, AutoReplied, BlockCause, Bounced, Clicked, Complained, ConfirmedBy, Deferred, Delivered,
    Opened, Resubscribed, Sent, SentStage, Suppressed, SuppressedBy, Unsubscribed, UnsubscribedHow,
};

use super::Context;
use super::diagnose::{Failure, codes};
use super::reader::kept;
use crate::track::machines;

/// The provider has the message, and will try.
pub(super) fn accepted(message_id: Option<&str>) -> Event {
    sent(SentStage::Accepted, message_id)
}

/// The provider handed the message to a server that confirms nothing.
pub(super) fn handed_over(message_id: Option<&str>) -> Event {
    sent(SentStage::HandedOver, message_id)
}

fn sent(stage: SentStage, message_id: Option<&str>) -> Event {
    let mut sent = Sent::default();
    (sent.stage, sent.queue_id) = (stage, kept(message_id));
    sent.into()
}

/// The provider goes on trying.
pub(super) fn deferred(failure: Failure<'_>, context: &Context<'_>) -> Event {
    // The provider's count of tries is its own: ours would be taken for concluded by it.
    let mut deferred = Deferred::default();
    deferred.diagnosis = failure.diagnose(context.classifier());
    deferred.into()
}

/// Nobody tries again, whatever the cause.
pub(super) fn bounced(failure: Failure<'_>, context: &Context<'_>) -> Event {
    let mut bounced = Bounced::default();
    bounced.diagnosis = failure.diagnose(context.classifier());
    bounced.into()
}

/// The recipient's server took it, and replied with this text.
pub(super) fn delivered(reply: Option<&str>) -> Event {
    let mut delivered = Delivered::default();
    delivered.confirmed_by = ConfirmedBy::Provider;
    (delivered.reply_code, delivered.enhanced_code) = codes(reply);
    delivered.into()
}

/// Who opened it: what the provider says, by its rule; else what the user agent tells.
pub(super) fn opened(said: Option<(Agent, &str)>, user_agent: Option<&str>) -> Event {
    let mut opened = Opened::default();
    (opened.agent, opened.rule) = judged(said, user_agent);
    opened.into()
}

/// Who followed which link.
pub(super) fn clicked(said: Option<(Agent, &str)>, link: Option<&str>) -> Event {
    let mut clicked = Clicked::default();
    (clicked.agent, clicked.rule) = judged(said, None);
    clicked.link = kept(link);
    clicked.into()
}

fn judged(said: Option<(Agent, &str)>, user_agent: Option<&str>) -> (Agent, Option<Box<str>>) {
    if let Some((agent, rule)) = said {
        (agent, Some(rule.into()))
    } else {
        let (agent, rule) = machines::judge(user_agent);
        (agent, rule.map(Into::into))
    }
}

/// A person calls it abuse.
pub(super) fn complained(feedback_type: Option<&str>) -> Event {
    let mut complained = Complained::default();
    complained.feedback_type = kept(feedback_type);
    complained.into()
}

/// The person asked the provider for no more mail.
pub(super) fn unsubscribed(list: Option<&str>) -> Event {
    unsubscribed_by(UnsubscribedHow::Provider, list)
}

/// Someone took the person off.
pub(super) fn unsubscribed_by(how: UnsubscribedHow, list: Option<&str>) -> Event {
    let mut event = Unsubscribed::default();
    (event.how, event.list) = (how, kept(list));
    event.into()
}

/// The person wants mail again.
pub(super) fn resubscribed(how: UnsubscribedHow, list: Option<&str>) -> Event {
    let mut event = Resubscribed::default();
    (event.how, event.list) = (how, kept(list));
    event.into()
}

/// The provider refused this message by its own list.
pub(super) fn suppressed(cause: BlockCause) -> Event {
    let mut suppressed = Suppressed::default();
    (suppressed.by, suppressed.cause) = (SuppressedBy::Provider, cause);
    suppressed.into()
}

/// An automatic answer that the provider took for a bounce.
pub(super) fn auto_replied(address_change: bool) -> Event {
    let mut replied = AutoReplied::default();
    replied.address_change = address_change;
    replied.into()
}
