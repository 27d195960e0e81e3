//! One connection to an MX.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::conduct::{Act, Conduct, Stage};
use super::{Shared, Taken};

pub(super) struct Dialogue<'a> {
    shared: &'a Shared,
    stream: BufReader<TcpStream>,
    conduct: &'a Conduct,
    /// Whether this attempt has its `MAIL`.
    is_begun: bool,
    mail: String,
    recipients: Vec<String>,
}

/// The connection has ended, by whomever.
struct Ended;

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl<'a> Dialogue<'a> {
    pub(super) fn new(shared: &'a Shared, stream: TcpStream) -> Self {
        Self {
            shared,
            stream: BufReader::new(stream),
            conduct: shared.next_attempt(),
            is_begun: false,
            mail: String::new(),
            recipients: Vec::new(),
        }
    }

    /// Until one of both ends it.
    pub(super) async fn run(mut self) {
        let greeting = self.reply(Stage::Connect, b"220 mx.example ESMTP\r\n").await;
        if greeting.is_ok() {
            while self.command().await.is_ok() {}
        }
        // What is still on its way to the client shall reach it.
        drop(self.stream.shutdown().await);
    }

    async fn command(&mut self) -> Result<(), Ended> {
        let line = self.line().await?;
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let verb = line.get(..4).unwrap_or(&line).to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => {
                let capabilities = self.capabilities();
                self.reply(Stage::Ehlo, capabilities.as_bytes()).await.map(drop)
            }
            "HELO" => self.reply(Stage::Helo, b"250 mx.example\r\n").await.map(drop),
            "MAIL" => self.mail(line).await,
            "RCPT" => {
                if self.reply(Stage::Recipient, b"250 2.1.5 ok\r\n").await? {
                    self.recipients.push(line);
                }
                Ok(())
            }
            "DATA" if self.recipients.is_empty() => {
                self.say(b"503 5.5.1 no recipients\r\n", 1).await
            }
            "DATA" => self.data().await,
            "QUIT" => {
                self.say(b"221 2.0.0 bye\r\n", 1).await?;
                Err(Ended)
            }
            _ => self.say(b"250 2.0.0 ok\r\n", 1).await,
        }
    }

    /// A further message of a connection is a further attempt.
    async fn mail(&mut self, line: String) -> Result<(), Ended> {
        if self.is_begun {
            self.conduct = self.shared.next_attempt();
        }
        self.is_begun = true;
        self.recipients.clear();
        self.mail = line;
        self.reply(Stage::Mail, b"250 2.1.0 ok\r\n").await.map(drop)
    }

    async fn data(&mut self) -> Result<(), Ended> {
        if !self.reply(Stage::Data, b"354 go ahead\r\n").await? {
            return Ok(());
        }
        let mut message = Vec::new();
        loop {
            let line = self.line().await?;
            if message.is_empty() && self.conduct.act(Stage::Line).is_some() {
                self.reply(Stage::Line, b"").await?;
            }
            match line.strip_prefix(b".") {
                Some(b"\r\n") => break,
                Some(undone) => message.extend_from_slice(undone),
                None => message.extend_from_slice(&line),
            }
        }
        if self.reply(Stage::Message, b"250 2.0.0 ok\r\n").await? {
            self.shared.take(Taken::of(&self.mail, &self.recipients, Bytes::from(message)));
        }
        Ok(())
    }

    /// Does what is due at a stage: whether what was said is a yes.
    async fn reply(&mut self, stage: Stage, usual: &[u8]) -> Result<bool, Ended> {
        let polite = Act { says: usual.to_vec(), ..Act::default() };
        let act = self.conduct.act(stage).unwrap_or(&polite);
        sleep(act.after).await;
        self.say(&act.says, act.packets).await?;
        if act.hangs_up {
            return Err(Ended);
        }
        Ok(matches!(act.says.first(), Some(b'2' | b'3')))
    }

    async fn say(&mut self, bytes: &[u8], packets: usize) -> Result<(), Ended> {
        let size = bytes.len().div_ceil(packets.max(1)).max(1);
        for (number, packet) in bytes.chunks(size).enumerate() {
            if number > 0 {
                sleep(BETWEEN_PACKETS).await;
            }
            self.stream.write_all(packet).await?;
            self.stream.flush().await?;
        }
        Ok(())
    }

    fn capabilities(&self) -> String {
        let offered = self.conduct.offered().iter().map(|keyword| format!("250-{keyword}\r\n"));
        let offered: String = offered.collect();
        format!("250-mx.example\r\n{offered}250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n")
    }

    async fn line(&mut self) -> Result<Vec<u8>, Ended> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.stream).take(MOST_LINE);
        bounded.read_until(b'\n', &mut line).await?;
        if line.ends_with(b"\n") { Ok(line) } else { Err(Ended) }
    }
}

/// Long enough for the first packet to be read alone.
const BETWEEN_PACKETS: Duration = Duration::from_millis(200);
/// Longer lines end the connection.
const MOST_LINE: u64 = 64 << 10;
