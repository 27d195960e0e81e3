//! One connection to the server, and what it answers to each step.

use mail_send::{SmtpClient, SmtpClientBuilder};
use mailtrail_core::diagnosis::{EnhancedCode, ReplyCode};
use mailtrail_core::store::BoxError;
use smtp_proto::{AUTH_LOGIN, AUTH_PLAIN, EXT_DSN, EXT_SMTP_UTF8, EhloResponse, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::error::{SendError, no_answer, not_connected};
use super::facts::Reply;
use super::relay::{Credentials, Relay};
use super::tls::{Tls, connector};

/// What became of a message.
#[derive(Debug)]
pub(super) enum Transmitted {
    /// The server took it.
    Taken(Reply),
    /// The server refused it.
    Refused(Reply),
    /// The address needs what the server doesn't offer (RFC 6531).
    NeedsUtf8,
    /// The connection broke before the message was handed over whole: it was not taken.
    Broken(BoxError),
    /// The connection had ended before, and there is no new one: it was not taken.
    ShutOut(SendError),
    /// The connection broke after that: nobody knows.
    Unanswered,
}

/// What is to be handed over.
#[derive(Debug)]
pub(super) struct Transmission<'a> {
    pub(super) mail_from: &'a str,
    pub(super) recipient: &'a str,
    pub(super) envelope_id: String,
    pub(super) message: &'a [u8],
}

/// An open connection.
pub(super) struct Connection {
    client: Client,
    capabilities: EhloResponse<String>,
    /// The server needs a RSET before the next message.
    in_transaction: bool,
    /// It has served a message: the server may have ended it since, by its own idle time.
    used: bool,
}

enum Client {
    Plain(SmtpClient<TcpStream>),
    Encrypted(Box<SmtpClient<TlsStream<TcpStream>>>),
}

impl Connection {
    /// The whole opening takes no longer than one reply may.
    pub(super) async fn open(relay: &Relay) -> Result<Self, SendError> {
        let connector = connector(relay.tls, relay.authorities.as_ref());
        let builder = SmtpClientBuilder::new_with_tls_connector(
            relay.host.clone(),
            relay.port,
            connector.map_err(SendError::Untrusted)?,
        )
        .implicit_tls(relay.tls == Tls::Implicit)
        .helo_host(relay.helo.clone())
        .timeout(relay.timeout)
        // What it can do is asked below, once: the builder would keep the answer to itself.
        .say_ehlo(false);
        let opened = tokio::time::timeout(relay.timeout, Self::greet(&builder, relay)).await;
        opened.map_err(|_| no_answer())?.map_err(not_connected)
    }

    async fn greet(builder: &SmtpClientBuilder<String>, relay: &Relay) -> mail_send::Result<Self> {
        let (client, capabilities) = match relay.tls {
            Tls::None => {
                let mut client = builder.connect_plain().await?;
                let capabilities = introduce(&mut client, relay).await?;
                (Client::Plain(client), capabilities)
            }
            Tls::StartTls | Tls::Implicit => {
                let mut client = builder.connect().await?;
                let capabilities = introduce(&mut client, relay).await?;
                (Client::Encrypted(Box::new(client)), capabilities)
            }
        };
        Ok(Self { client, capabilities, in_transaction: false, used: false })
    }

    /// Whether the server takes internationalised addresses.
    pub(super) fn takes_utf8(&self) -> bool {
        self.capabilities.has_capability(EXT_SMTP_UTF8)
    }

    pub(super) async fn transmit(&mut self, what: &Transmission<'_>) -> Transmitted {
        let outcome = self.hand_over(what).await;
        self.used = true;
        outcome.unwrap_or_else(Transmitted::Broken)
    }

    /// Whether it has served a message before.
    pub(super) fn is_used(&self) -> bool {
        self.used
    }

    /// Says goodbye; a server that doesn't listen any more makes no difference.
    pub(super) async fn close(mut self) {
        self.command("QUIT\r\n".into()).await.ok();
    }

