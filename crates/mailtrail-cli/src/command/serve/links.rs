//! Links that log in to the page, once each.

use std::io;

use mailtrail::page::OpenPage;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;
use crate::output;

/// Whoever may send this process a signal, SIGUSR1, may read all that it holds: it is told a link.
pub(super) struct Links {
    asked: Signal,
}

impl Links {
    /// From now on the signal doesn't end the process.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { asked: signal(SignalKind::user_defined1())? })
    }

    /// Says a link at once, and another one whenever it is asked for; none where others could use it, too.
    pub(super) async fn tell(&mut self, page: &OpenPage, base: Option<&str>) -> Failure {
        let mut is_asked = false;
        loop {
            match base.map(|base| page.login_link(base)) {
                Some(Ok(link)) => output::note(format!(
                    "the page, for the first who opens this within 10 minutes: {link}"
                )),
                Some(Err(error)) => return Failure::other(error),
                None if is_asked => {
                    output::note("no link: it is told only on a loopback address");
                }
                None => {}
            }
            if self.asked.recv().await.is_none() {
                return Failure::other("signals are no longer heard");
            }
            is_asked = true;
        }
    }
}
