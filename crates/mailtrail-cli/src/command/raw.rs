//! `raw`: what came in, as it came in.

use clap::Args;
use mailtrail::core::event::RawHash;

use crate::failure::Failure;
use crate::output;
use crate::setup::Setup;

/// Writes the bytes of a mail or a request that is kept raw to standard output.
#[derive(Debug, Args)]
pub(crate) struct Raw {
    /// Its SHA-256, as `explain` and `ingest` name it.
    hash: RawHash,
}

impl Raw {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        let opened = setup.open_as_it_is()?;
        match opened.raw.read(self.hash).await? {
            Some(bytes) => Ok(output::bytes(&bytes)?),
            None => Err(Failure::input(format!("{} is not here, or has expired", self.hash))),
        }
    }
}
