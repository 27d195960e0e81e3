//! Where the store and the keys are: by option, environment or configuration file, in this order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use mailtrail::classify::Classifier;
use mailtrail::core::EventStore;
use mailtrail::core::projection::StateStore;
use mailtrail::core::store::{OpenError, RawStore};
use mailtrail::core::token::Keys;
use mailtrail::memory::{MemoryRaw, MemoryStates, MemoryStore};
use mailtrail::remote::{ConnectError, Lease, LeaseError, RemoteStore, Share};
use mailtrail::sled::{SledRaw, SledStore};
use mailtrail::webhook::refused::{MemoryRing, RefusedRing};
use mailtrail::webhook::track::Judge;
use mailtrail::{RefusedFolder, Tracker};
use serde::Deserialize;

use crate::engine::Place;
use crate::failure::Failure;
use crate::http::Http;
use crate::intake::Intake;
use crate::page::PageConfig;
use crate::provider::Webhook;
use crate::subscriber::SubscriberText;

/// What every command needs to know.
#[derive(Debug, Clone, Args)]
pub(crate) struct Setup {
    /// The store: `fjall:FOLDER`, `sled:FOLDER`, a folder that is there already, or `memory:`, which is gone with the
    /// process.
    #[arg(long, global = true, env = "MAILTRAIL_STORE", value_name = "STORE")]
    store: Option<String>,
    /// The keys file; made on first use.
    #[arg(long, global = true, env = "MAILTRAIL_KEYS", value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Rules of your own, which go before ours.
    #[arg(long, global = true, env = "MAILTRAIL_RULES", value_name = "FILE")]
    rules: Option<PathBuf>,
    /// The configuration file.
    #[arg(
        long,
        global = true,
        env = "MAILTRAIL_CONFIG",
        default_value = "mailtrail.toml",
        value_name = "FILE"
    )]
    config: PathBuf,
    /// JSON instead of tables and sentences.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What a configuration file may say.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    store: Option<String>,
    keys: Option<PathBuf>,
    rules: Option<PathBuf>,
    pub(crate) return_path_domain: Option<String>,
    pub(crate) tracking_url: Option<String>,
    pub(crate) http: Http,
    pub(crate) intake: Intake,
    pub(crate) page: PageConfig,
    pub(crate) webhook: Vec<Webhook>,
    pub(crate) subscriber: Vec<SubscriberText>,
}

/// A store that is open, with what belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) tracker: Tracker,
    pub(crate) raw: Arc<dyn RawStore>,
    pub(crate) refused: Arc<dyn RefusedRing>,
    pub(crate) keys: Keys,
    rules: Option<PathBuf>,
    access: Access,
}

/// In which way this process has the store.
#[derive(Debug, Clone)]
enum Access {
    /// It is nobody else's.
    Alone,
    /// It owns the folder, and may share it.
    Owner(PathBuf),
    /// The owner shares it.
    Guest(Arc<RemoteStore>),
}

impl Opened {
    /// The rules that read replies and bounces: ours, and before them the user's own.
    pub(crate) fn classifier(&self) -> Result<Classifier, Failure> {
        classifier(self.rules.as_deref())
    }

    /// What the store calls itself.
    pub(crate) fn name(&self) -> String {
        match &self.access {
            Access::Owner(folder) => folder
                .file_name()
                .map_or_else(|| "store".to_owned(), |name| name.to_string_lossy().into_owned()),
            Access::Alone | Access::Guest(_) => "store".to_owned(),
        }
    }

    /// Lets other processes use the store too, as long as the answer lives. `None` if there is nothing to
    /// share.
    pub(crate) fn share(&self) -> Result<Option<Share>, Failure> {
        let Access::Owner(folder) = &self.access else { return Ok(None) };
        let store = Arc::clone(self.tracker.store());
        let share = match self.tracker.states() {
            Some(states) => Share::start_with(store, Arc::clone(states), folder),
            None => Share::start(store, folder),
        };
        Ok(Some(share.map_err(Failure::other)?))
    }

