//! Where the store and the keys are: by option, environment or configuration file, in this order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use mailtrail::Tracker;
use mailtrail::classify::Classifier;
use mailtrail::core::EventStore;
use mailtrail::core::store::RawStore;
use mailtrail::core::token::Keys;
use mailtrail::memory::{MemoryRaw, MemoryStore};
use mailtrail::sled::{SledRaw, SledStore};
use serde::Deserialize;

use crate::failure::Failure;

/// What every command needs to know.
#[derive(Debug, Clone, Args)]
pub(crate) struct Setup {
    /// The store: `sled:FOLDER`, a folder that is there already, or `memory:`, which is gone with the
    /// process.
    #[arg(long, global = true, env = "MAILTRAIL_STORE", value_name = "STORE")]
    store: Option<String>,
    /// The keys file; made on first use.
    #[arg(long, global = true, env = "MAILTRAIL_KEYS", value_name = "FILE")]
    keys: Option<PathBuf>,
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
    pub(crate) return_path_domain: Option<String>,
    pub(crate) tracking_url: Option<String>,
    pub(crate) webhook: Vec<Webhook>,
}

/// One account at a provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Webhook {
    pub(crate) endpoint: String,
    pub(crate) provider: String,
    #[serde(default)]
    pub(crate) basic_auth: Vec<String>,
    #[serde(default)]
    pub(crate) public_key: Vec<String>,
}

/// A store that is open, with what belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) tracker: Tracker,
    pub(crate) raw: Arc<dyn RawStore>,
    pub(crate) keys: Keys,
}

impl Setup {
    /// A setup of these places.
    pub(crate) fn of(store: String, keys: PathBuf, json: bool) -> Self {
        Self { store: Some(store), keys: Some(keys), config: PathBuf::new(), json }
    }

    /// Reads the configuration file; one that isn't there says nothing.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        match std::fs::read_to_string(&self.config) {
            Ok(text) => toml::from_str(&text).map_err(|error| {
                Failure::data(format!(
                    "{} is not valid: {}",
                    self.config.display(),
                    error.message()
                ))
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

    /// Opens the store and the keys.
    pub(crate) fn open(&self) -> Result<Opened, Failure> {
        let config = self.config()?;
        let spec = self.store.clone().or(config.store).unwrap_or_else(|| DEFAULT_STORE.into());
        let (store, raw, beside) = open_store(&spec)?;
        let keys = self.keys.clone().or(config.keys).unwrap_or(beside);
        let keys = mailtrail::keys_file(keys)?;
        Ok(Opened { tracker: Tracker::shared(store).open(), raw, keys })
    }
}

type Stores = (Arc<dyn EventStore>, Arc<dyn RawStore>, PathBuf);

fn open_store(spec: &str) -> Result<Stores, Failure> {
    let keys = PathBuf::from("keys.toml");
    match spec.split_once(':') {
        Some(("memory", "")) => {
            Ok((Arc::new(MemoryStore::new()), Arc::new(MemoryRaw::default()), keys))
        }
        Some(("sled", path)) if !path.is_empty() => open_sled(Path::new(path), keys),
        // A folder says itself what it is.
        _ if Path::new(spec).is_dir() => open_sled(Path::new(spec), keys),
        _ => Err(Failure::data(format!("{spec} is no store: write sled:FOLDER or memory:"))),
    }
}

fn open_sled(path: &Path, keys: PathBuf) -> Result<Stores, Failure> {
    let store = SledStore::open(path)?;
    let raw = SledRaw::open(path.join("raw"))?;
    Ok((Arc::new(store), Arc::new(raw), keys))
}

/// The rules that read replies and bounces.
pub(crate) fn classifier() -> Result<Classifier, Failure> {
    Ok(Classifier::builtin()?)
}

/// Ten bytes of the operating system's randomness.
pub(crate) fn random() -> Result<[u8; 10], Box<dyn std::error::Error + Send + Sync>> {
    let mut bytes = [0; 10];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

const DEFAULT_STORE: &str = "sled:trail";
