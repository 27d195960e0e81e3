//! Accounts at providers, as a configuration or a command line describes them.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use mailtrail::core::id::Endpoint;
use mailtrail::webhook::provider::{Access, Account, Mapping};
use mailtrail::webhook::{Headers, Secret};
use serde::Deserialize;

use crate::failure::Failure;
use crate::secret::SecretText;

/// One account at a provider.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Webhook {
    /// What the account is called here, for ever.
    pub(crate) endpoint: String,
    /// The provider's name, or the file that describes it.
    pub(crate) provider: String,
    pub(crate) basic_auth: Vec<SecretText>,
    pub(crate) signing_key: Vec<SecretText>,
    pub(crate) public_url: Option<String>,
    /// Secrets in a header field: `Name: secret`.
    pub(crate) header: Vec<SecretText>,
    /// Secrets in the URL's query: `name=secret`.
    pub(crate) query: Vec<SecretText>,
    /// Topics of Amazon SNS, by their ARNs.
    pub(crate) topic: Vec<String>,
    /// Addresses that requests may come from.
    pub(crate) peer: Vec<IpAddr>,
    /// Seconds by which the time of a signature may differ from ours, instead of the provider's own.
    pub(crate) tolerance: Option<u32>,
    /// Refuses what Amazon SNS signs over SHA-1.
    pub(crate) require_sha256: bool,
    /// Files with certificates of Amazon SNS; without them they are fetched.
    pub(crate) certificate: Vec<PathBuf>,
}

impl Webhook {
    /// An account that is called like its provider, with nothing to verify with.
    pub(crate) fn of(provider: &str) -> Self {
        let stem = Path::new(provider).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let endpoint =
            if is_file(provider) { stem.unwrap_or_default() } else { provider.to_owned() };
        Self { endpoint, provider: provider.to_owned(), ..Self::default() }
    }

    /// The account.
    pub(crate) fn account(&self) -> Result<Account, Failure> {
        let endpoint = Endpoint::new(self.endpoint.as_str()).map_err(Failure::data)?;
        let mut access = Access::new();
        for credential in &self.basic_auth {
            let credential = credential.read()?;
            let (user, password) = credential
                .split_once(':')
                .ok_or_else(|| Failure::data("write basic_auth as user:password"))?;
            access = access.credential(Secret::basic(user, password));
        }
        for header in &self.header {
            let header = header.read()?;
            let (name, secret) = header
                .split_once(':')
                .ok_or_else(|| Failure::data("write header as Name: secret"))?;
            access = access.header(name.trim(), Secret::new(secret.trim()));
        }
        for query in &self.query {
            let query = query.read()?;
            let (name, secret) =
                query.split_once('=').ok_or_else(|| Failure::data("write query as name=secret"))?;
            access = access.query(name, Secret::new(secret));
        }
        for peer in &self.peer {
            access = access.peer(*peer);
        }
        let mut account = if is_file(&self.provider) {
            Account::of(endpoint, mapping(Path::new(&self.provider))?, access)
        } else {
            Account::new(endpoint, &self.provider, access).map_err(Failure::data)?
        };
        for key in &self.signing_key {
            account = account.signing_key(&key.read()?).map_err(Failure::data)?;
        }
        if let Some(url) = &self.public_url {
            account = account.public_url(url);
        }
        if let Some(seconds) = self.tolerance {
            account = account.tolerance(TimeDelta::seconds(seconds.into()));
        }
        if self.require_sha256 {
            account = account.require_sha256();
        }
        for topic in &self.topic {
            account = account.topic(topic);
        }
        for file in &self.certificate {
            let pem = fs::read_to_string(file).map_err(Failure::input)?;
            account = account.certificate(&pem).map_err(Failure::data)?;
        }
        Ok(account)
    }

    /// Whether there is anything to verify with.
    pub(crate) fn verifies(&self) -> bool {
        let secrets = [&self.basic_auth, &self.signing_key, &self.header, &self.query];
        secrets.iter().any(|secrets| !secrets.is_empty())
            || !self.topic.is_empty()
            || !self.peer.is_empty()
    }
}

/// A name of a provider has neither dots nor slashes.
fn is_file(provider: &str) -> bool {
    provider.contains(['.', '/'])
}

/// The mapping that a file describes.
pub(crate) fn mapping(file: &Path) -> Result<Mapping, Failure> {
    let of_file =
        |error: &dyn std::fmt::Display| Failure::data(format!("{}: {error}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| of_file(&error))?;
    Mapping::from_toml(&text).map_err(|error| of_file(&error))
}

/// The header fields of a file: one a line, `Name: value`.
pub(crate) fn headers(file: Option<&PathBuf>) -> Result<Headers, Failure> {
    let Some(file) = file else { return Ok(Headers::new()) };
    let text = fs::read_to_string(file).map_err(Failure::input)?;
    let mut headers = Headers::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(|| {
            Failure::data(format!("{}: {line:?} is no `Name: value`", file.display()))
        })?;
        headers = headers.with(name.trim(), value.trim());
    }
    Ok(headers)
}
