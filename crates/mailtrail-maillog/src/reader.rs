//! Line by line: which message, which delivery, which event.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use mailtrail_classify::Classifier;
use mailtrail_core::correlation::Correlation;
use mailtrail_core::event::{Private, Source};
use mailtrail_core::id::Identity;
use mailtrail_core::token::Keys;
use mailtrail_core::{Event, Feedback};

use crate::entry::{Entry, Outcome, Step};
use crate::hop::OwnRelay;
use crate::line::Line;
use crate::messages::{MOST_MESSAGES, Message, Messages, Waiting};
use crate::naming::{Naming, Unnamed};
use crate::outcome::Judge;
use crate::server::Mta;
use crate::zone::Zone;

/// Reads the log of one kind of mail server, line by line and file by file, the older file first.
///
/// # Which delivery does a line name?
/// 1. A valid token in the envelope sender.
/// 2. A valid token in the Message-ID: names the delivery, proves nothing.
/// 3. The Message-ID, and the recipient.
///
/// A line whose queue id it has never seen, because the log begins after the message came in, names
/// none: it is counted as [`unmatched`](Counts::unmatched), and makes no event that a later reading of
/// the older file would have to contradict. A report (null sender) is nobody's message.
///
/// # Delivered or handed over?
/// Delivered, if a mailbox or program of the host took it, or a server that is none of our
/// [own relays](Self::own_relay). Handed over, if one of these took it; a port for submission; a content
/// filter; a router or transport that is called smarthost; an alias. In doubt it is handed over.
///
/// # Guarantees
/// - **Total**: any bytes are read without a panic.
/// - **Same facts**: a line makes an event of the same id whenever it is read, so a file that is read
///   twice brings nothing new; of two readings (one with more own relays) the first that is stored stands. Ids come from line, host and time as written, so a log that was rewritten (by
///   another syslog format) is another log.
/// - **Order**: lines of different messages may interleave in any way.
/// - **Bounded**: it holds [`MOST_MESSAGES`] messages and [`MOST_BYTES`](crate::MOST_BYTES) of text.
///   Beyond that it forgets the message that no line has named for the longest.
///
/// # Example
/// ```
/// use mailtrail_classify::Classifier;
/// use mailtrail_core::token::{Key, Keys};
/// use mailtrail_core::Event;
/// use mailtrail_maillog::{Mta, Reader};
/// let (classifier, keys) = (Classifier::builtin()?, Keys::new(Key::new(1, [7; 32])));
/// let mut reader = Reader::new(Mta::Exim, &classifier, &keys)
///     .zone("Europe/Berlin".parse()?)
///     .own_relay("smtp.provider.example".parse()?);
/// let log = "\
/// 2026-11-26 11:59:58 1abcde-000001-AB <= office@school.example H=app [192.0.2.7] P=esmtp S=700 id=m1@school.example
/// 2026-11-26 11:59:59 1abcde-000001-AB => ann@a.example R=dnslookup T=remote_smtp H=mx.a.example [192.0.2.1] C=\"250 ok\"
/// 2026-11-26 11:59:59 1abcde-000001-AB ** bob@a.example R=dnslookup T=remote_smtp H=mx.a.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<bob@a.example>: 550 5.1.1 no such user";
/// let now = "2026-11-26T12:00:00Z".parse()?;
/// let feedback: Vec<_> = log.lines().flat_map(|line| reader.read(line.as_bytes(), now)).collect();
/// assert!(matches!(feedback[0].fact.event, Event::Delivered(_)));
/// assert!(matches!(&feedback[1].fact.event, Event::Bounced(b) if b.diagnosis.reason.name() == "user_unknown"));
/// assert_eq!(reader.counts().feedback, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Reader<'a> {
    mta: Mta,
    naming: Naming<'a>,
    judge: Judge<'a>,
    zone: Zone,
    messages: Messages,
    counts: Counts,
}