    async fn hand_over(&mut self, what: &Transmission<'_>) -> Result<Transmitted, BoxError> {
        if self.in_transaction {
            self.command("RSET\r\n".into()).await?;
        }
        self.in_transaction = true;
        let used = self.used;
        let dsn = self.capabilities.has_capability(EXT_DSN);
        for command in [mail(what, dsn), rcpt(what, dsn)] {
            let reply = self.command(command).await?;
            if used && reply.code.get() == CLOSING {
                return Err(ENDED.into());
            }
            if !reply.code.is_positive() {
                return Ok(Transmitted::Refused(reply));
            }
        }
        let ready = self.raw("DATA\r\n".as_bytes()).await?;
        if used && ready.code() == CLOSING {
            return Err(ENDED.into());
        }
        if ready.code() != 354 {
            return Ok(Transmitted::Refused(reply(ready)?));
        }
        let answer = self.raw(&stuffed(what.message)).await.and_then(reply);
        self.in_transaction = false;
        Ok(match answer {
            Ok(reply) if reply.code.is_positive() => Transmitted::Taken(reply),
            Ok(reply) => Transmitted::Refused(reply),
            Err(_) => Transmitted::Unanswered,
        })
    }

    async fn command(&mut self, command: String) -> Result<Reply, BoxError> {
        reply(self.raw(command.as_bytes()).await?)
    }

    async fn raw(&mut self, bytes: &[u8]) -> Result<Response<String>, BoxError> {
        Ok(match &mut self.client {
            Client::Plain(client) => client.cmd(bytes).await?,
            Client::Encrypted(client) => client.cmd(bytes).await?,
        })
    }
}

/// Says who we are, and logs in.
async fn introduce<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut SmtpClient<S>,
    relay: &Relay,
) -> mail_send::Result<EhloResponse<String>> {
    let mut capabilities = client.ehlo(&relay.helo).await?;
    if let Some(Credentials { username, password }) = &relay.credentials {
        // The client would begin with others that it can't go on with.
        capabilities.auth_mechanisms &= AUTH_PLAIN | AUTH_LOGIN;
        let credentials = mail_send::Credentials::new(username.as_str(), password.as_str());
        client.authenticate(&credentials, &capabilities).await?;
    }
    Ok(capabilities)
}

fn mail(what: &Transmission<'_>, dsn: bool) -> String {
    let report = if dsn { format!(" RET=HDRS ENVID={}", what.envelope_id) } else { String::new() };
    let utf8 = if what.recipient.is_ascii() { "" } else { " SMTPUTF8" };
    format!("MAIL FROM:<{}>{report}{utf8}\r\n", what.mail_from)
}

fn rcpt(what: &Transmission<'_>, dsn: bool) -> String {
    let report = if dsn {
        let kind = if what.recipient.is_ascii() { "rfc822" } else { "utf-8" };
        format!(" NOTIFY=SUCCESS,FAILURE,DELAY ORCPT={kind};{}", xtext(what.recipient))
    } else {
        String::new()
    };
    format!("RCPT TO:<{}>{report}\r\n", what.recipient)
}

/// RFC 3461 §4: `+`, `=` and what is no printable ASCII is written in hexadecimal; RFC 6533 §3 leaves
/// other characters as they are where SMTPUTF8 is in use.
fn xtext(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '+' | '=' | ' ' => format!("+{:02X}", u32::from(c)),
            c => c.to_string(),
        })
        .collect()
}

/// The message with CR LF line ends, its dots doubled (RFC 5321 §4.5.2), and the final dot.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len().saturating_add(64));
    let text = message.strip_suffix(b"\n").unwrap_or(message);
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

fn reply(response: Response<String>) -> Result<Reply, BoxError> {
    let code = ReplyCode::new(response.code()).ok_or("the server's reply has no valid code")?;
    let [class, subject, detail] = response.esc;
    let enhanced = EnhancedCode::new(class, subject.into(), detail.into());
    Ok(Reply { code, enhanced, text: response.message })
}

/// Of a connection that was good for a message before: the next one is not to blame.
const ENDED: &str = "the server had ended the connection";
/// The server closes the connection, whatever was asked (RFC 5321 §3.8).
pub(super) const CLOSING: u16 = 421;
