//! One connection to a server, and what it answers to each step.

mod open;
mod reader;
mod wire;

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use mailtrail_core::DeliveryId;
use mailtrail_core::clock::Clock;
use mailtrail_core::event::{Encryption, Said, Stage, Transcript};
use mailtrail_core::store::BoxError;
use smtp_proto::{EXT_8BIT_MIME, EXT_DSN, EXT_PIPELINING, EXT_SIZE, EXT_SMTP_UTF8, EhloResponse};

use super::facts::Reply;
use super::relay::TalksTo;
pub(super) use open::{NotOpen, Terms};
use reader::Reader;
pub(super) use reader::reply;
use wire::{Stream, mail, rcpt, stuffed};

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
    /// The connection broke after that: nobody knows.
    Unanswered,
}

/// What is to be handed over.
#[derive(Debug)]
pub(super) struct Transmission<'a> {
    pub(super) mail_from: &'a str,
    pub(super) recipient: &'a str,
    /// What delivery reports are to name.
    pub(super) envelope_id: Option<DeliveryId>,
    pub(super) message: &'a [u8],
}

/// Each reply with its stage and time, in order; without a clock none is kept.
#[derive(Default)]
pub(super) struct Heard<'a> {
    clock: Option<&'a dyn Clock>,
    replies: Vec<(Stage, DateTime<Utc>, Reply)>,
}

impl<'a> Heard<'a> {
    pub(super) fn by(clock: &'a dyn Clock) -> Self {
        Self { clock: Some(clock), replies: Vec::new() }
    }

    pub(super) fn add(&mut self, stage: Stage, reply: &Reply) {
        if let Some(clock) = self.clock {
            self.replies.push((stage, clock.now(), reply.clone()));
        }
    }

    /// As it is stored: what was said, and in which words.
    pub(super) fn transcript(
        self,
        address: Option<IpAddr>,
        tls: Option<Encryption>,
    ) -> (Transcript, Vec<Box<str>>) {
        let mut transcript = Transcript::default();
        (transcript.address, transcript.tls) = (address, tls);
        let mut texts = Vec::with_capacity(self.replies.len());
        for (stage, at, reply) in self.replies {
            let mut said = Said::default();
            (said.stage, said.at) = (stage, Some(at));
            (said.reply_code, said.enhanced_code) = (Some(reply.code), reply.enhanced);
            transcript.replies.push(said);
            texts.push(reply.text.into());
        }
        (transcript, texts)
    }
}

/// What was said to one message, and with whom.
pub(super) struct Conversation {
    pub(super) transmitted: Transmitted,
    pub(super) host: Option<Box<str>>,
    pub(super) talks_to: TalksTo,
    pub(super) transcript: Transcript,
    pub(super) texts: Vec<Box<str>>,
}

/// An open connection.
pub(super) struct Session {
    stream: Stream,
    reader: Reader,
    capabilities: EhloResponse<String>,
    pub(super) host: Box<str>,
    pub(super) address: IpAddr,
    pub(super) tls: Option<Encryption>,
    pub(super) talks_to: TalksTo,
    timeout: Duration,
    /// The server needs a RSET before the next message.
    in_transaction: bool,
    /// It has served a message: the server may have ended it since, by its own idle time.
    used: bool,
    /// Nothing more can be said on it.
    ended: bool,
}

impl Session {
    /// Whether it has served a message before.
    pub(super) fn is_used(&self) -> bool {
        self.used
    }

    /// Whether it can serve another message, as far as we know.
    pub(super) fn is_open(&self) -> bool {
        !self.ended && !self.reader.is_ahead()
    }

    /// Hands a message over, and says what was said.
    pub(super) async fn converse(
        &mut self,
        what: &Transmission<'_>,
        mut heard: Heard<'_>,
    ) -> Conversation {
        let transmitted = if what.recipient.is_ascii() || self.offers(EXT_SMTP_UTF8) {
            self.transmit(what, &mut heard).await
        } else {
            Transmitted::NeedsUtf8
        };
        let (transcript, texts) = heard.transcript(Some(self.address), self.tls.clone());
        let (host, talks_to) = (Some(self.host.clone()), self.talks_to);
        Conversation { transmitted, host, talks_to, transcript, texts }
    }

    async fn transmit(&mut self, what: &Transmission<'_>, heard: &mut Heard<'_>) -> Transmitted {
        let outcome = match self.envelope(what, heard).await {
            Ok(None) => self.message(what, heard).await,
            Ok(Some(refusal)) => Transmitted::Refused(refusal),
            Err(cause) => Transmitted::Broken(cause),
        };
        self.used = true;
        self.ended |= match &outcome {
            Transmitted::NeedsUtf8 => false,
            Transmitted::Broken(_) | Transmitted::Unanswered => true,
            Transmitted::Taken(reply) | Transmitted::Refused(reply) => reply.code.get() == CLOSING,
        };
        outcome
    }