/// What a reader has come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Lines, whatever they say.
    pub lines: u64,
    /// Facts about deliveries.
    pub feedback: u64,
    /// Outcomes of messages that no line before has named, or not well enough.
    pub unmatched: u64,
    /// Outcomes of reports and of messages that can't be ours.
    pub not_ours: u64,
    /// Outcomes without the token that this reader [requires](Reader::require_token).
    pub refused: u64,
    /// Messages that were forgotten before their server was done with them.
    pub forgotten: u64,
    /// Lines beyond [`MOST_LINE_BYTES`], which are not read.
    pub too_long: u64,
}

impl<'a> Reader<'a> {
    /// A reader of stamps in UTC, without own relays.
    pub fn new(mta: Mta, classifier: &'a Classifier, keys: &'a Keys) -> Self {
        Self {
            mta,
            naming: Naming { keys, require_token: false },
            judge: Judge { classifier, own_relays: Vec::new() },
            zone: Zone::UTC,
            messages: Messages::new(MOST_MESSAGES),
            counts: Counts::default(),
        }
    }

    /// With the zone of stamps that name none.
    pub fn zone(mut self, zone: Zone) -> Self {
        self.zone = zone;
        self
    }

    /// With a further server that takes mail from us and passes it on.
    pub fn own_relay(mut self, relay: OwnRelay) -> Self {
        self.judge.own_relays.push(relay);
        self
    }

    /// That takes only messages whose envelope sender is a signed return path of ours.
    pub fn require_token(mut self) -> Self {
        self.naming.require_token = true;
        self
    }

    /// That follows so many messages at once.
    pub fn most_messages(mut self, most: usize) -> Self {
        self.messages = Messages::new(most);
        self
    }

    /// What it has come by so far.
    pub fn counts(&self) -> Counts {
        Counts { forgotten: self.messages.forgotten(), ..self.counts }
    }

    /// How many messages it follows.
    pub fn followed(&self) -> usize {
        self.messages.len()
    }

    /// How many bytes of text it holds for them.
    pub fn followed_bytes(&self) -> usize {
        self.messages.bytes()
    }

    /// Reads a line. `now` gives stamps without a year theirs: one that would be in the future is last
    /// year's.
    pub fn read(&mut self, line: &[u8], now: DateTime<Utc>) -> Vec<Feedback> {
        self.counts.lines = self.counts.lines.saturating_add(1);
        if line.len() > MOST_LINE_BYTES {
            self.counts.too_long = self.counts.too_long.saturating_add(1);
            return Vec::new();
        }
        let text = String::from_utf8_lossy(line);
        let Some(line) = self.mta.line(text.trim_end()) else { return Vec::new() };
        let Some(entry) = self.mta.read(&line) else { return Vec::new() };
        let feedback = self.follow(&line, entry, now);
        let count = u64::try_from(feedback.len()).unwrap_or(u64::MAX);
        self.counts.feedback = self.counts.feedback.saturating_add(count);
        feedback
    }

    fn follow(&mut self, line: &Line<'_>, entry: Entry<'_>, now: DateTime<Utc>) -> Vec<Feedback> {
        // A queue id is one host's own.
        let id = entry.queue_id.map(|id| format!("{} {id}", line.host));
        let known = id.as_deref().and_then(|id| self.messages.remove(id));
        let is_known = known.is_some();
        let mut message = known.unwrap_or_default();
        let mut feedback = Vec::new();
        let follow = match entry.step {
            None => {
                message.note(&entry);
                true
            }
            Some(Step::Removed) => false,
            Some(Step::Expired) => {
                message.note(&entry);
                feedback = self.expired(line, &message, now);
                message.waiting.clear();
                true
            }
            Some(Step::Outcome(outcome)) => {
                feedback.extend(self.outcome(
                    line,
                    &message,
                    (entry.sender, id.is_none()),
                    &outcome,
                    now,
                ));
                message.heard(&outcome);
                is_known
            }
        };
        if let (Some(id), true) = (id, follow) {
            self.messages.put(&id, message);
        }
        feedback
    }

