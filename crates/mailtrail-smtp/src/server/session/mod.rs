//! One client's connection.

mod replies;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use self::replies::{
    BARE_LF, GOODBYE, HELLO_FIRST, HELP, MAIL_FIRST, NOT_VERIFIED, ONE_AT_A_TIME, RECIPIENT_FIRST,
    RESET, SAY_EHLO, SAY_LHLO, SENDER_TAKEN, STOPPING, TOO_LARGE, TOO_LONG, TOO_MANY,
    TOO_MANY_REFUSED, TOO_MUCH_JUNK, TOO_SLOW,
};
use crate::server::command::{Command, Hello, Mail, NEEDS_SMTPUTF8};
use crate::server::data::Undotter;
use crate::server::envelope::{Envelope, Protocol, Recipient};
use crate::server::handler::{Answer, Handler};
use crate::server::limits::Limits;
use crate::server::line::{Line, LineReader};
use crate::server::reply::Reply;
use crate::server::tally::{Tally, one};
use crate::server::wire::Wire;

/// What all sessions of a server share.
pub(super) struct Shared {
    pub(super) protocol: Protocol,
    pub(super) limits: Limits,
    pub(super) hostname: String,
    pub(super) handler: Box<dyn Handler>,
    pub(super) tally: Tally,
}

pub(super) struct Session<S> {
    shared: Arc<Shared>,
    wire: Wire<S>,
    peer: SocketAddr,
    stop: watch::Receiver<bool>,
    helo: Option<String>,
    transaction: Option<Envelope>,
    junk: usize,
    refused: usize,
    began: Instant,
    /// Whether the client may be sending still when it is told to go.
    is_cut: bool,
}

/// Whether the session goes on.
#[derive(PartialEq, Eq)]
enum Flow {
    Next,
    End,
}

enum Data {
    Whole(Undotter),
    TooSlow,
    Gone,
}