    /// Says goodbye; a server that doesn't listen any more makes no difference.
    pub(super) async fn close(mut self) {
        if !self.ended {
            tokio::time::timeout(GOODBYE, self.ask(b"QUIT\r\n")).await.ok();
        }
    }

    /// Who it is from and to, up to where the server waits for the message. Where it offers PIPELINING
    /// (RFC 2920) in one go.
    async fn envelope(
        &mut self,
        what: &Transmission<'_>,
        heard: &mut Heard<'_>,
    ) -> Result<Option<Reply>, BoxError> {
        let at_once = self.offers(EXT_PIPELINING);
        let commands = self.commands(what);
        if at_once {
            let all: String = commands.iter().map(|(_, command)| command.as_str()).collect();
            self.say(all.as_bytes()).await?;
        }
        let used = self.used;
        self.in_transaction = true;
        let mut refusal = None;
        for (stage, command) in commands {
            if !at_once {
                self.say(command.as_bytes()).await?;
            }
            let reply = match self.hear().await {
                // What it has refused already is refused, also when it hangs up then.
                Err(_) if refusal.is_some() => {
                    self.ended = true;
                    break;
                }
                heard => heard?,
            };
            let Some(stage) = stage else { continue };
            if used && refusal.is_none() && reply.code.get() == CLOSING {
                return Err(ENDED.into());
            }
            let goes_on = match stage {
                Stage::Data => reply.code.get() == GO_AHEAD,
                _ => reply.code.is_positive(),
            };
            match &refusal {
                None => {
                    heard.add(stage, &reply);
                    refusal = (!goes_on).then_some(reply);
                    if refusal.is_some() && !at_once {
                        break;
                    }
                }
                // It waits for a message to nobody: an empty one.
                Some(_) if goes_on && stage == Stage::Data => {
                    self.ended = self.ask(b".\r\n").await.is_err();
                }
                Some(_) => {}
            }
        }
        Ok(refusal)
    }

    async fn message(&mut self, what: &Transmission<'_>, heard: &mut Heard<'_>) -> Transmitted {
        let Ok(reply) = self.ask(&stuffed(what.message)).await else {
            return Transmitted::Unanswered;
        };
        self.in_transaction = false;
        heard.add(Stage::Message, &reply);
        if reply.code.is_positive() {
            Transmitted::Taken(reply)
        } else {
            Transmitted::Refused(reply)
        }
    }

    /// The commands of an envelope. What a RSET is answered concerns nobody.
    fn commands(&self, what: &Transmission<'_>) -> Vec<(Option<Stage>, String)> {
        let dsn = self.offers(EXT_DSN).then_some(what.envelope_id).flatten();
        let size = self.offers(EXT_SIZE);
        let eight_bit = self.offers(EXT_8BIT_MIME);
        let reset = self.in_transaction.then(|| (None, "RSET\r\n".to_owned()));
        let envelope = [
            (Some(Stage::Mail), mail(what, dsn, size, eight_bit)),
            (Some(Stage::Rcpt), rcpt(what, dsn.is_some())),
            (Some(Stage::Data), "DATA\r\n".to_owned()),
        ];
        reset.into_iter().chain(envelope).collect()
    }

    fn offers(&self, extension: u32) -> bool {
        self.capabilities.has_capability(extension)
    }

    async fn ask(&mut self, bytes: &[u8]) -> Result<Reply, BoxError> {
        self.say(bytes).await?;
        self.hear().await
    }

    async fn say(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        let said = tokio::time::timeout(self.timeout, self.stream.say(bytes)).await;
        Ok(said.map_err(|_| SILENT)??)
    }

    async fn hear(&mut self) -> Result<Reply, BoxError> {
        let heard = self.reader.next(&mut self.stream);
        tokio::time::timeout(self.timeout, heard).await.map_err(|_| SILENT)?
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Of a connection that was good for a message before: the next one is not to blame.
const ENDED: &str = "the server had ended the connection";
const SILENT: &str = "the server did not answer in time";
/// The server closes the connection, whatever was asked (RFC 5321 §3.8).
const CLOSING: u16 = 421;
const GO_AHEAD: u16 = 354;
/// Nobody waits longer for a server that doesn't say goodbye.
const GOODBYE: Duration = Duration::from_secs(5);
