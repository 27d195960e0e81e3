//! `keys`: the keys that sign tokens: which there are, another one, one less.

use clap::{Args, Subcommand};
use mailtrail::{KeyEntry, KeyState, KeysError, KeysFile};

use crate::failure::Failure;
use crate::output;
use crate::setup::Setup;

/// What to do with the keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Show which keys there are. Secrets are never shown.
    List,
    /// Add a fresh key, which signs from now on; the others still verify. Send `serve` a SIGHUP for it.
    Add,
    /// Retire a key: of its tokens only links still work (the pixel, clicks, unsubscribing). Send `serve`
    /// a SIGHUP for it.
    Retire(Retire),
}

#[derive(Debug, Args)]
pub(crate) struct Retire {
    /// The key's id.
    id: u8,
}

impl Keys {
    pub(crate) fn run(self, setup: &Setup) -> Result<(), Failure> {
        let file = KeysFile::at(setup.keys_path()?);
        let only = match self {
            Self::List => None,
            Self::Add => Some(file.add()?),
            Self::Retire(Retire { id }) => {
                file.retire(id).map_err(refused)?;
                Some(id)
            }
        };
        let keys = file.list().map_err(refused)?;
        let mut shown = keys.iter().filter(|key| only.is_none_or(|id| key.id == id));
        shown.try_for_each(|key| print(*key, setup.json))
    }
}

/// What is wrong with what was asked for, not with the file.
fn refused(error: KeysError) -> Failure {
    match error {
        KeysError::UnknownId { .. } | KeysError::LastKey { .. } => Failure::data(error),
        KeysError::Io { ref cause, .. } if cause.kind() == std::io::ErrorKind::NotFound => {
            Failure::input(error)
        }
        error => error.into(),
    }
}

fn print(key: KeyEntry, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return Ok(output::json(&key)?);
    }
    let state = match key.state {
        KeyState::Signs => "signs",
        KeyState::Verifies => "verifies",
        KeyState::Retired => "retired",
        _ => "unknown",
    };
    Ok(output::line(format!("{:>3}  {state}", key.id))?)
}
