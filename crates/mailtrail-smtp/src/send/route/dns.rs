//! The system's name servers, asked by hickory.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RData;
use mailtrail_core::store::BoxError;

use super::resolver::{Mx, ResolveError, Resolver};

/// Asks name servers, and keeps their answers as long as they are good for.
///
/// ```no_run
/// use mailtrail_smtp::send::{Direct, Dns, Route};
/// let direct = Direct::new(Dns::system()?, "mail.school.example");
/// let route = Route::direct(direct);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Debug)]
pub struct Dns(TokioResolver);

impl Dns {
    /// The name servers that the system is configured to use.
    ///
    /// # Errors
    /// If that can't be read.
    pub fn system() -> Result<Self, BoxError> {
        let mut builder = TokioResolver::builder_tokio()?;
        settle(builder.options_mut());
        Ok(Self(builder.build()?))
    }

    /// These name servers, and no others, each asked again when it gives no answer for so long.
    ///
    /// # Errors
    /// If no resolver can be made of them.
    pub fn servers(
        servers: impl IntoIterator<Item = SocketAddr>,
        patience: Duration,
    ) -> Result<Self, BoxError> {
        let servers = servers.into_iter().map(|address| {
            let mut ways = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            for way in &mut ways {
                way.port = address.port();
            }
            NameServerConfig::new(address.ip(), true, ways.into())
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        builder.options_mut().timeout = patience;
        settle(builder.options_mut());
        Ok(Self(builder.build()?))
    }
}

fn settle(options: &mut ResolverOpts) {
    options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
    // A name in an address is whole: the search list of this machine has nothing to add to it.
    options.ndots = 0;
}

#[async_trait]
impl Resolver for Dns {
    async fn mx(&self, domain: &str) -> Result<Vec<Mx>, ResolveError> {
        let lookup = match self.0.mx_lookup(whole(domain)).await {
            Ok(lookup) => lookup,
            Err(error) => return nothing(error),
        };
        let found = lookup.answers().iter().filter_map(|record| match &record.data {
            RData::MX(mx) => Some(Mx::new(mx.preference, &mx.exchange.to_ascii())),
            _ => None,
        });
        Ok(found.collect())
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        match self.0.lookup_ip(whole(host)).await {
            Ok(found) => Ok(found.iter().collect()),
            Err(error) => nothing(error),
        }
    }
}

/// That there is nothing of the kind is an answer, too.
fn nothing<T>(error: NetError) -> Result<Vec<T>, ResolveError> {
    match &error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => Err(ResolveError::NoSuchName),
            ResponseCode::NoError => Ok(Vec::new()),
            _ => Err(ResolveError::Failed(error.into())),
        },
        _ => Err(ResolveError::Failed(error.into())),
    }
}

fn whole(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}
