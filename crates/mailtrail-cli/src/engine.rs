//! Which embedded store a folder has.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mailtrail::core::projection::StateStore;
use mailtrail::core::store::OpenError;
use mailtrail::core::store::writer::{Restore, RestoreError};
use mailtrail::core::{EventStore, Namespace};
use mailtrail::fjall::{FjallStates, FjallStore};
use mailtrail::sled::{SledStates, SledStore};

/// An embedded store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sled,
    Fjall,
}

/// The events and the kept states of a folder.
type Opened = (Arc<dyn EventStore>, Arc<dyn StateStore>);

/// A store's folder, and what it is opened by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) engine: Engine,
    pub(crate) folder: PathBuf,
}

impl Place {
    /// The folder that a store's text names; `None` if it names none.
    pub(crate) fn of(spec: &str) -> Option<Self> {
        let (engine, folder) = match spec.split_once(':') {
            Some(("sled", folder)) => (Engine::Sled, folder),
            Some(("fjall", folder)) => (Engine::Fjall, folder),
            // A folder says itself what it is; a new one is of the faster engine.
            _ if SledStore::is_in(spec) => (Engine::Sled, spec),
            _ => (Engine::Fjall, spec),
        };
        (!folder.is_empty()).then(|| Self { engine, folder: folder.into() })
    }

    pub(crate) fn open(&self) -> Result<Opened, OpenError> {
        let states = self.folder.join("projections");
        Ok(match self.engine {
            Engine::Sled => {
                // Its lock holds for the states, too.
                let store = SledStore::open(&self.folder)?;
                (Arc::new(store), Arc::new(SledStates::open(states)?))
            }
            Engine::Fjall => {
                let store = FjallStore::open(&self.folder)?;
                (Arc::new(store), Arc::new(FjallStates::open(states)?))
            }
        })
    }

    pub(crate) fn restore(&self, namespace: Namespace) -> Result<Restore, RestoreError> {
        match self.engine {
            Engine::Sled => SledStore::restore(&self.folder, namespace),
            Engine::Fjall => FjallStore::restore(&self.folder, namespace),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_there_says_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trail");
        let bare = path.to_str().unwrap();
        assert_eq!(Place::of(&format!("fjall:{bare}")).unwrap().engine, Engine::Fjall);
        assert_eq!(Place::of(bare).unwrap().engine, Engine::Fjall, "it is not there yet");
        for (named, other) in [("sled", "fjall"), ("fjall", "sled")] {
            let folder = tempfile::tempdir().unwrap();
            let bare = folder.path().to_str().unwrap();
            let place = Place::of(&format!("{named}:{bare}")).unwrap();
            drop(place.open().unwrap());
            assert_eq!(Place::of(bare).unwrap(), place);
            let refused = Place::of(&format!("{other}:{bare}")).unwrap().open();
            assert!(
                matches!(refused, Err(OpenError::Foreign { expected, .. }) if expected == other)
            );
        }
        assert_eq!(Place::of("fjall:"), None);
    }
}
