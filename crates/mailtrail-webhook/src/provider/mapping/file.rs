//! The format of a mapping file.

use std::collections::BTreeMap;

use mailtrail_core::diagnosis::Fault;
use mailtrail_core::event::{Agent, BlockCause};
use mailtrail_core::reason::Reason;
use serde::{Deserialize, Deserializer};

use super::{MappingError, Sample};
use crate::provider::Answers;
use crate::provider::fields::Time;
use crate::provider::path::Path;
use crate::provider::signature::Scheme;
use crate::provider::wanted::Wanted;

/// A mapping file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// The provider's name.
    pub(super) name: String,
    /// Where all of this is known from.
    #[expect(dead_code, reason = "for people; asked for, so that it is there")]
    source: String,
    #[serde(default)]
    pub(super) answers: AnswersOf,
    #[serde(default)]
    pub(super) batch: Batch,
    #[serde(default)]
    pub(super) signature: Option<Scheme>,
    pub(super) fields: Places,
    pub(super) event: Vec<EventOf>,
    /// Tables of classes, by name.
    #[serde(default)]
    pub(super) class: BTreeMap<String, Classes>,
    #[serde(default)]
    pub(super) test: Vec<Sample>,
}

/// How the events of one request stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::provider) enum Batch {
    /// One object, or an array of them.
    #[default]
    Array,
    /// One object a line.
    Lines,
    /// One form: a body of that kind, or the query of a GET; or an object.
    Form,
}

/// What the provider is answered, where it is not the usual.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AnswersOf {
    unverified: u16,
    later: u16,
    retry_after: u16,
}

impl Default for AnswersOf {
    fn default() -> Self {
        let Answers { unverified, later, retry_after, .. } = Answers::DEFAULT;
        Self { unverified, later, retry_after }
    }
}

impl AnswersOf {
    pub(super) fn answers(&self) -> Answers {
        let Self { unverified, later, retry_after } = *self;
        Answers { unverified, later, retry_after, ..Answers::DEFAULT }
    }
}

/// Where things stand: of several places the first that has something.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::provider) struct Places {
    /// The provider's word for the event.
    pub(in crate::provider) event: Path,
    /// Its own id of the event, if that is the same whenever it tries again.
    pub(in crate::provider) event_id: Vec<Path>,
    /// The recipient; several, if it is an array.
    pub(in crate::provider) recipient: Vec<Path>,
    pub(in crate::provider) message_id: Vec<Path>,
    /// The RFC 5322 Message-ID.
    pub(in crate::provider) header_id: Vec<Path>,
    /// What may be our token.
    pub(in crate::provider) token: Vec<Path>,
    /// Arrays of `{name, value}` that may hold a header or tag `mt_delivery`.
    pub(in crate::provider) token_in: Vec<Path>,
    /// The time: of several places the first that has something.
    pub(in crate::provider) time: Vec<TimeAt>,
    /// A server's words.
    pub(in crate::provider) text: Vec<Path>,
    /// A code in a field of its own.
    pub(in crate::provider) status: Vec<Path>,
    pub(in crate::provider) link: Vec<Path>,
    pub(in crate::provider) list: Vec<Path>,
    pub(in crate::provider) ip: Vec<Path>,
    pub(in crate::provider) user_agent: Vec<Path>,
    pub(in crate::provider) feedback_type: Vec<Path>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::provider) struct TimeAt {
    pub(in crate::provider) at: Path,
    pub(in crate::provider) form: Time,
}

/// What a word of the provider's means. The first that holds decides.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventOf {
    /// The words.
    pub(super) when: Vec<String>,
    /// What else must hold: at each of these paths one of these texts.
    #[serde(default, rename = "if", deserialize_with = "conditions")]
    pub(super) conditions: Vec<(Path, Vec<String>)>,
    pub(super) is: Is,
    /// The reason, where the server's words tell nothing.
    #[serde(default)]
    pub(super) hint: Option<Reason>,
    /// The reason, whatever the words: the provider refused by its own decision.
    #[serde(default)]
    pub(super) decides: Option<Reason>,
    #[serde(default)]
    pub(super) fault: Option<Fault>,
    /// The table of classes that tells the reason.
    #[serde(default)]
    pub(super) class: Option<String>,
    /// Who opened or clicked, if the word says so.
    #[serde(default)]
    pub(super) agent: Option<Agent>,
    /// Where it says whether it was a machine.
    #[serde(default)]
    pub(super) machine_if: Option<Path>,
    /// Why it was not tried.
    #[serde(default)]
    pub(super) cause: Option<BlockCause>,
}