    /// Takes the name of a job that must not run twice at once.
    pub(crate) async fn lease(
        &self,
        share: Option<&Share>,
        name: &str,
    ) -> Result<Option<Lease>, Failure> {
        let held = || Failure::again(format!("{name} is in use by another process"));
        match (&self.access, share) {
            (Access::Guest(remote), _) => match remote.lease(name).await {
                Ok(lease) => Ok(Some(lease)),
                Err(LeaseError::Held { .. }) => Err(held()),
                Err(error) => Err(error.into()),
            },
            (_, Some(share)) => share.leases().take(name).map(Some).ok_or_else(held),
            (_, None) => Ok(None),
        }
    }

    /// Fails unless this process owns the store, or has it alone.
    pub(crate) fn require_ownership(self) -> Result<Self, Failure> {
        match self.access {
            Access::Guest(_) => Err(Failure::again("another process serves this store already")),
            Access::Alone | Access::Owner(_) => Ok(self),
        }
    }
}

impl Setup {
    /// A setup of these places.
    pub(crate) fn of(store: String, keys: PathBuf, json: bool) -> Self {
        Self { store: Some(store), keys: Some(keys), rules: None, config: PathBuf::new(), json }
    }

    /// Reads the configuration file; one that isn't there says nothing.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        match std::fs::read_to_string(&self.config) {
            Ok(text) => toml::from_str(&text).map_err(|error: toml::de::Error| {
                let before = error.span().and_then(|span| text.get(..span.start));
                let line = before.map_or(1, |before| before.matches('\n').count() + 1);
                let (file, what) = (self.config.display(), error.message());
                // The error's own text quotes the line, and the line may hold a secret.
                Failure::data(format!("{file} is not valid: line {line}: {what}"))
            }),
            Err(_) if !self.config.exists() => Ok(Config::default()),
            Err(error) => Err(Failure::input(error)),
        }
    }

    /// The keys, if there is a keys file: none is made.
    pub(crate) fn open_keys(&self) -> Result<Option<Keys>, Failure> {
        let path = self.keys.clone().or(self.config()?.keys).unwrap_or_else(|| "keys.toml".into());
        if path.exists() { Ok(Some(mailtrail::keys_file(path)?)) } else { Ok(None) }
    }

    /// The rules that read replies and bounces: ours, and before them the user's own.
    pub(crate) fn classifier(&self) -> Result<Classifier, Failure> {
        classifier(self.rules()?.as_deref())
    }

    /// The same, with another store.
    pub(crate) fn at(&self, spec: &str) -> Self {
        Self { store: Some(spec.to_owned()), ..self.clone() }
    }

    /// Where the store is, if it is one on disk.
    pub(crate) fn place(&self) -> Result<Option<Place>, Failure> {
        let spec = self.spec()?;
        Ok(Place::of(&spec).filter(|_| spec != "memory:"))
    }

    /// Where it is kept how far each subscriber is.
    pub(crate) fn outbound_folder(&self) -> Result<PathBuf, Failure> {
        let missing =
            || Failure::data("subscribers need a store on disk, which keeps their places");
        Ok(self.place()?.ok_or_else(missing)?.folder().join("outbound"))
    }

    /// Where the keys are.
    pub(crate) fn keys_path(&self) -> Result<PathBuf, Failure> {
        let configured = self.config()?.keys;
        Ok(self.keys.clone().or(configured).unwrap_or_else(|| "keys.toml".into()))
    }

    fn rules(&self) -> Result<Option<PathBuf>, Failure> {
        Ok(self.rules.clone().or(self.config()?.rules))
    }

    fn spec(&self) -> Result<String, Failure> {
        let configured = self.config()?.store;
        Ok(self.store.clone().or(configured).unwrap_or_else(default_store))
    }

    /// Opens the store and the keys. Opens whose window has passed since the last run get their verdicts;
    /// where another process owns the store, it does so.
    pub(crate) async fn open(&self) -> Result<Opened, Failure> {
        let opened = self.open_as_it_is()?;
        if let Access::Owner(_) = opened.access {
            let now = opened.tracker.clock().now();
            Judge::default().run(&**opened.tracker.store(), now).await?;
        }
        Ok(opened)
    }

    /// Opens the store and the keys, and stores nothing.
    pub(crate) fn open_as_it_is(&self) -> Result<Opened, Failure> {
        let spec = self.spec()?;
        let Stores { events, raw, refused, states, access } = open_store(&spec)?;
        let keys = mailtrail::keys_file(self.keys_path()?)?;
        let tracker = Tracker::shared(events).states(states).open();
        Ok(Opened { tracker, raw, refused, keys, rules: self.rules()?, access })
    }
}

