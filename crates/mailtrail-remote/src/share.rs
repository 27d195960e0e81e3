//! The owner's side: who comes, and when it ends.

use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use mailtrail_core::EventStore;
use mailtrail_core::projection::StateStore;

use crate::connection;
use crate::lease::Leases;
use crate::socket;

/// A store that is shared on `control.sock` in its folder, for as long as this lives.
///
/// # Guarantees
/// What is acknowledged to a user is as durable as the store says. A user that never reads its answers
/// holds up nobody but itself. When this ends, what was asked before is answered first, within a second.
#[derive(Debug)]
pub struct Share {
    folder: PathBuf,
    leases: Leases,
    open: Arc<Open>,
    accepts: Option<thread::JoinHandle<()>>,
}

/// What users get.
#[derive(Debug, Clone)]
struct Shared {
    store: Arc<dyn EventStore>,
    states: Option<Arc<dyn StateStore>>,
}

/// The connections that are open, so that they can be ended.
#[derive(Debug, Default)]
struct Open {
    closed: AtomicBool,
    connections: Mutex<HashMap<u64, UnixStream>>,
    /// Told when one has gone.
    left: Condvar,
}

impl Share {
    /// Shares a store. Only the process that owns the folder may do so.
    ///
    /// # Errors
    /// That of the operating system.
    pub fn start(store: Arc<dyn EventStore>, folder: impl Into<PathBuf>) -> io::Result<Self> {
        Self::begin(Shared { store, states: None }, folder.into())
    }

    /// Shares a store, and the states of projections that are kept beside it.
    ///
    /// # Errors
    /// That of the operating system.
    pub fn start_with(
        store: Arc<dyn EventStore>,
        states: Arc<dyn StateStore>,
        folder: impl Into<PathBuf>,
    ) -> io::Result<Self> {
        Self::begin(Shared { store, states: Some(states) }, folder.into())
    }

    fn begin(shared: Shared, folder: PathBuf) -> io::Result<Self> {
        let listener = socket::listen(&folder)?;
        let (leases, open) = (Leases::default(), Arc::new(Open::default()));
        let users = (leases.clone(), Arc::clone(&open));
        let accepts = thread::Builder::new()
            .name("mailtrail-share".into())
            .spawn(move || accept(&listener, &shared, &users.0, &users.1))?;
        Ok(Self { folder, leases, open, accepts: Some(accepts) })
    }

    /// The leases that users take, for the owner to take too.
    pub fn leases(&self) -> &Leases {
        &self.leases
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.open.closed.store(true, Ordering::Release);
        // Wakes the thread that waits for the next user.
        let woken = socket::connect(&self.folder).is_ok();
        socket::remove(&self.folder);
        // What was asked is answered, so that users hear why the store is no longer to be had; but nobody waits for one
        // that doesn't read its answers.
        self.open.shut_down(Shutdown::Read);
        self.open.wait(STOP_GRACE);
        self.open.shut_down(Shutdown::Both);
        if let Some(accepts) = self.accepts.take().filter(|_| woken) {
            accepts.join().ok();
        }
    }
}

impl Open {
    fn shut_down(&self, how: Shutdown) {
        for connection in self.lock().values() {
            connection.shutdown(how).ok();
        }
    }

    /// Waits until all have gone, or for so long.
    fn wait(&self, at_most: Duration) {
        let open = |connections: &mut HashMap<u64, UnixStream>| !connections.is_empty();
        drop(self.left.wait_timeout_while(self.lock(), at_most, open));
    }

    fn remove(&self, number: u64) {
        self.lock().remove(&number);
        self.left.notify_all();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, UnixStream>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &UnixListener, shared: &Shared, leases: &Leases, open: &Arc<Open>) {
    for (number, stream) in (0_u64..).zip(listener.incoming()) {
        if open.closed.load(Ordering::Acquire) {
            return;
        }
        // One that could not be accepted tries again; the others go on.
        let Ok(stream) = stream else { continue };
        let Ok(kept) = stream.try_clone() else { continue };
        open.lock().insert(number, kept);
        let (shared, leases, of) = (shared.clone(), leases.clone(), Arc::clone(open));
        let spawned = thread::Builder::new().name("mailtrail-user".into()).spawn(move || {
            connection::serve(&stream, &*shared.store, shared.states.as_deref(), &leases);
            stream.shutdown(Shutdown::Both).ok();
            of.remove(number);
        });
        if spawned.is_err() {
            open.remove(number);
        }
    }
}

/// How long answers are waited for at the end.
const STOP_GRACE: Duration = Duration::from_secs(1);
