//! The ways by which mails come back: LMTP, SMTP, Maildirs.

use std::sync::Arc;

use mailtrail::serve::Metrics;
use mailtrail::smtp::intake::{Intake, LmtpIntake, Maildir, SmtpIntake, Standing, Watching};
use mailtrail::smtp::server::{Protocol, Running, Server};

use crate::command::ingest::intake;
use crate::failure::Failure;
use crate::intake::IntakeSettings;
use crate::setup::Opened;

/// A Maildir, and how it stands.
pub(crate) type Stands = (String, Box<dyn Fn() -> Standing + Send + Sync>);

/// All ways by which mails come back.
pub(crate) struct Mail {
    pub(crate) lmtp: Running,
    pub(crate) smtp: Option<Running>,
    maildirs: Vec<(String, Watching)>,
    /// Each way has its own, so that what came is counted by it.
    intakes: Vec<(String, Arc<Intake>)>,
}

impl Mail {
    pub(super) async fn open(opened: &Opened, settings: &IntakeSettings) -> Result<Self, Failure> {
        let mut intakes = Vec::new();
        let mut intake_of = |source: String| {
            let mut intake = intake(opened, &settings.domain)?;
            if settings.require_token {
                intake = intake.require_token();
            }
            let intake = Arc::new(intake);
            intakes.push((source, Arc::clone(&intake)));
            Ok::<_, Failure>(intake)
        };
        let mut watched = Vec::new();
        for (folder, number) in settings.maildirs.iter().zip(1..) {
            let source = format!("maildir_{number}");
            let maildir =
                Maildir::open(folder, intake_of(source.clone())?).map_err(Failure::data)?;
            watched.push((source, if settings.and_cur { maildir.and_cur() } else { maildir }));
        }
        let handler = LmtpIntake::new(intake_of("lmtp".into())?);
        let server = Server::new(Protocol::Lmtp, handler).hostname(&settings.hostname);
        let lmtp = server.bind(settings.lmtp).await?;
        let smtp = match settings.smtp {
            Some(address) => {
                let handler = SmtpIntake::new(intake_of("smtp".into())?);
                let handler = if settings.any_sender { handler.any_sender() } else { handler };
                let server = Server::new(Protocol::Smtp, handler).hostname(&settings.hostname);
                Some(server.limits(SmtpIntake::limits()).bind(address).await?)
            }
            None => None,
        };
        let maildirs = watched.into_iter().map(|(name, maildir)| (name, maildir.watch())).collect();
        Ok(Self { lmtp, smtp, maildirs, intakes })
    }

    pub(super) fn show(&self, mut metrics: Metrics) -> Metrics {
        for (source, intake) in &self.intakes {
            metrics = metrics.mail_intake(source, Arc::clone(intake));
        }
        metrics = metrics.mail_listener("lmtp", self.lmtp.watch());
        if let Some(smtp) = &self.smtp {
            metrics = metrics.mail_listener("smtp", smtp.watch());
        }
        for (source, maildir) in &self.maildirs {
            metrics = metrics.maildir(source, maildir.watch());
        }
        metrics
    }

    /// How each Maildir stands.
    pub(super) fn watched(&self) -> Vec<Stands> {
        let of = |(name, watching): &(String, Watching)| {
            (name.clone(), Box::new(watching.watch()) as Box<_>)
        };
        self.maildirs.iter().map(of).collect()
    }

    /// Takes nothing new; messages under way get their replies.
    pub(super) async fn close(self) {
        for (_, maildir) in self.maildirs {
            maildir.stop().await;
        }
        if let Some(smtp) = self.smtp {
            smtp.stop().await;
        }
        self.lmtp.stop().await;
    }
}
