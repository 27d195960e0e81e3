//! How mails that come back are taken: by option, environment or configuration file, in this order.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

/// `[intake]` in the configuration, and the options of the same names.
#[derive(Debug, Clone, Default, Deserialize, Args)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Intake {
    /// Where bounce mails are taken by LMTP: 127.0.0.1:8024 unless set.
    #[arg(long, env = "MAILTRAIL_LMTP", value_name = "ADDRESS:PORT")]
    lmtp: Option<SocketAddr>,
    /// Where bounce mails are taken by SMTP, if there is no mail server in front.
    #[arg(long, env = "MAILTRAIL_SMTP", value_name = "ADDRESS:PORT")]
    smtp: Option<SocketAddr>,
    /// What it calls itself to those who bring mails.
    #[arg(long, env = "MAILTRAIL_HOSTNAME", value_name = "NAME")]
    hostname: Option<String>,
    /// By SMTP also take mails that are not from <>: answers of people.
    #[arg(long)]
    any_sender: bool,
    /// A Maildir to watch for bounce mails; may be given again.
    #[arg(long, env = "MAILTRAIL_MAILDIR", value_name = "FOLDER")]
    maildir: Vec<PathBuf>,
    /// At the start also take what lies unseen in cur/ of the Maildirs.
    #[arg(long)]
    and_cur: bool,
    /// Refuse reports that did not come to a signed return path.
    #[arg(long)]
    require_token: bool,
}

/// The same, complete.
#[derive(Debug, Clone)]
pub(crate) struct IntakeSettings {
    pub(crate) lmtp: SocketAddr,
    pub(crate) smtp: Option<SocketAddr>,
    pub(crate) hostname: String,
    pub(crate) any_sender: bool,
    pub(crate) maildirs: Vec<PathBuf>,
    pub(crate) and_cur: bool,
    pub(crate) require_token: bool,
    pub(crate) domain: String,
}

impl Intake {
    /// What is set here, else what is set there.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            lmtp: self.lmtp.or(other.lmtp),
            smtp: self.smtp.or(other.smtp),
            hostname: self.hostname.or(other.hostname),
            any_sender: self.any_sender || other.any_sender,
            maildir: if self.maildir.is_empty() { other.maildir } else { self.maildir },
            and_cur: self.and_cur || other.and_cur,
            require_token: self.require_token || other.require_token,
        }
    }

    /// For the return paths of this domain.
    pub(crate) fn settings(self, domain: &str) -> IntakeSettings {
        IntakeSettings {
            lmtp: self.lmtp.unwrap_or(([127, 0, 0, 1], 8024).into()),
            smtp: self.smtp,
            hostname: self.hostname.unwrap_or_else(|| "localhost".into()),
            any_sender: self.any_sender,
            maildirs: self.maildir,
            and_cur: self.and_cur,
            require_token: self.require_token,
            domain: domain.to_owned(),
        }
    }
}

impl IntakeSettings {
    /// By LMTP on any port of this host.
    pub(crate) fn loopback(domain: &str) -> Self {
        let lmtp = Some(([127, 0, 0, 1], 0).into());
        Intake { lmtp, ..Intake::default() }.settings(domain)
    }
}
