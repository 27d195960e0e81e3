//! What a line says of a recipient, as an event.

use mailtrail_classify::{Classifier, Reply};
use mailtrail_core::Event;
use mailtrail_core::diagnosis::{Diagnosis, EnhancedCode, ReplyCode};
use mailtrail_core::event::{Bounced, ConfirmedBy, Custom, Deferred, Delivered, Sent, SentStage};
use mailtrail_core::reason::Reason;

use crate::entry::{Fate, Outcome};
use crate::hop::{Hop, OwnRelay};
use crate::messages::Waiting;

/// Makes events of outcomes.
#[derive(Debug)]
pub(crate) struct Judge<'a> {
    pub(crate) classifier: &'a Classifier,
    pub(crate) own_relays: Vec<OwnRelay>,
}

impl Judge<'_> {
    /// The event that an outcome is evidence of. In doubt it is the weaker one.
    pub(crate) fn event(&self, outcome: &Outcome<'_>, log_host: &str) -> Event {
        let codes = Codes::of(&outcome.text, outcome.code);
        let server = outcome.hop.and_then(|hop| hop.server());
        // What the server itself has stored, the server itself has taken.
        let taker = server.or(Some(log_host)).filter(|host| !host.is_empty());
        let (host, taker) = (server.map(Box::from), taker.map(Box::from));
        match outcome.fate {
            Fate::Stored => delivered(&codes, taker),
            Fate::Taken if !self.is_on_the_way(outcome.hop.as_ref()) => delivered(&codes, taker),
            Fate::Taken | Fate::HandedOver => handed_over(&codes, taker, &outcome.text),
            Fate::Discarded => {
                let mut custom = Custom::default();
                custom.custom_type = "discarded".into();
                custom.into()
            }
            Fate::Deferred => {
                let mut deferred = Deferred::default();
                deferred.diagnosis = self.diagnosis(&codes, host, &outcome.text, log_host);
                deferred.into()
            }
            Fate::Bounced => {
                let mut bounced = Bounced::default();
                bounced.diagnosis = self.diagnosis(&codes, host, &outcome.text, log_host);
                bounced.into()
            }
        }
    }

    /// Given up, for what was said in the last attempt, if that is known.
    pub(crate) fn expired(&self, last: &Waiting, log_host: &str) -> Event {
        let codes = Codes::of(&last.text, last.code);
        let mut bounced = Bounced::default();
        bounced.diagnosis = self.diagnosis(&codes, last.host.clone(), &last.text, log_host);
        if bounced.diagnosis.reason == Reason::Unknown {
            because_expired(&mut bounced.diagnosis);
        }
        bounced.into()
    }

    fn is_on_the_way(&self, hop: Option<&Hop<'_>>) -> bool {
        // Without a name nobody can say whose server it was.
        hop.is_none_or(|hop| hop.is_on_the_way() || self.own_relays.iter().any(|own| own.is(hop)))
    }

    fn diagnosis(
        &self,
        codes: &Codes,
        host: Option<Box<str>>,
        text: &str,
        log_host: &str,
    ) -> Diagnosis {
        let mut diagnosis = Diagnosis::default();
        (diagnosis.reply_code, diagnosis.enhanced_code) = (codes.reply, codes.enhanced);
        diagnosis.remote_host = host;
        diagnosis.reporting_host = (!log_host.is_empty()).then(|| log_host.into());
        self.classifier.fill(&mut diagnosis, text);
        if diagnosis.reason == Reason::Unknown && text == EXPIRED {
            because_expired(&mut diagnosis);
        }
        diagnosis
    }
}

struct Codes {
    reply: Option<ReplyCode>,
    enhanced: Option<EnhancedCode>,
}

impl Codes {
    /// Of a text, and of what the line states beside it.
    fn of(text: &str, stated: Option<EnhancedCode>) -> Self {
        let said = Reply::parse(text);
        let is_exact = |code: &EnhancedCode| code.subject() != 0 || code.detail() != 0;
        let enhanced = stated.filter(is_exact).or(said.enhanced_code).or(stated);
        Self { reply: said.reply_code, enhanced }
    }
}

fn delivered(codes: &Codes, host: Option<Box<str>>) -> Event {
    let mut delivered = Delivered::default();
    (delivered.confirmed_by, delivered.host) = (ConfirmedBy::Mx, host);
    (delivered.reply_code, delivered.enhanced_code) = (codes.reply, codes.enhanced);
    delivered.into()
}

fn handed_over(codes: &Codes, host: Option<Box<str>>, text: &str) -> Event {
    let mut sent = Sent::default();
    (sent.stage, sent.host) = (SentStage::HandedOver, host);
    (sent.reply_code, sent.enhanced_code) = (codes.reply, codes.enhanced);
    sent.queue_id = queue_id(text).map(Into::into);
    sent.into()
}

/// What the next server calls the message, as Postfix and others say: `queued as 4F1…`.
fn queue_id(text: &str) -> Option<&str> {
    let (_, rest) = text.rsplit_once("queued as ").or_else(|| text.split_once("forwarded as "))?;
    let id = rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).next()?;
    (!id.is_empty()).then_some(id)
}

fn because_expired(diagnosis: &mut Diagnosis) {
    diagnosis.reason = Reason::Expired;
    diagnosis.rule = Some("log/expired".into());
}

/// OpenSMTPD's words when it gives up for good.
const EXPIRED: &str = "Envelope expired";