/// The events, and what is kept beside them.
struct Stores {
    events: Arc<dyn EventStore>,
    raw: Arc<dyn RawStore>,
    refused: Arc<dyn RefusedRing>,
    states: Arc<dyn StateStore>,
    access: Access,
}

fn open_store(spec: &str) -> Result<Stores, Failure> {
    let no_store = || {
        let wanted = "write fjall:FOLDER, sled:FOLDER or memory:";
        Err(Failure::data(format!("{spec} is no store: {wanted}")))
    };
    match spec.split_once(':') {
        Some(("memory", "")) => Ok(Stores {
            events: Arc::new(MemoryStore::new()),
            raw: Arc::new(MemoryRaw::default()),
            refused: Arc::new(MemoryRing::default()),
            states: Arc::new(MemoryStates::default()),
            access: Access::Alone,
        }),
        Some(("sled" | "fjall", _)) => Place::of(spec).map_or_else(no_store, |at| open_place(&at)),
        _ if Path::new(spec).is_dir() => {
            Place::of(spec).map_or_else(no_store, |at| open_place(&at))
        }
        _ => no_store(),
    }
}

/// Opens the folder, or uses it with the process that has it open.
fn open_place(place: &Place) -> Result<Stores, Failure> {
    let path = place.folder();
    let (events, states, access): (Arc<dyn EventStore>, Arc<dyn StateStore>, _) = match place.open()
    {
        Ok((store, states)) => (store, states, Access::Owner(path.into())),
        Err(in_use @ OpenError::InUse { .. }) => match RemoteStore::connect(path) {
            Ok(remote) => {
                let remote = Arc::new(remote);
                let states = Arc::new(remote.states());
                (Arc::clone(&remote) as Arc<dyn EventStore>, states, Access::Guest(remote))
            }
            Err(ConnectError::NotShared(_)) => return Err(in_use.into()),
            Err(error) => return Err(error.into()),
        },
        Err(error) => return Err(error.into()),
    };
    let raw = Arc::new(SledRaw::open(path.join("raw"))?);
    let refused = Arc::new(RefusedFolder::new(path.join("refused")));
    Ok(Stores { events, raw, refused, states, access })
}

fn classifier(rules: Option<&Path>) -> Result<Classifier, Failure> {
    rules.map_or_else(|| Ok(Classifier::builtin()?), own_rules)
}

/// A user's own rules, and ours behind them.
pub(crate) fn own_rules(path: &Path) -> Result<Classifier, Failure> {
    let wrong = |error| Failure::data(format!("{}: {error}", path.display()));
    Classifier::with_own(&rules_text(path)?).map_err(wrong)
}

/// The text of a rules file.
pub(crate) fn rules_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::input(format!("{}: {error}", path.display())))
}

/// Ten bytes of the operating system's randomness.
pub(crate) fn random() -> Result<[u8; 10], Box<dyn std::error::Error + Send + Sync>> {
    let mut bytes = [0; 10];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// The folder `trail`: as what it is, if it is there.
fn default_store() -> String {
    if SledStore::is_in("trail") { "sled:trail".into() } else { "fjall:trail".into() }
}