/// Events that providers tell of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Is {
    /// The provider has it, and will try.
    Accepted,
    /// Handed to a server that confirms nothing.
    HandedOver,
    Deferred,
    Bounced,
    Delivered,
    Opened,
    Clicked,
    Complained,
    Unsubscribed,
    UnsubscribedByOthers,
    Resubscribed,
    Suppressed,
    AutoReplied,
    /// Kept as it is.
    Custom,
}

/// A table of classes: where the class stands, and what each means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Classes {
    pub(super) at: Vec<Path>,
    /// A reason where the server's words tell nothing.
    #[serde(default)]
    pub(super) hint: BTreeMap<String, Reason>,
    /// A reason whatever the words.
    #[serde(default)]
    pub(super) decides: BTreeMap<String, Reason>,
}

impl Places {
    fn paths(&mut self) -> impl Iterator<Item = &mut Path> {
        // Nothing may be left out here: what is not named is not read.
        let Self {
            event,
            event_id,
            recipient,
            message_id,
            header_id,
            token,
            token_in,
            time,
            text,
            status,
            link,
            list,
            ip,
            user_agent,
            feedback_type,
        } = self;
        let lists = [
            event_id,
            recipient,
            message_id,
            header_id,
            token,
            token_in,
            text,
            status,
            link,
            list,
            ip,
            user_agent,
            feedback_type,
        ];
        let times = time.iter_mut().map(|time| &mut time.at);
        std::iter::once(event).chain(lists.into_iter().flatten()).chain(times)
    }
}

impl File {
    /// All that is read of an element.
    pub(super) fn wanted(&mut self) -> Wanted {
        let mut wanted = Wanted::of([]);
        let of_events = self.event.iter_mut().flat_map(|event| {
            let conditions = event.conditions.iter_mut().map(|(path, _)| path);
            conditions.chain(&mut event.machine_if)
        });
        let of_classes = self.class.values_mut().flat_map(|class| &mut class.at);
        let paths = self.fields.paths().chain(of_events).chain(of_classes);
        paths.for_each(|path| wanted.with(path));
        wanted
    }

    /// What TOML can't say.
    pub(super) fn check(&self) -> Result<(), MappingError> {
        let of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if self.name.is_empty() || !self.name.chars().all(of_name) {
            return Err(MappingError::Name { name: self.name.clone() });
        }
        let mut taken: Vec<&str> = Vec::new();
        for event in &self.event {
            if let Some(shadowed) = event.when.iter().find(|word| taken.contains(&word.as_str())) {
                return Err(MappingError::Shadowed { event: shadowed.clone() });
            }
            if event.conditions.is_empty() {
                taken.extend(event.when.iter().map(String::as_str));
            }
            self.check_names(event)?;
        }
        self.signature.as_ref().map_or(Ok(()), check_signed)
    }

    fn check_names(&self, event: &EventOf) -> Result<(), MappingError> {
        let unknown = |place: String| Err(MappingError::UnknownName { place });
        // A word that is misspelt reads as the one that stands for all others.
        let misspelt = [event.hint, event.decides].contains(&Some(Reason::Foreign))
            || event.fault == Some(Fault::Unknown)
            || event.agent == Some(Agent::Foreign)
            || event.cause == Some(BlockCause::Other);
        if misspelt {
            return unknown(format!("event {:?}", event.when));
        }
        let Some(name) = &event.class else { return Ok(()) };
        let Some(class) = self.class.get(name) else { return unknown(format!("class {name}")) };
        let mut all = class.hint.values().chain(class.decides.values());
        if all.any(|reason| *reason == Reason::Foreign) {
            return unknown(format!("class {name}"));
        }
        Ok(())
    }
}

/// A table of paths and texts.
fn conditions<'de, D: Deserializer<'de>>(table: D) -> Result<Vec<(Path, Vec<String>)>, D::Error> {
    let table = BTreeMap::<String, Vec<String>>::deserialize(table)?;
    Ok(table.into_iter().map(|(path, texts)| (path.into(), texts)).collect())
}

fn check_signed(scheme: &Scheme) -> Result<(), MappingError> {
    let parts =
        scheme.signed.split('{').skip(1).map(|part| part.split('}').next().unwrap_or_default());
    let known = |part: &str| match part {
        "body" => true,
        "timestamp" => scheme.has_time(),
        "id" => scheme.id.is_some(),
        _ => false,
    };
    let unknown = parts.into_iter().find(|part| !known(part));
    unknown.map_or(Ok(()), |part| Err(MappingError::Signed { part: part.to_owned() }))
}
