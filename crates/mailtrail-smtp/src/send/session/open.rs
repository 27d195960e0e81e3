//! Opening a connection: greeting, EHLO, encryption, login.

use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use mail_send::{Error, SmtpClient};
use mailtrail_core::event::Encryption;
use smtp_proto::{AUTH_LOGIN, AUTH_PLAIN, EXT_START_TLS, EhloResponse};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::rustls;

use super::super::relay::{Credentials, TalksTo};
use super::super::tls::{Authorities, Encrypter, Tls};
use super::Session;
use super::reader::Reader;
use super::wire::Stream;

/// How to talk to a server.
#[derive(Debug)]
pub(in crate::send) struct Terms {
    pub(in crate::send) tls: Tls,
    pub(in crate::send) authorities: Option<Authorities>,
    pub(in crate::send) credentials: Option<Credentials>,
    pub(in crate::send) talks_to: TalksTo,
    pub(in crate::send) helo: String,
    /// For the whole opening.
    pub(in crate::send) connect_timeout: Duration,
    /// For each reply.
    pub(in crate::send) timeout: Duration,
    /// Made once: reading the system's authorities takes its time.
    pub(in crate::send) encrypter: OnceLock<Result<Encrypter, String>>,
}

/// Why there is no connection to an address.
#[derive(Debug)]
pub(in crate::send) struct NotOpen {
    pub(in crate::send) address: Option<IpAddr>,
    pub(in crate::send) error: Error,
}

impl Terms {
    fn encrypter(&self) -> Result<&Encrypter, Error> {
        let made = self.encrypter.get_or_init(|| {
            Encrypter::new(self.tls, self.authorities.as_ref()).map_err(|error| error.to_string())
        });
        let why = |why: &String| Error::Tls(Box::new(rustls::Error::General(why.clone())));
        made.as_ref().map_err(why)
    }
}

impl Session {
    /// A connection to the first of these addresses of a host that serves us.
    pub(in crate::send) async fn open(
        host: &str,
        addresses: &[SocketAddr],
        terms: &Terms,
    ) -> Result<Self, NotOpen> {
        let mut last = NotOpen { address: None, error: Error::Io(unreachable_host()) };
        for address in addresses {
            match Self::open_one(host, *address, terms).await {
                Ok(session) => return Ok(session),
                Err(error) => last = NotOpen { address: Some(address.ip()), error },
            }
            // Another address of the same host knows the same passwords.
            if matches!(last.error, Error::AuthenticationFailed(_)) {
                break;
            }
        }
        Err(last)
    }

    /// The whole opening takes no longer than the terms allow.
    async fn open_one(host: &str, address: SocketAddr, terms: &Terms) -> Result<Self, Error> {
        let within = terms.connect_timeout;
        let first = tokio::time::timeout(within, greet(host, address, terms, terms.tls)).await;
        match first.map_err(|_| Error::Timeout)? {
            // It offers what it can't do. RFC 7435: any encryption is better than none, and none
            // better than no mail.
            Err(Error::Tls(_)) if terms.tls == Tls::Opportunistic => {
                let again = greet(host, address, terms, Tls::None);
                tokio::time::timeout(within, again).await.map_err(|_| Error::Timeout)?
            }
            opened => opened,
        }
    }
}

async fn greet(host: &str, address: SocketAddr, terms: &Terms, tls: Tls) -> Result<Session, Error> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut client = SmtpClient { stream, timeout: terms.timeout };
    if tls == Tls::Implicit {
        return encrypted(host, address, terms, client, true).await;
    }
    let capabilities = introduce(&mut client, terms, true).await?;
    if tls != Tls::None {
        match start_tls(&mut client, &capabilities).await {
            Ok(()) => return encrypted(host, address, terms, client, false).await,
            // RFC 3207 §4: it goes on in clear.
            Err(Error::MissingStartTls | Error::UnexpectedReply(_))
                if tls == Tls::Opportunistic => {}
            Err(Error::UnexpectedReply(reply)) => {
                let why = format!("it answered STARTTLS with {}", reply.code());
                return Err(Error::Tls(Box::new(rustls::Error::General(why))));
            }
            Err(error) => return Err(error),
        }
    }
    if terms.tls != Tls::None && terms.credentials.is_some() {
        // Whoever took STARTTLS away would read the password.
        return Err(Error::UnsupportedAuthMechanism);
    }
    log_in(&mut client, terms, &capabilities).await?;
    Ok(session(host, address, terms, Stream::Plain(client.stream), capabilities, None))
}

