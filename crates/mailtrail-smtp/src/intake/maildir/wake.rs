//! Waking up when a mail comes.

use std::path::Path;

/// Tells that something was put into a folder. It may miss something, and may tell of nothing: whoever is
/// woken looks, and looks now and then by itself.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(super) struct Wake(Option<tokio::net::unix::pipe::Receiver>);

#[cfg(target_os = "linux")]
impl Wake {
    /// Where the system has no more watches to give, nothing wakes.
    pub(super) fn new(folder: &Path) -> Self {
        use rustix::fs::inotify::{CreateFlags, init};
        let descriptor = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok();
        // Events are read from it as bytes from a pipe.
        let pipe = tokio::net::unix::pipe::Receiver::from_owned_fd_unchecked;
        let wake = Self(descriptor.and_then(|it| pipe(it).ok()));
        wake.watch(folder);
        wake
    }

    /// Also after the folder was put in the place of another one; asked for twice it is one watch.
    pub(super) fn watch(&self, folder: &Path) {
        use rustix::fs::inotify::{WatchFlags, add_watch};
        // A mail is renamed or linked to its place when it is whole.
        let comes = WatchFlags::MOVED_TO | WatchFlags::CREATE | WatchFlags::ONLYDIR;
        if let Some(descriptor) = &self.0 {
            add_watch(descriptor, folder, comes).ok();
        }
    }

    /// Resolves when something came since the last time. A queue of events that ran over is such a thing.
    pub(super) async fn woken(&self) {
        let Some(descriptor) = &self.0 else { return std::future::pending().await };
        if descriptor.readable().await.is_err() {
            std::future::pending::<()>().await;
        }
        let mut events = [0; 4096];
        while descriptor.try_read(&mut events).is_ok_and(|bytes| bytes > 0) {}
    }
}

#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub(super) struct Wake;

#[cfg(not(target_os = "linux"))]
impl Wake {
    pub(super) fn new(_: &Path) -> Self {
        Self
    }

    pub(super) fn watch(&self, _: &Path) {}

    pub(super) async fn woken(&self) {
        std::future::pending().await
    }
}
