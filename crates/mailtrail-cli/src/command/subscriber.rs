//! `subscriber`: how far each one is, what was given up, and what to do where one stands still.

use clap::{Args, Subcommand};
use mailtrail::outbound::{DeadLetter, Kept, SubscriberFolder};
use mailtrail::webhook::outbound::MessageId;
use serde_json::json;

use crate::failure::Failure;
use crate::output;
use crate::setup::Setup;
use crate::subscriber::SubscriberText;

/// What is asked. All of it works while `serve` runs, and is done by it; else as soon as it does.
#[derive(Debug, Subcommand)]
pub(crate) enum Subscriber {
    /// How far each one is, how much waits and was given up, and which is paused.
    List,
    /// End a pause, and try at once what waits.
    Resume(Name),
    /// The messages that were given up.
    DeadLetters(Name),
    /// Send dead letters again.
    Replay(Replay),
}

#[derive(Debug, Args)]
pub(crate) struct Name {
    /// Its name in the configuration.
    name: String,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    subscriber: Name,
    /// The messages, as `dead-letters` prints them; all of them, unless some are named.
    messages: Vec<String>,
}

impl Subscriber {
    pub(crate) fn run(self, setup: &Setup) -> Result<(), Failure> {
        let configured = setup.config()?.subscriber;
        match self {
            Self::List => configured.iter().try_for_each(|subscriber| list(setup, subscriber)),
            Self::Resume(Name { name }) => {
                folder(setup, &configured, &name)?.ask_to_resume()?;
                Ok(output::line(format!("{name}: `serve` goes on with it"))?)
            }
            Self::DeadLetters(Name { name }) => {
                let letters = folder(setup, &configured, &name)?.dead_letters()?;
                letters.iter().try_for_each(|letter| print_letter(letter, setup.json))
            }
            Self::Replay(Replay { subscriber: Name { name }, messages }) => {
                let folder = folder(setup, &configured, &name)?;
                let messages: Vec<_> = messages.into_iter().map(MessageId::from).collect();
                let mut letters = folder.dead_letters()?;
                if let Some(unknown) = messages
                    .iter()
                    .find(|message| letters.iter().all(|letter| letter.message != **message))
                {
                    return Err(Failure::data(format!("{unknown} is no dead letter of {name}")));
                }
                letters.retain(|letter| messages.is_empty() || messages.contains(&letter.message));
                folder.ask_to_replay(&messages)?;
                let count = letters.len();
                Ok(output::line(format!("{name}: `serve` sends {count} dead letters again"))?)
            }
        }
    }
}

fn folder(
    setup: &Setup,
    configured: &[SubscriberText],
    name: &str,
) -> Result<SubscriberFolder, Failure> {
    if configured.iter().all(|subscriber| subscriber.name != name) {
        return Err(Failure::data(format!("there is no subscriber {name}: see subscriber list")));
    }
    Ok(SubscriberFolder::open(setup.outbound_folder()?, name)?)
}

fn list(setup: &Setup, subscriber: &SubscriberText) -> Result<(), Failure> {
    let name = &subscriber.name;
    let folder = SubscriberFolder::open(setup.outbound_folder()?, name)?;
    let (kept, letters) = (folder.kept()?, folder.dead_letters()?.len());
    let place = subscriber.shown_place();
    if setup.json {
        return Ok(output::json(&json!({
            "subscriber": name, "to": place, "started": kept.is_some(),
            "position": kept.as_ref().map(|kept| kept.position),
            "taken": kept.as_ref().map(|kept| kept.taken),
            "waiting": kept.as_ref().map(|kept| kept.waiting.len()),
            "dead_letters": letters, "paused": kept.and_then(|kept| kept.paused),
        }))?);
    }
    let standing = kept.map_or_else(|| "not started yet".to_owned(), |kept| standing(&kept));
    let letters = match letters {
        0 => String::new(),
        1 => ", 1 dead letter".to_owned(),
        letters => format!(", {letters} dead letters"),
    };
    Ok(output::line(format!("{name} → {place}: {standing}{letters}"))?)
}

fn standing(kept: &Kept) -> String {
    let (position, taken, waiting) = (kept.position, kept.taken, kept.waiting.len());
    let paused = kept.paused.as_ref().map_or_else(String::new, |pause| {
        let (since, at, cause) =
            (pause.since.format("%Y-%m-%d %H:%M UTC"), pause.position, &pause.cause);
        format!(", PAUSED since {since} at position {at}: {cause}")
    });
    format!("position {position}, {taken} taken, {waiting} waiting{paused}")
}

fn print_letter(letter: &DeadLetter, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return Ok(output::json(letter)?);
    }
    let DeadLetter { message, event, position, attempts, since, cause, .. } = letter;
    let since = since.format("%Y-%m-%d %H:%M UTC");
    Ok(output::line(format!(
        "{message}  event {event} at position {position}, given up {since} after {attempts} attempts: {cause}"
    ))?)
}
