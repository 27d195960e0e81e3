//! Keys and accounts, read anew while it serves.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::ports::{Ports, accounts};
use crate::failure::Failure;
use crate::output;
use crate::setup::{Opened, Setup};

/// SIGHUP: the configuration and the keys have changed.
pub(super) struct Reload {
    asked: Signal,
}

impl Reload {
    /// From now on the signal doesn't end the process.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { asked: signal(SignalKind::hangup())? })
    }

    /// Reads them whenever it is asked to: all of it is used, or nothing.
    pub(super) async fn serve(&mut self, setup: &Setup, opened: &Opened, ports: &Ports) -> Failure {
        while self.asked.recv().await.is_some() {
            match reload(setup, opened, ports) {
                Ok(count) => output::note(format!("read anew: the keys, and {count} accounts")),
                Err(failure) => output::note(format!(
                    "nothing was changed, keys and accounts are as before: {}",
                    failure.text()
                )),
            }
        }
        Failure::other("signals are no longer heard")
    }
}

fn reload(setup: &Setup, opened: &Opened, ports: &Ports) -> Result<usize, Failure> {
    let accounts = accounts(&setup.config()?.webhook)?;
    let gone = || Failure::data("the keys file is gone");
    let keys = setup.open_keys()?.ok_or_else(gone)?;
    let count = accounts.len();
    opened.keys.replace_by(&keys);
    ports.replace_accounts(accounts);
    Ok(count)
}
