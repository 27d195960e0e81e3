//! That no server of a next hop takes anything at present, or none ever will.

use std::net::IpAddr;

use mail_send::Error;
use mailtrail_classify::Classifier;
use mailtrail_core::clock::Clock;
use mailtrail_core::diagnosis::{Diagnosis, Fault};
use mailtrail_core::event::Stage;
use mailtrail_core::reason::Reason;

use super::super::facts::Reply;
use super::super::session::{Heard, NotOpen, reply};

/// Why no message reaches a next hop: the same for each of its recipients.
#[derive(Debug, Clone)]
pub(in crate::send) struct Failure {
    pub(in crate::send) diagnosis: Diagnosis,
    /// Whether it may be otherwise later.
    pub(in crate::send) passing: bool,
    pub(in crate::send) text: String,
    pub(in crate::send) address: Option<IpAddr>,
    /// The server's refusal of the connection, if it said anything.
    pub(in crate::send) reply: Option<Reply>,
}

impl Failure {
    pub(in crate::send) fn passing(diagnosis: Diagnosis, text: String) -> Box<Self> {
        Box::new(Self { diagnosis, passing: true, text, address: None, reply: None })
    }

    pub(in crate::send) fn lasting(diagnosis: Diagnosis, text: String) -> Box<Self> {
        let mut failure = Self::passing(diagnosis, text);
        failure.passing = false;
        failure
    }

    /// That no connection to a host could be opened. Whatever it says to a connection, it may say
    /// otherwise later: only what it says to a recipient is about the recipient.
    pub(in crate::send) fn not_open(host: &str, not: NotOpen) -> Box<Self> {
        let mut failure = match not.error {
            Error::UnexpectedReply(reply) => refused(reply),
            error @ (Error::Tls(_) | Error::MissingStartTls | Error::InvalidTLSName) => {
                let diagnosis = of_the_other_side(Reason::TlsRequired, "tls_policy");
                Self::passing(diagnosis, format!("no encryption as required: {error}"))
            }
            error => {
                let diagnosis = of_the_other_side(Reason::ConnectionFailed, "connection");
                Self::passing(diagnosis, error.to_string())
            }
        };
        failure.diagnosis.remote_host = Some(host.into());
        failure.address = not.address;
        failure
    }

    /// What is wrong; of a refusal as the rules read it.
    pub(in crate::send) fn diagnosis(&self, classifier: &Classifier) -> Diagnosis {
        match &self.reply {
            Some(reply) => reply.diagnosis(self.diagnosis.remote_host.as_deref(), classifier),
            None => self.diagnosis.clone(),
        }
    }

    /// What was said, as it is stored.
    pub(in crate::send) fn heard<'a>(&self, clock: &'a dyn Clock) -> Heard<'a> {
        let mut heard = Heard::by(clock);
        if let Some(reply) = &self.reply {
            heard.add(Stage::Connect, reply);
        }
        heard
    }
}

fn refused(response: smtp_proto::Response<String>) -> Box<Failure> {
    let diagnosis = of_the_other_side(Reason::ConnectionFailed, "connection");
    let Ok(reply) = reply(response) else {
        return Failure::passing(diagnosis, "the server's greeting is none (RFC 5321 §4.2)".into());
    };
    let mut failure = Failure::passing(diagnosis, reply.text.clone());
    failure.reply = Some(reply);
    failure
}

fn of_the_other_side(reason: Reason, rule: &str) -> Diagnosis {
    let mut diagnosis = Diagnosis::because(reason);
    diagnosis.fault = Fault::RecipientSystem;
    diagnosis.rule = Some(rule.into());
    diagnosis
}