async fn start_tls(
    client: &mut SmtpClient<TcpStream>,
    capabilities: &EhloResponse<String>,
) -> Result<(), Error> {
    if !capabilities.has_capability(EXT_START_TLS) {
        return Err(Error::MissingStartTls);
    }
    let reply = client.cmd(b"STARTTLS\r\n").await?;
    if reply.code() == READY { Ok(()) } else { Err(Error::UnexpectedReply(reply)) }
}

async fn encrypted(
    host: &str,
    address: SocketAddr,
    terms: &Terms,
    client: SmtpClient<TcpStream>,
    greets: bool,
) -> Result<Session, Error> {
    let encrypter = terms.encrypter()?;
    let mut client = client.into_tls(encrypter.connector(), host).await.map_err(no_handshake)?;
    let tls = encrypter.describe(client.tls_connection(), host);
    let capabilities = introduce(&mut client, terms, greets).await?;
    log_in(&mut client, terms, &capabilities).await?;
    let stream = Stream::Encrypted(Box::new(client.stream));
    Ok(session(host, address, terms, stream, capabilities, Some(tls)))
}

fn session(
    host: &str,
    address: SocketAddr,
    terms: &Terms,
    stream: Stream,
    capabilities: EhloResponse<String>,
    tls: Option<Encryption>,
) -> Session {
    Session {
        stream,
        reader: Reader::default(),
        capabilities,
        host: host.into(),
        address: address.ip(),
        tls,
        talks_to: terms.talks_to,
        timeout: terms.timeout,
        in_transaction: false,
        used: false,
        ended: false,
    }
}

/// Hears who the server is, and says who we are: by HELO where it doesn't know EHLO (RFC 5321 §3.2).
async fn introduce<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut SmtpClient<S>,
    terms: &Terms,
    greets: bool,
) -> Result<EhloResponse<String>, Error> {
    if greets {
        let greeting = client.read().await?;
        if greeting.code() != READY {
            return Err(Error::UnexpectedReply(greeting));
        }
    }
    match client.ehlo(&terms.helo).await {
        Err(Error::UnexpectedReply(reply)) if matches!(reply.code(), 500 | 502) => {
            let reply = client.cmd(format!("HELO {}\r\n", terms.helo)).await?;
            if reply.code() != 250 {
                return Err(Error::UnexpectedReply(reply));
            }
            Ok(EhloResponse::new(String::new()))
        }
        capabilities => capabilities,
    }
}

async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut SmtpClient<S>,
    terms: &Terms,
    capabilities: &EhloResponse<String>,
) -> Result<(), Error> {
    let Some(Credentials { username, password }) = &terms.credentials else { return Ok(()) };
    let mut capabilities = capabilities.clone();
    // The client would begin with others that it can't go on with.
    capabilities.auth_mechanisms &= AUTH_PLAIN | AUTH_LOGIN;
    let credentials = mail_send::Credentials::new(username.as_str(), password.as_str());
    client.authenticate(&credentials, &capabilities).await.map(drop)
}

/// Who ends the connection there can't, or won't, encrypt.
fn no_handshake(error: Error) -> Error {
    match error {
        Error::Io(error) => Error::Tls(Box::new(rustls::Error::General(error.to_string()))),
        error => error,
    }
}

fn unreachable_host() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::NotFound, "the host has no address")
}

/// The service is ready (RFC 5321 §4.2.3, RFC 3207 §4).
const READY: u16 = 220;
