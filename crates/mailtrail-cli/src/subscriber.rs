//! Subscribers, as a configuration describes them.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mailtrail::core::Event;
use mailtrail::core::clock::Clock;
use mailtrail::core::projection::checked_name;
use mailtrail::outbound::{Authorities, HttpPoster, JsonLines, Subscriber, Wanted};
use mailtrail::serve::{Networks, NetworksError};
use mailtrail::webhook::outbound::{Guard, STATUS_CHANGED, Signer, Target};
use serde::Deserialize;

use crate::failure::Failure;
use crate::secret::SecretText;

/// One who is told: `[[subscriber]]` in the configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SubscriberText {
    /// What it is called, for ever.
    pub(crate) name: String,
    /// Where messages are posted; or else a file, or standard output.
    pub(crate) url: Option<String>,
    pub(crate) file: Option<PathBuf>,
    pub(crate) stdout: bool,
    /// Secrets that sign what is posted: several while one is replaced.
    pub(crate) secrets: Vec<SecretText>,
    /// `status_changed`, types of events, or `*` for all events: `status_changed` unless set.
    pub(crate) events: Option<Vec<String>>,
    /// With what identifies a person.
    pub(crate) private: bool,
    /// Private networks that may be reached.
    pub(crate) allow: Vec<String>,
    /// Files with certificates of authorities that are trusted beside the system's.
    pub(crate) authorities: Vec<PathBuf>,
    /// Where a new one begins.
    pub(crate) start: Start,
    /// How many messages may be under way at once.
    pub(crate) at_once: Option<usize>,
    /// How many seconds an attempt may take.
    pub(crate) timeout: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Start {
    #[default]
    Beginning,
    Now,
}

/// Where messages go.
enum Place<'a> {
    Url(Target),
    File(&'a PathBuf),
    Stdout,
}

impl SubscriberText {
    /// What is wrong with it, if anything: nothing is opened.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        checked_name(&self.name).map_err(Failure::data)?;
        if self.wanted().is_empty() {
            return Err(Failure::data("events is empty: leave it out, or name some"));
        }
        match self.place()? {
            Place::Url(target) => {
                if !target.is_permitted(&self.guard()?) {
                    return Err(Failure::data(format!(
                        "{target} is a private address: name its network in allow"
                    )));
                }
                self.authorities()?;
                self.signer().map(drop)
            }
            Place::File(_) | Place::Stdout => {
                let lists =
                    [self.secrets.is_empty(), self.allow.is_empty(), self.authorities.is_empty()];
                if lists.contains(&false) || self.timeout.is_some() {
                    let of_url = "secrets, allow, authorities and timeout belong to a url";
                    return Err(Failure::data(of_url));
                }
                Ok(())
            }
        }
    }

    /// The subscriber. Opens its file.
    pub(crate) fn open(&self, clock: &Arc<dyn Clock>) -> Result<Subscriber, Failure> {
        self.check()?;
        let subscriber = match self.place()? {
            Place::Url(target) => {
                let (signer, guard) = (self.signer()?, self.guard()?);
                let mut poster = HttpPoster::new(target, signer, guard, Arc::clone(clock));
                if let Some(authorities) = self.authorities()? {
                    poster = poster.trust(&authorities);
                }
                if let Some(seconds) = self.timeout {
                    poster = poster.timeout(Duration::from_secs(seconds));
                }
                Subscriber::new(&self.name, poster)?
            }
            Place::File(file) => {
                let lines = JsonLines::file(file)
                    .map_err(|error| Failure::data(format!("{}: {error}", file.display())))?;
                Subscriber::new(&self.name, lines)?
            }
            Place::Stdout => Subscriber::new(&self.name, JsonLines::writer(io::stdout()))?,
        };
        let mut subscriber = subscriber.wanted(self.wanted());
        if self.start == Start::Now {
            subscriber = subscriber.from_now();
        }
        if let Some(at_once) = self.at_once {
            subscriber = subscriber.at_once(at_once);
        }
        Ok(subscriber)
    }

    /// Where messages go, as it may be shown: the path of a URL is often a password.
    pub(crate) fn shown_place(&self) -> String {
        match self.place() {
            Ok(Place::Url(target)) => target.to_string(),
            Ok(Place::File(file)) => file.display().to_string(),
            Ok(Place::Stdout) => "standard output".to_owned(),
            Err(failure) => failure.text(),
        }
    }

    /// Whether what is posted can be read on its way.
    pub(crate) fn is_open(&self) -> bool {
        self.url.as_deref().is_some_and(|url| !url.trim_start().starts_with("https:"))
    }

    /// The names in `events` that are no types of events of ours.
    pub(crate) fn unknown_events(&self) -> Vec<&str> {
        let names = self.events.iter().flatten().map(String::as_str);
        let known =
            |name: &&str| [STATUS_CHANGED, "*"].contains(name) || Event::TYPES.contains(name);
        names.filter(|name| !known(name)).collect()
    }

    fn wanted(&self) -> Wanted {
        let wanted: Wanted = match &self.events {
            Some(names) => names.iter().map(String::as_str).collect(),
            None => [STATUS_CHANGED].into_iter().collect(),
        };
        if self.private { wanted.with_private() } else { wanted }
    }

    fn place(&self) -> Result<Place<'_>, Failure> {
        match (&self.url, &self.file, self.stdout) {
            (Some(url), None, false) => Ok(Place::Url(Target::parse(url).map_err(Failure::data)?)),
            (None, Some(file), false) => Ok(Place::File(file)),
            (None, None, true) => Ok(Place::Stdout),
            _ => Err(Failure::data("give one of url, file and stdout = true")),
        }
    }

    fn signer(&self) -> Result<Signer, Failure> {
        let secrets: Vec<_> =
            self.secrets.iter().map(SecretText::read).collect::<Result<_, _>>()?;
        Signer::new(secrets).map_err(|error| Failure::data(format!("secrets: {error}")))
    }

    fn authorities(&self) -> Result<Option<Authorities>, Failure> {
        let mut all: Option<Authorities> = None;
        for file in &self.authorities {
            let named = |error: &dyn std::fmt::Display| {
                Failure::data(format!("authorities: {}: {error}", file.display()))
            };
            let text = std::fs::read(file).map_err(|error| named(&error))?;
            let read = Authorities::from_pem(&text).map_err(|error| named(&error))?;
            all = Some(match all {
                Some(all) => all.and(read),
                None => read,
            });
        }
        Ok(all)
    }

    fn guard(&self) -> Result<Guard, Failure> {
        let networks: Networks = self
            .allow
            .join(",")
            .parse()
            .map_err(|error: NetworksError| Failure::data(format!("allow: {error}")))?;
        Ok(Guard::new(networks.iter().copied()))
    }
}

/// The names that several have.
pub(crate) fn twice(subscribers: &[SubscriberText]) -> BTreeSet<&str> {
    let mut seen = BTreeSet::new();
    subscribers.iter().map(|one| one.name.as_str()).filter(|name| !seen.insert(*name)).collect()
}
