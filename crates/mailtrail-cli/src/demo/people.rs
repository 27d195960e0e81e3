//! The recipients: what their servers answer, who opens, what bounces.

use std::net::SocketAddr;
use std::path::Path;

use chrono::{DateTime, Utc};
use mailtrail::core::token::Purpose;
use mailtrail::smtp::sink::{ReceivedMessage, Script, Sink};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::command::serve::Ports;
use crate::failure::Failure;
use crate::setup::Opened;

/// The credentials of the provider's webhook.
pub(super) const BASIC_AUTH: &str = "provider:demo";

/// The servers of the recipients, in this process.
pub(super) struct People {
    sink: Sink,
}

/// What comes back for one recipient, brought twice.
enum ComesBack {
    Opens(&'static str),
    Mail(&'static str),
    Webhook(&'static str),
}

impl People {
    pub(super) async fn start() -> Result<Self, Failure> {
        let sink = Sink::builder()
            .on(
                "eva@parents.example",
                Script::refuse(
                    "550 5.1.1 <eva@parents.example>: Recipient address rejected: User unknown",
                )?,
            )
            .on(
                "grace@parents.example",
                Script::refuse("450 4.2.0 <grace@parents.example>: Greylisted, see you later")?
                    .then_accept(),
            )
            .on(
                "hugo@parents.example",
                Script::refuse_message("554 5.7.1 Message looks like spam")?,
            )
            .on("max@parents.example", Script::hang_up())
            .hostname("mx.parents.example")
            .start()
            .await?;
        Ok(Self { sink })
    }

    pub(super) fn address(&self) -> String {
        self.sink.addr().to_string()
    }

    pub(super) async fn stop(self) {
        self.sink.stop().await;
    }

    /// Late, twice and out of order: every second thing comes first.
    pub(super) async fn answer(
        &self,
        opened: &Opened,
        ports: &Ports,
        mails: &Path,
    ) -> Result<(), Failure> {
        let messages = self.sink.messages();
        for (number, message) in messages.iter().enumerate() {
            std::fs::write(mails.join(format!("sent-{number:02}.eml")), &message.bytes)?;
        }
        let late: Vec<(&ReceivedMessage, ComesBack)> =
            messages.iter().filter(|m| m.is_accepted()).flat_map(comes_back).collect();
        let order = (0..late.len()).rev().chain((0..late.len()).step_by(2));
        for (turn, index) in order.enumerate() {
            if let Some((message, what)) = late.get(index) {
                bring(message, what, opened, ports, &mails.join(format!("returned-{turn:02}.eml")))
                    .await?;
            }
        }
        Ok(())
    }
}

fn comes_back(message: &ReceivedMessage) -> Vec<(&ReceivedMessage, ComesBack)> {
    let to = message.envelope.recipients.first().map_or("", |recipient| recipient.address.as_str());
    let back = match to {
        "ann@parents.example" => vec![
            ComesBack::Opens(
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.0",
            ),
            ComesBack::Webhook("Delivery"),
        ],
        "bob@parents.example" => vec![
            ComesBack::Mail(include_str!("mails/success-delivered.eml")),
            ComesBack::Mail(include_str!("mails/over-quota.eml")),
        ],
        "carla@parents.example" => vec![ComesBack::Webhook("Delivery")],
        "finn@parents.example" => {
            vec![ComesBack::Mail(include_str!("mails/over-quota.eml"))]
        }
        "ida@parents.example" => {
            vec![ComesBack::Mail(include_str!("mails/delayed-mailbox-full.eml"))]
        }
        "nina@parents.example" => {
            vec![ComesBack::Mail(include_str!("mails/user-unknown.eml"))]
        }
        _ => Vec::new(),
    };
    back.into_iter().map(|what| (message, what)).collect()
}

async fn bring(
    message: &ReceivedMessage,
    what: &ComesBack,
    opened: &Opened,
    ports: &Ports,
    copy: &Path,
) -> Result<(), Failure> {
    match what {
        ComesBack::Opens(user_agent) => open(message, user_agent, ports.http).await,
        ComesBack::Mail(template) => {
            let mail = fill(template, message);
            std::fs::write(copy, &mail)?;
            bounce(&message.envelope.mail_from, &mail, ports.mail.lmtp.local_addr()).await
        }
        ComesBack::Webhook(kind) => webhook(message, kind, opened, ports.http).await,
    }
}

/// Opens the message as a mail reader does: by fetching what stands in its HTML.
async fn open(
    message: &ReceivedMessage,
    user_agent: &str,
    server: SocketAddr,
) -> Result<(), Failure> {
    let text = unfolded(&message.bytes);
    let url = text.split('"').find(|part| part.starts_with("http://") && part.contains("/o/"));
    let url = url.ok_or_else(|| Failure::other("the message has no pixel"))?;
    let path = url.split_once("/o/").map_or_else(String::new, |(_, rest)| format!("/o/{rest}"));
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {server}\r\nUser-Agent: {user_agent}\r\nConnection: close\r\n\r\n"
    );
    exchange(server, &request).await.map(drop)
}

/// Quoted-printable (RFC 2045 §6.7) as far as a URL in HTML needs it.
fn unfolded(message: &[u8]) -> String {
    String::from_utf8_lossy(message).replace("=\r\n", "").replace("=\n", "").replace("=3D", "=")
}

/// The provider says what happened, with the metadata that it got with the message.
async fn webhook(
    message: &ReceivedMessage,
    kind: &str,
    opened: &Opened,
    server: SocketAddr,
) -> Result<(), Failure> {
    let token = opened.keys.find(Purpose::ReturnPath, &message.envelope.mail_from);
    let delivery = token.ok_or_else(|| Failure::other("the return path has no token"))?.delivery;
    let recipient = message.envelope.recipients.first().map_or("", |r| r.address.as_str());
    let body = serde_json::json!({
        "RecordType": kind,
        "MessageID": format!("demo-{delivery}"),
        "Recipient": recipient,
        "DeliveredAt": message_time(),
        "Details": "250 2.0.0 OK queued",
        "Metadata": { "mt_delivery": opened.keys.sign(Purpose::Metadata, delivery) },
    })
    .to_string();
    let request = format!(
        "POST /webhooks/postmark HTTP/1.1\r\nHost: {server}\r\nAuthorization: Basic cHJvdmlkZXI6ZGVtbw==\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let answer = exchange(server, &request).await?;
    if answer.starts_with("HTTP/1.1 200") {
        Ok(())
    } else {
        Err(Failure::other("the webhook was not taken"))
    }
}

/// The recipient's server sends a report to the return path that it saw.
async fn bounce(return_path: &str, mail: &str, server: SocketAddr) -> Result<(), Failure> {
    let stuffed = mail.replace("\r\n", "\n").replace("\n.", "\n..").replace('\n', "\r\n");
    let session = format!(
        "LHLO mx.parents.example\r\nMAIL FROM:<>\r\nRCPT TO:<{return_path}>\r\nDATA\r\n{stuffed}\r\n.\r\nQUIT\r\n"
    );
    let answer = exchange(server, &session).await?;
    let taken = answer.lines().filter(|line| line.starts_with("250 2.0.0")).count();
    if taken > 0 {
        Ok(())
    } else {
        Err(Failure::other(format!("the report was not taken: {answer}")))
    }
}

async fn exchange(server: SocketAddr, request: &str) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A report of a real mail server's run, about this message.
fn fill(template: &str, message: &ReceivedMessage) -> String {
    let text = String::from_utf8_lossy(&message.bytes);
    let header = |name: &str| {
        let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with(name));
        line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim()).to_owned()
    };
    let recipient = message.envelope.recipients.first().map_or("", |r| r.address.as_str());
    let local = recipient.split('@').next().unwrap_or_default();
    template
        .replace("{{return_path}}", &message.envelope.mail_from)
        .replace("{{recipient}}", recipient)
        .replace("{{message_id}}", &header("message-id"))
        .replace("{{report_id}}", &format!("<report-about-{local}@mail.relay.example>"))
        .replace("{{date}}", &now().to_rfc2822())
}

fn message_time() -> String {
    now().format("%Y-%m-%dT%H:%M:%S.0000000Z").to_string()
}

#[expect(clippy::disallowed_methods, reason = "the recipients' servers have the system's clock")]
fn now() -> DateTime<Utc> {
    Utc::now()
}
