//! One of the three mail servers as our relay.

use std::net::SocketAddr;
use std::time::Duration;

use super::exim::Exim;
use super::opensmtpd::OpenSmtpd;
use super::postfix::{NotStarted, Postfix, PostfixConfig};

/// What a relay is to do, whichever it is.
pub(crate) struct RelayConfig {
    pub(crate) return_path_domain: String,
    pub(crate) lmtp: SocketAddr,
    /// Where the mail for a domain goes; no two at one address, as some give up a whole host.
    pub(crate) routes: Vec<(String, SocketAddr)>,
    /// How long it tries before it gives up and reports failure.
    pub(crate) lifetime: Duration,
    /// After how long it reports delay.
    pub(crate) warns_after: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Postfix,
    Exim,
    OpenSmtpd,
}

pub(crate) enum Relay {
    Postfix(Postfix),
    Exim(Exim),
    OpenSmtpd(OpenSmtpd),
}

impl Relay {
    /// Starts one; it listens when this returns.
    pub(crate) fn start(kind: Kind, config: &RelayConfig) -> Result<Self, NotStarted> {
        Ok(match kind {
            Kind::Postfix => Self::Postfix(Postfix::start(&postfix(config))?),
            Kind::Exim => Self::Exim(Exim::start(config)?),
            Kind::OpenSmtpd => Self::OpenSmtpd(OpenSmtpd::start(config)?),
        })
    }

    /// Where it takes mail.
    pub(crate) fn smtp_addr(&self) -> SocketAddr {
        match self {
            Self::Postfix(postfix) => postfix.smtp_addr(),
            Self::Exim(exim) => exim.smtp_addr(),
            Self::OpenSmtpd(opensmtpd) => opensmtpd.smtp_addr(),
        }
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        match self {
            Self::Postfix(postfix) => postfix.log(),
            Self::Exim(exim) => exim.log(),
            Self::OpenSmtpd(opensmtpd) => opensmtpd.log(),
        }
    }
}

fn postfix(config: &RelayConfig) -> PostfixConfig {
    let mut postfix = PostfixConfig::new(&config.return_path_domain, config.lmtp);
    for (domain, to) in &config.routes {
        postfix.relay(domain, to);
    }
    postfix.queue_lifetime = config.lifetime;
    postfix.settings.push(format!("delay_warning_time = {}s", config.warns_after.as_secs()));
    // Who offers DSN is told what was asked for.
    postfix.settings.push("smtp_discard_ehlo_keywords =".into());
    postfix
}
