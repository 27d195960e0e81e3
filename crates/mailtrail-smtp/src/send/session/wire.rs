//! What is written to a server.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use mailtrail_core::DeliveryId;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::Transmission;

/// A connection, encrypted or not.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(super) async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
            Self::Encrypted(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Encrypted(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }
}

pub(super) fn mail(
    what: &Transmission<'_>,
    dsn: Option<DeliveryId>,
    size: bool,
    eight_bit: bool,
) -> String {
    let mut command = format!("MAIL FROM:<{}>", what.mail_from);
    if let Some(envelope_id) = dsn {
        command.push_str(" RET=HDRS ENVID=");
        command.push_str(&envelope_id.to_string());
    }
    if size {
        command.push_str(" SIZE=");
        command.push_str(&what.message.len().to_string());
    }
    if eight_bit && !what.message.is_ascii() {
        command.push_str(" BODY=8BITMIME");
    }
    if !what.recipient.is_ascii() {
        command.push_str(" SMTPUTF8");
    }
    command.push_str("\r\n");
    command
}

pub(super) fn rcpt(what: &Transmission<'_>, dsn: bool) -> String {
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
pub(super) fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len().saturating_add(SPARE));
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

/// For dots that are doubled, and the final one.
const SPARE: usize = 256;