    fn outcome(
        &mut self,
        line: &Line<'_>,
        message: &Message,
        (sender, whole): (Option<&str>, bool),
        outcome: &Outcome<'_>,
        now: DateTime<Utc>,
    ) -> Option<Feedback> {
        let own;
        // A line that names the sender itself needs no other.
        let message = if message.sender.is_none() || self.naming.return_path(sender).is_some() {
            own = Message { sender: sender.map(Into::into), ..message.clone() };
            &own
        } else {
            message
        };
        let correlation = self.name(message, Some(outcome.recipient), whole)?;
        let mut private = Private::default();
        private.recipient = Some(outcome.recipient.into());
        private.text = (!outcome.text.is_empty()).then(|| Box::from(&*outcome.text));
        let event = self.judge.event(outcome, line.host);
        Some(self.feedback(line, line.text, correlation, event, now).private(private))
    }

    /// The line names no recipient: it speaks of all that still wait.
    fn expired(&mut self, line: &Line<'_>, message: &Message, now: DateTime<Utc>) -> Vec<Feedback> {
        let nobody = (None, Waiting::default());
        let waiting = message.waiting.iter().map(|(to, waiting)| (Some(&**to), waiting));
        // A token speaks for every recipient of its message: one event, whoever else waits.
        let most = if self.naming.token(message).is_some() { 1 } else { usize::MAX };
        let mut waiting: Vec<_> = waiting.take(most).collect();
        if waiting.is_empty() {
            waiting.push((nobody.0, &nobody.1));
        }
        let mut feedback = Vec::new();
        for (recipient, waiting) in waiting {
            let Some(correlation) = self.name(message, recipient, false) else { continue };
            // One line is several facts here; no line holds a line end.
            let text = match (&correlation, recipient) {
                (Correlation::Key(_), Some(to)) => Cow::Owned(format!("{}\n{to}", line.text)),
                _ => Cow::Borrowed(line.text),
            };
            let mut private = Private::default();
            private.recipient = recipient.map(Into::into);
            private.text = (!waiting.text.is_empty()).then(|| waiting.text.clone());
            let event = self.judge.expired(waiting, line.host);
            feedback.push(self.feedback(line, &text, correlation, event, now).private(private));
        }
        feedback
    }

    fn feedback(
        &self,
        line: &Line<'_>,
        text: &str,
        correlation: Correlation,
        event: Event,
        now: DateTime<Utc>,
    ) -> Feedback {
        let (host, time) = (line.host.into(), line.stamp.text.into());
        let identity = Identity::Log { line: text.into(), host, time };
        let source = Source::known(self.mta.source());
        let mut feedback = Feedback::new(correlation, event, identity, source)
            .claimed_at(line.stamp.instant(self.zone, now), now);
        feedback.provenance.rule = Some(self.mta.name().into());
        feedback.provenance.rules_version = Some(self.judge.classifier.version().to_owned().into());
        feedback
    }

    /// The delivery that is spoken of; where there is none, it is counted why.
    fn name(
        &mut self,
        message: &Message,
        recipient: Option<&str>,
        whole: bool,
    ) -> Option<Correlation> {
        let count = match self.naming.correlation(message, recipient, whole) {
            Ok(correlation) => return Some(correlation),
            Err(Unnamed::NotOurs) => &mut self.counts.not_ours,
            Err(Unnamed::Refused) => &mut self.counts.refused,
            Err(Unnamed::Unmatched) => &mut self.counts.unmatched,
        };
        *count = count.saturating_add(1);
        None
    }
}

/// Longer lines are not read. Postfix writes at most 2 KiB, Exim 8 KiB.
pub const MOST_LINE_BYTES: usize = 32 << 10;
