//! Messages by HTTP, to public addresses only.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mailtrail_core::clock::Clock;
use mailtrail_webhook::outbound::{Answer, Failed, Guard, Message, Signer, Target};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};

use super::authorities::Authorities;
use super::poster::Poster;

/// Posts signed messages to a URL.
///
/// # Guarantees
/// - It connects to no address that its [`Guard`] refuses: the addresses that are asked are those that are connected
///   to, so that a name which means another one the second time gets nowhere. No proxy is used, whatever the
///   environment says, and no redirect is followed.
/// - An attempt takes at most its [timeout](Self::timeout); of an answer at most 16 KiB are read.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use mailtrail::outbound::{HttpPoster, Subscriber};
/// use mailtrail::webhook::outbound::{Guard, Signer, Target};
/// # fn clock() -> chrono::DateTime<chrono::Utc> { chrono::DateTime::UNIX_EPOCH }
/// let target = Target::parse("https://crm.school.example/hooks")?;
/// let signer = Signer::new(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])?;
/// let crm = Subscriber::new("crm", HttpPoster::new(target, signer, Guard::default(), Arc::new(clock)))?;
/// # let _ = crm;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct HttpPoster {
    target: Target,
    signer: Signer,
    guard: Guard,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    agent: Agent,
}

impl HttpPoster {
    /// Posts to this target, with these signatures. TLS is proved by the system's roots of trust.
    pub fn new(target: Target, signer: Signer, guard: Guard, clock: Arc<dyn Clock>) -> Self {
        let agent = agent(guard.clone(), RootCerts::PlatformVerifier);
        Self { target, signer, guard, clock, timeout: TIMEOUT, agent }
    }

    /// TLS is proved by these, too.
    pub fn trust(self, authorities: &Authorities) -> Self {
        let agent = agent(self.guard.clone(), authorities.roots());
        Self { agent, ..self }
    }

    /// How long an attempt may take, from the look-up of the name to the end of the answer: 15 seconds unless set.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }
}

fn agent(guard: Guard, roots: RootCerts) -> Agent {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls =
        TlsConfig::builder().root_certs(roots).unversioned_rustls_crypto_provider(provider).build();
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        // By a proxy we would not know what is connected to.
        .proxy(None)
        .user_agent(USER_AGENT)
        .tls_config(tls)
        .build();
    let resolver = Guarded { guard, resolver: DefaultResolver::default() };
    Agent::with_parts(config, DefaultConnector::default(), resolver)
}

#[async_trait]
impl Poster for HttpPoster {
    async fn post(&self, message: &Message) -> Result<Answer, Failed> {
        let now = self.clock.now().timestamp();
        let headers = self.signer.headers(message.id.as_str(), now, &message.body);
        let (agent, url) = (self.agent.clone(), self.target.as_str().to_owned());
        let (body, timeout) = (message.body.clone(), self.timeout);
        let posting =
            tokio::task::spawn_blocking(move || post(&agent, &url, headers, &body, timeout));
        let answer = posting.await.map_err(|_| Failed::Unreachable("it was given up".into()))?;
        answer.map_err(|error| failed(&error))
    }
}

impl fmt::Debug for HttpPoster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpPoster").field("target", &self.target).finish_non_exhaustive()
    }
}

fn post(
    agent: &Agent,
    url: &str,
    headers: [(&'static str, String); 3],
    body: &Bytes,
    timeout: Duration,
) -> Result<Answer, Error> {
    let mut request = agent.post(url).content_type("application/json");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let mut response = request.config().timeout_global(Some(timeout)).build().send(&body[..])?;
    let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let answer = Answer::status(response.status().as_u16()).retry_after(retry_after);
    // Nobody reads it. But a connection whose answer was read to its end serves the next message.
    response.body_mut().with_config().limit(MOST_BYTES).read_to_vec().ok();
    Ok(answer)
}

fn failed(error: &Error) -> Failed {
    match error {
        Error::Io(cause) if is_refusal(cause) => Failed::Refused,
        Error::BadUri(_) => Failed::Unreachable("the URL is not understood".into()),
        // Their own text names the host at most.
        error => Failed::Unreachable(error.to_string().into()),
    }
}

fn is_refusal(cause: &io::Error) -> bool {
    cause.get_ref().and_then(|inner| inner.downcast_ref::<NotPermitted>()).is_some()
}

/// Looks names up, and forgets the addresses that must not be reached.
#[derive(Debug)]
struct Guarded {
    guard: Guard,
    resolver: DefaultResolver,
}

impl Resolver for Guarded {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let found = self.resolver.resolve(uri, config, timeout)?;
        let mut permitted = self.empty();
        for address in found.iter().filter(|address| self.guard.permits(address.ip())) {
            permitted.push(*address);
        }
        if permitted.is_empty() {
            return Err(Error::Io(io::Error::new(io::ErrorKind::PermissionDenied, NotPermitted)));
        }
        Ok(permitted)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("its address is private, and not allowed")]
struct NotPermitted;

const TIMEOUT: Duration = Duration::from_secs(15);
const MOST_BYTES: u64 = 16_384;
const USER_AGENT: &str = concat!("mailtrail/", env!("CARGO_PKG_VERSION"));
