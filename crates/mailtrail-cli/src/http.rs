//! How `serve` is reached: by option, environment or configuration file, in this order.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use mailtrail::serve::{Limits, Networks, Tls, TrustedProxies};
use serde::Deserialize;

use crate::failure::Failure;

/// `[http]` in the configuration, and the options of the same names.
#[derive(Debug, Clone, Default, Deserialize, Args)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Http {
    /// Where webhooks and the pixel are served: 127.0.0.1:8025 unless set.
    #[arg(long = "http", id = "http", env = "MAILTRAIL_HTTP", value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// The proxies in front whose X-Forwarded-For is believed: addresses and networks, with commas.
    #[arg(long, env = "MAILTRAIL_TRUSTED_PROXIES", value_name = "NETWORKS")]
    trusted_proxies: Option<String>,
    /// The certificate with its chain, in PEM: then only TLS is spoken.
    #[arg(long, env = "MAILTRAIL_TLS_CERTIFICATE", value_name = "FILE")]
    tls_certificate: Option<PathBuf>,
    /// Its key, in PEM.
    #[arg(long, env = "MAILTRAIL_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// How many requests are worked on at once: 1024 unless set.
    #[arg(long, env = "MAILTRAIL_MOST_REQUESTS", value_name = "NUMBER")]
    most_requests: Option<usize>,
    /// Who else than this host may see /metrics: addresses and networks, with commas.
    #[arg(long, env = "MAILTRAIL_METRICS_FOR", value_name = "NETWORKS")]
    metrics_for: Option<String>,
}

/// The same, valid.
#[derive(Debug, Clone)]
pub(crate) struct HttpSettings {
    pub(crate) listen: SocketAddr,
    pub(crate) proxies: TrustedProxies,
    pub(crate) limits: Limits,
    pub(crate) tls: Option<Tls>,
    pub(crate) metrics_for: Networks,
}

impl Http {
    /// What is set here, else what is set there.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            listen: self.listen.or(other.listen),
            trusted_proxies: self.trusted_proxies.or(other.trusted_proxies),
            tls_certificate: self.tls_certificate.or(other.tls_certificate),
            tls_key: self.tls_key.or(other.tls_key),
            most_requests: self.most_requests.or(other.most_requests),
            metrics_for: self.metrics_for.or(other.metrics_for),
        }
    }

    /// Checks it, and reads the files that it names.
    pub(crate) fn settings(&self) -> Result<HttpSettings, Failure> {
        let networks = |name: &str, text: &Option<String>| {
            let parsed = text.as_deref().unwrap_or_default().parse::<Networks>();
            parsed.map_err(|error| Failure::data(format!("{name}: {error}")))
        };
        let tls = match (&self.tls_certificate, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                Some(Tls::from_files(certificate, key).map_err(Failure::data)?)
            }
            (None, None) => None,
            _ => {
                return Err(Failure::data(
                    "give both tls_certificate and tls_key, or neither where a proxy speaks TLS",
                ));
            }
        };
        let limits = Limits::default();
        Ok(HttpSettings {
            listen: self.listen.unwrap_or(([127, 0, 0, 1], 8025).into()),
            proxies: networks("trusted_proxies", &self.trusted_proxies)?.into(),
            limits: limits.requests(self.most_requests.unwrap_or(limits.requests)),
            tls,
            metrics_for: networks("metrics_for", &self.metrics_for)?,
        })
    }
}

impl HttpSettings {
    /// On any port of this host, for nobody else.
    pub(crate) fn loopback() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 0).into(),
            proxies: TrustedProxies::default(),
            limits: Limits::default(),
            tls: None,
            metrics_for: Networks::none(),
        }
    }

    /// What URLs begin with.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}
