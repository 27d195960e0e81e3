//! Reading an element by a mapping file.

use std::borrow::Cow;

use mailtrail_core::Event;
use mailtrail_core::diagnosis::Fault;
use mailtrail_core::event::{Agent, BlockCause, UnsubscribedHow};
use serde_json_borrow::Value;

use super::file::{EventOf, File, Is, Places};
use crate::provider::diagnose::{Class, Failure};
use crate::provider::dialect::{Said, Say};
use crate::provider::fields::{Claim, Fields, text_of};
use crate::provider::path::Path;
use crate::provider::reader::Stated;
use crate::provider::{Context, events};

impl File {
    pub(super) fn read<'a>(&self, fields: Fields<'a>, context: &Context<'_>, say: Say<'_, 'a>) {
        let Some(word) = fields.text(&self.fields.event) else { return };
        let event = self.event.iter().find(|event| event.holds(word, fields));
        let class = event.map(|event| self.class_of(event, fields));
        let said = |recipient| {
            let stated = self.fields.stated(word, recipient, fields);
            let read = event
                .zip(class)
                .and_then(|(event, (class, _))| self.event(event, class, &stated, fields, context));
            Said::new(stated, read).by(class.map_or("", |(_, word)| word))
        };
        let mut recipients = self.fields.recipients(fields).peekable();
        if recipients.peek().is_none() {
            return say(said(None));
        }
        recipients.for_each(|recipient| say(said(Some(recipient))));
    }

    fn event(
        &self,
        event: &EventOf,
        class: Class,
        stated: &Stated<'_>,
        fields: Fields<'_>,
        context: &Context<'_>,
    ) -> Option<Event> {
        let places = &self.fields;
        let status = first_number(fields, &places.status);
        let failure = Failure { text: stated.text, status: status.as_deref(), class };
        let agent = event.agent(fields);
        let list = first(fields, &places.list);
        Some(match event.is {
            Is::Accepted => events::accepted(stated.message_id.as_deref()),
            Is::HandedOver => events::handed_over(stated.message_id.as_deref()),
            Is::Deferred => events::deferred(failure, context),
            Is::Bounced => events::bounced(failure, context),
            Is::Delivered => events::delivered(stated.text),
            Is::Opened => events::opened(agent, stated.user_agent),
            Is::Clicked => events::clicked(agent, first(fields, &places.link)),
            Is::Complained => events::complained(first(fields, &places.feedback_type)),
            Is::Unsubscribed => events::unsubscribed(list),
            Is::UnsubscribedByOthers => events::unsubscribed_by(UnsubscribedHow::ByOthers, list),
            Is::Resubscribed => events::resubscribed(UnsubscribedHow::Provider, list),
            Is::Suppressed => events::suppressed(event.cause.unwrap_or(BlockCause::ProviderList)),
            Is::AutoReplied => events::auto_replied(false),
            Is::Custom => return None,
        })
    }

    /// What is said of the reason, and the word of the class that says it.
    fn class_of<'f>(&'f self, event: &EventOf, fields: Fields<'_>) -> (Class, &'f str) {
        let table = event.class.as_ref().and_then(|name| self.class.get(name));
        if let Some(table) = table
            && let Some(word) = first_number(fields, &table.at)
        {
            let of = |(known, _): &(&'f String, _)| known.eq_ignore_ascii_case(&word);
            if let Some((known, reason)) = table.decides.iter().find(of) {
                return (Class::Decided(*reason, event.fault.unwrap_or_default()), known);
            }
            if let Some((known, reason)) = table.hint.iter().find(of) {
                return (Class::Hint(*reason), known);
            }
        }
        let class = match (event.decides, event.hint) {
            (Some(reason), _) => Class::Decided(reason, event.fault.unwrap_or(Fault::Unknown)),
            (None, Some(reason)) => Class::Hint(reason),
            (None, None) => Class::Silent,
        };
        (class, "")
    }
}

impl EventOf {
    fn holds(&self, word: &str, fields: Fields<'_>) -> bool {
        let is = |(path, texts): &(Path, Vec<String>)| {
            let own = fields.text_or_number(path);
            let own = own.or_else(|| Some(fields.flag(path)?.to_string().into()));
            own.is_some_and(|own| texts.iter().any(|text| text.eq_ignore_ascii_case(&own)))
        };
        self.when.iter().any(|own| own == word) && self.conditions.iter().all(is)
    }

    /// What the provider says of who it was: not flagged is not human.
    fn agent(&self, fields: Fields<'_>) -> Option<(Agent, &'static str)> {
        let by_word = self.agent.map(|agent| (agent, "provider_event"));
        let flagged = || {
            let flag = fields.flag(self.machine_if.as_ref()?)?;
            flag.then_some((Agent::MailboxMachine, "provider_flag"))
        };
        by_word.or_else(flagged)
    }
}

impl Places {
    fn stated<'a>(
        &self,
        word: &'a str,
        recipient: Option<&'a str>,
        fields: Fields<'a>,
    ) -> Stated<'a> {
        let named = || self.token_in.iter().find_map(|path| fields.named(path, "mt_delivery"));
        let claims = self.time.iter().map(|time| fields.time(&time.at, time.form));
        Stated {
            event: word,
            event_id: first_number(fields, &self.event_id),
            recipient,
            message_id: first_number(fields, &self.message_id).map(bare),
            header_id: first(fields, &self.header_id),
            token: first(fields, &self.token).or_else(named),
            occurred: first_that_is_one(claims),
            text: first(fields, &self.text),
            ip: first(fields, &self.ip),
            user_agent: first(fields, &self.user_agent),
        }
    }

    /// The recipients at the first place that has any.
    fn recipients<'a>(&self, fields: Fields<'a>) -> impl Iterator<Item = &'a str> + use<'a> {
        let items = |value: &'a Value<'a>| match value {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut places = self.recipient.iter().filter_map(|path| fields.get(path)).map(items);
        let found = places.find(|items| items.iter().any(|item| text_of(item).is_some()));
        found.unwrap_or_default().iter().filter_map(text_of)
    }
}

fn first<'a>(fields: Fields<'a>, paths: &[Path]) -> Option<&'a str> {
    paths.iter().find_map(|path| fields.text(path))
}

fn first_number<'a>(fields: Fields<'a>, paths: &[Path]) -> Option<Cow<'a, str>> {
    paths.iter().find_map(|path| fields.text_or_number(path))
}

/// Of several places, or forms of one, the first with a time that can be read; else what is written.
fn first_that_is_one<'a>(claims: impl Iterator<Item = Claim<'a>>) -> Claim<'a> {
    let mut told = Claim::default();
    for claim in claims {
        if claim.at.is_some() {
            return claim;
        }
        if told.written.is_none() {
            told = claim;
        }
    }
    told
}

/// A message id without angle brackets.
fn bare(id: Cow<'_, str>) -> Cow<'_, str> {
    match id {
        Cow::Borrowed(id) => id.trim_start_matches('<').trim_end_matches('>').into(),
        Cow::Owned(id) => id.trim_start_matches('<').trim_end_matches('>').to_owned().into(),
    }
}
