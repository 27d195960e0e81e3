//! Which way a broadcast goes, and how often it is tried.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use mailtrail::smtp::send::{
    Authorities, Credentials, Direct, Dns, Limits, Relay, Route, Schedule, Schedules, TalksTo, Tls,
};

use crate::failure::Failure;

/// Which way it goes.
#[derive(Debug, Args)]
pub(super) struct Way {
    /// The mail server. Given several times: those that serve when the ones before them don't.
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "direct")]
    relay: Vec<String>,
    /// To the recipients' own servers, without a mail server of ours.
    #[arg(long, conflicts_with_all = ["relay", "user", "mx"])]
    direct: bool,
    /// What we call ourselves: with --direct our host's name.
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    helo: String,
    /// With --direct: the name servers that are asked instead of the system's.
    #[arg(long, value_name = "IP:PORT", requires = "direct")]
    name_server: Vec<SocketAddr>,
    /// With --direct: where the recipients' servers listen.
    #[arg(long, value_name = "PORT", default_value_t = 25, hide = true)]
    mx_port: u16,
    /// How connections are encrypted: none by default, with --direct opportunistic.
    #[arg(long, value_enum)]
    tls: Option<TlsMode>,
    /// With --direct: how those to a domain are.
    #[arg(long, value_name = "DOMAIN=MODE", requires = "direct")]
    tls_for: Vec<For<TlsMode>>,
    /// The authorities whose certificates are believed instead of the system's (PEM).
    #[arg(long, value_name = "FILE")]
    tls_authority: Option<PathBuf>,
    /// The user name for the mail server; its password is read from `MAILTRAIL_RELAY_PASSWORD`.
    #[arg(long)]
    user: Option<String>,
    #[arg(long, env = "MAILTRAIL_RELAY_PASSWORD", hide = true, hide_env_values = true)]
    password: Option<String>,
    /// The server is the recipients' own: its 250 means Delivered.
    #[arg(long)]
    mx: bool,
    /// The waits between attempts: a list, or how they grow, such as first=1m,factor=2,most=4h,until=2d,jitter=20%.
    #[arg(long, value_name = "WAITS", default_value = "1m,5m,30m,jitter=10%")]
    retry: Schedule,
    /// Those for addresses of a domain.
    #[arg(long, value_name = "DOMAIN=WAITS")]
    retry_for: Vec<For<Schedule>>,
    /// Connections at once, in all.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().connections)]
    connections: usize,
    /// Connections at once to one server, or with --direct to the servers of one domain.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().per_next_hop)]
    connections_each: usize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TlsMode {
    /// In clear.
    None,
    /// After STARTTLS where it works, else in clear.
    Opportunistic,
    /// After STARTTLS, whoever is at the other end.
    Encrypted,
    /// After STARTTLS, with a certificate for the host.
    Starttls,
    /// From the first byte, with a certificate for the host.
    Implicit,
}

/// What holds for a domain.
#[derive(Debug, Clone)]
struct For<T> {
    domain: String,
    value: T,
}

impl Way {
    pub(super) fn route(&self) -> Result<Route, Failure> {
        if self.direct {
            return self.direct().map(Route::direct);
        }
        let relays: Result<Vec<_>, _> = self.relay.iter().map(|text| self.relay(text)).collect();
        Ok(Route::relays(relays?))
    }

    pub(super) fn schedules(&self) -> Schedules {
        let all = Schedules::from(self.retry.clone());
        self.retry_for.iter().fold(all, |all, some| all.domain(&some.domain, some.value.clone()))
    }

    pub(super) fn limits(&self) -> Limits {
        Limits::default().connections(self.connections).per_next_hop(self.connections_each)
    }

    fn direct(&self) -> Result<Direct, Failure> {
        let dns = if self.name_server.is_empty() {
            Dns::system()
        } else {
            Dns::servers(self.name_server.iter().copied(), NAME_SERVER_PATIENCE)
        };
        let mut direct = Direct::new(dns.map_err(Failure::other)?, &*self.helo).port(self.mx_port);
        if let Some(mode) = self.tls {
            direct = direct.tls(mode.into());
        }
        for some in &self.tls_for {
            direct = direct.tls_of(&some.domain, some.value.into());
        }
        Ok(match self.authorities()? {
            Some(authorities) => direct.authorities(authorities),
            None => direct,
        })
    }

    fn relay(&self, text: &str) -> Result<Relay, Failure> {
        let tls = self.tls.map_or(Tls::None, Into::into);
        let mut relay = relay(text)?.tls(tls).helo(&*self.helo);
        if self.mx {
            relay = relay.talks_to(TalksTo::Mx);
        }
        if let Some(authorities) = self.authorities()? {
            relay = relay.authorities(authorities);
        }
        if let Some(user) = &self.user {
            let password = self.password.as_deref();
            let password = password
                .ok_or_else(|| Failure::data("no password: set MAILTRAIL_RELAY_PASSWORD"))?;
            relay = relay.credentials(Credentials::new(user.as_str(), password));
        }
        Ok(relay)
    }

    fn authorities(&self) -> Result<Option<Authorities>, Failure> {
        let Some(file) = &self.tls_authority else { return Ok(None) };
        let pem = std::fs::read(file).map_err(Failure::input)?;
        Ok(Some(Authorities::from_pem(&pem)?))
    }
}

/// Reads `HOST:PORT`.
pub(crate) fn relay(text: &str) -> Result<Relay, Failure> {
    let (host, port) =
        text.rsplit_once(':').ok_or_else(|| Failure::data("write the relay as HOST:PORT"))?;
    let port = port.parse().map_err(|_| Failure::data("write the relay as HOST:PORT"))?;
    Ok(Relay::new(host.trim_matches(['[', ']']), port))
}

impl From<TlsMode> for Tls {
    fn from(mode: TlsMode) -> Self {
        match mode {
            TlsMode::None => Self::None,
            TlsMode::Opportunistic => Self::Opportunistic,
            TlsMode::Encrypted => Self::Encrypted,
            TlsMode::Starttls => Self::StartTls,
            TlsMode::Implicit => Self::Implicit,
        }
    }
}

impl FromStr for TlsMode {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        ValueEnum::from_str(text, true)
    }
}

impl<T: FromStr> FromStr for For<T>
where
    T::Err: std::fmt::Display,
{
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (domain, value) = text.split_once('=').ok_or("write DOMAIN=VALUE")?;
        let value = value.parse().map_err(|error: T::Err| error.to_string())?;
        Ok(Self { domain: domain.trim().to_ascii_lowercase(), value })
    }
}

/// How long an answer may take before it is asked for again: that of the system's resolvers.
const NAME_SERVER_PATIENCE: Duration = Duration::from_secs(5);