enum Incoming {
    Line(Line),
    Stop,
    Gone,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub(super) fn new(
        shared: Arc<Shared>,
        stream: S,
        peer: SocketAddr,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            shared,
            wire: Wire::new(stream),
            peer,
            stop,
            helo: None,
            transaction: None,
            junk: 0,
            refused: 0,
            began: Instant::now(),
            is_cut: false,
        }
    }

    /// Serves the client until one of the two ends it.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let protocol = if self.is_lmtp() { "LMTP" } else { "ESMTP" };
        let greeting = format!("{} {protocol} Mailtrail", self.shared.hostname);
        self.wire.reply(&Reply::plain(220, greeting));
        while self.step().await? == Flow::Next {}
        timeout(self.shared.limits.command_timeout, self.wire.close()).await??;
        if self.is_cut {
            // To close with bytes unread would take the last reply away from the client (RFC 1122 §4.2.2.13).
            drop(timeout(LINGER, self.wire.drain(LINGER_BYTES)).await);
        }
        Ok(())
    }

    async fn step(&mut self) -> io::Result<Flow> {
        let limits = &self.shared.limits;
        let left = limits.session_timeout.saturating_sub(self.began.elapsed());
        if left.is_zero() {
            return Ok(self.too_slow());
        }
        let limit = limits.command_timeout.min(left);
        let Ok(incoming) = timeout(limit, self.next_line()).await else {
            return Ok(self.too_slow());
        };
        match incoming? {
            Incoming::Gone => Ok(Flow::End),
            Incoming::Stop => Ok(self.last_words(&STOPPING)),
            Incoming::Line(Line::Endless) => Ok(self.cut_off(&TOO_LONG)),
            Incoming::Line(Line::TooLong) => Ok(self.junk(&TOO_LONG)),
            Incoming::Line(Line::BareLf) => Ok(self.junk(&BARE_LF)),
            Incoming::Line(Line::Whole(line)) => match Command::parse(&line) {
                Ok(command) => self.obey(command).await,
                Err(reply) => Ok(self.junk(&reply)),
            },
        }
    }

    async fn next_line(&mut self) -> io::Result<Incoming> {
        let limits = &self.shared.limits;
        let mut reader = LineReader::new(limits.command_octets, limits.skipped_octets);
        if self.wire.is_full() {
            self.wire.flush().await?;
        }
        loop {
            let (used, line) = reader.feed(self.wire.buffered());
            self.wire.consume(used);
            if let Some(line) = line {
                return Ok(Incoming::Line(line));
            }
            self.wire.flush().await?;
            tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return Ok(Incoming::Stop),
                more = self.wire.fill() => if !more? {
                    return Ok(Incoming::Gone);
                },
            }
        }
    }

    async fn obey(&mut self, command: Command) -> io::Result<Flow> {
        Ok(match command {
            Command::Hello(hello, name) => self.hello(hello, name),
            Command::Mail(mail) => self.mail(mail),
            Command::Rcpt(recipient) => self.recipient(recipient).await,
            Command::Data => return self.data().await,
            Command::Rset if self.transaction.take().is_some() => self.say(&RESET),
            Command::Rset => self.junk(&RESET),
            Command::Noop => self.junk(&Reply::OK),
            Command::Vrfy => self.junk(&NOT_VERIFIED),
            Command::Help => self.junk(&HELP),
            Command::Quit => self.last_words(&GOODBYE),
        })
    }

    fn hello(&mut self, hello: Hello, name: String) -> Flow {
        if (hello == Hello::Lhlo) != self.is_lmtp() {
            let hint = if self.is_lmtp() { SAY_LHLO } else { SAY_EHLO };
            return self.junk(&hint);
        }
        self.transaction = None;
        let host = &self.shared.hostname;
        let size = self.shared.limits.message_bytes;
        let reply = Reply::plain(
            250,
            match hello {
                Hello::Helo => host.clone(),
                Hello::Ehlo | Hello::Lhlo => format!(
                    "{host}\nPIPELINING\nSIZE {size}\n8BITMIME\nENHANCEDSTATUSCODES\nSMTPUTF8\nDSN"
                ),
            },
        );
        let again = self.helo.replace(name).is_some();
        if again { self.junk(&reply) } else { self.say(&reply) }
    }

    fn mail(&mut self, mail: Mail) -> Flow {
        let Some(helo) = self.helo.clone() else {
            return self.junk(&HELLO_FIRST);
        };
        if self.transaction.is_some() {
            return self.junk(&ONE_AT_A_TIME);
        }
        let fits = mail.size.is_none_or(|size| {
            usize::try_from(size).is_ok_and(|size| size <= self.shared.limits.message_bytes)
        });
        if !fits {
            return self.say(&TOO_LARGE);
        }
        self.transaction = Some(Envelope {
            peer: self.peer,
            helo,
            mail_from: mail.from,
            recipients: Vec::new(),
            size: mail.size,
            body: mail.body,
            smtputf8: mail.smtputf8,
            ret: mail.ret,
            envid: mail.envid,
        });
        self.say(&SENDER_TAKEN)
    }

    async fn recipient(&mut self, recipient: Recipient) -> Flow {
        let shared = Arc::clone(&self.shared);
        let Some(envelope) = &mut self.transaction else {
            return self.junk(&MAIL_FIRST);
        };
        if !envelope.smtputf8 && !recipient.address.is_ascii() {
            return self.say(&NEEDS_SMTPUTF8);
        }
        if envelope.recipients.len() >= shared.limits.recipients {
            return self.say(&TOO_MANY);
        }
        // Clients that reuse a connection say NOOP or RSET between recipients, also refused ones.
        self.junk = 0;
        let reply = shared.handler.recipient(envelope, &recipient).await;
        if reply.is_positive() {
            envelope.recipients.push(recipient);
            return self.say(&reply);
        }
        self.refused = self.refused.saturating_add(1);
        let flow = self.say(&reply);
        if self.refused > shared.limits.refused_recipients {
            return self.cut_off(&TOO_MANY_REFUSED);
        }
        flow
    }

    async fn data(&mut self) -> io::Result<Flow> {
        let Some(envelope) = self.transaction.take_if(|envelope| !envelope.recipients.is_empty())
        else {
            return Ok(self.junk(&RECIPIENT_FIRST));
        };
        self.wire.reply(&Reply::plain(354, "end with a dot on a line of its own"));
        let undotter = match self.read_data().await? {
            Data::Whole(undotter) => undotter,
            Data::TooSlow => return Ok(self.too_slow()),
            Data::Gone => return Ok(Flow::End),
        };
        let recipients = envelope.recipients.len();
        let answer = match undotter.finish() {
            Some(message) => self.shared.handler.message(envelope, Bytes::from(message)).await,
            None => Answer::All(TOO_LARGE),
        };
        let replies = if self.is_lmtp() {
            answer.each(recipients)
        } else {
            answer.one(recipients).map(|reply| vec![reply])
        };
        let mut flow = if replies.is_some() { Flow::Next } else { Flow::End };
        for reply in replies.unwrap_or_default() {
            if self.say(&reply) == Flow::End {
                flow = Flow::End;
            }
        }
        Ok(flow)
    }

    /// Reads to the end of the data, as fast as the limits ask for.
    async fn read_data(&mut self) -> io::Result<Data> {
        let (shared, began) = (Arc::clone(&self.shared), Instant::now());
        let mut undotter = Undotter::new(shared.limits.message_bytes);
        let mut bytes: usize = 0;
        timeout(shared.limits.command_timeout, self.wire.flush()).await??;
        loop {
            let buffered = self.wire.buffered();
            let end = undotter.feed(buffered);
            let used = end.unwrap_or(buffered.len());
            self.wire.consume(used);
            if end.is_some() {
                return Ok(Data::Whole(undotter));
            }
            bytes = bytes.saturating_add(used);
            let deadline = shared.limits.data_deadline(began, bytes);
            tokio::select! {
                more = self.wire.fill() => if !more? {
                    return Ok(Data::Gone);
                },
                () = passed(deadline) => return Ok(Data::TooSlow),
            }
        }
    }

    /// A reply; with 421 it is the last one (RFC 5321 §3.8).
    fn say(&mut self, reply: &Reply) -> Flow {
        self.wire.reply(reply);
        if reply.code() == 421 { Flow::End } else { Flow::Next }
    }

    /// A reply to what brings no message nearer.
    fn junk(&mut self, reply: &Reply) -> Flow {
        self.junk = self.junk.saturating_add(1);
        if self.junk > self.shared.limits.junk_commands {
            return self.cut_off(&TOO_MUCH_JUNK);
        }
        self.say(reply)
    }

    fn too_slow(&mut self) -> Flow {
        one(&self.shared.tally.too_slow);
        self.is_cut = true;
        self.last_words(&TOO_SLOW)
    }

    fn cut_off(&mut self, reply: &Reply) -> Flow {
        one(&self.shared.tally.cut_off);
        self.is_cut = true;
        self.last_words(reply)
    }

    fn last_words(&mut self, reply: &Reply) -> Flow {
        self.wire.reply(reply);
        Flow::End
    }

    fn is_lmtp(&self) -> bool {
        self.shared.protocol == Protocol::Lmtp
    }
}

/// Resolves once the server is to stop, or is dropped.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// How long what a client still sends is read after its last reply, and how much.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests;
