//! Fetching by HTTPS what a provider's request names.

use std::sync::Arc;
use std::time::Duration;

use mailtrail::webhook::fetch::{Fetch, FetchError};
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

/// Fetches by the system's roots of trust: no redirect, ten seconds, 64 KiB.
pub(crate) struct Https {
    agent: Agent,
}

impl Https {
    pub(crate) fn new() -> Self {
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let config = Agent::config_builder()
            .https_only(true)
            .max_redirects(0)
            .timeout_global(Some(TIMEOUT))
            .tls_config(tls)
            .build();
        Self { agent: config.into() }
    }
}

#[async_trait::async_trait]
impl Fetch for Https {
    async fn get(&self, url: &str) -> Result<String, FetchError> {
        let (agent, wanted) = (self.agent.clone(), url.to_owned());
        let fetching = tokio::task::spawn_blocking(move || {
            let response = agent.get(&wanted).call()?;
            if response.status() != 200 {
                return Err(ureq::Error::StatusCode(response.status().as_u16()));
            }
            response.into_body().with_config().limit(MOST_BYTES).read_to_string()
        });
        let fetched = fetching.await.map_err(|error| FetchError::new(url, error))?;
        fetched.map_err(|error| FetchError::new(url, error))
    }
}

const TIMEOUT: Duration = Duration::from_secs(10);
const MOST_BYTES: u64 = 65_536;
