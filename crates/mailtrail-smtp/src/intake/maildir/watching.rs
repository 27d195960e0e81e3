use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::folder::Part;
use super::wake::Wake;
use super::{Maildir, TakeError};

/// A Maildir that is being watched. Dropped, it stops as with [`stop`](Self::stop), in the background.
#[derive(Debug)]
pub struct Watching {
    standing: Arc<Mutex<Standing>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// How it goes with a Maildir.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// Times that it was looked through to the end.
    pub looks: u64,
    /// Times that something stood in the way, in all.
    pub failures: u64,
    /// What stands in the way now; mails wait. `None` if all that came was taken.
    pub stuck: Option<String>,
}

impl Maildir {
    /// Takes what is there, and then what comes, until it is stopped.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time.
    pub fn watch(self) -> Watching {
        let (stop, stopping) = watch::channel(false);
        let standing = Arc::new(Mutex::new(Standing::default()));
        let task = tokio::spawn(self.run(Arc::clone(&standing), stopping));
        Watching { standing, stop, task }
    }

    async fn run(mut self, standing: Arc<Mutex<Standing>>, mut stop: watch::Receiver<bool>) {
        let new = self.folder.part(Part::New);
        let wake = Wake::new(&new);
        let mut failures: u32 = 0;
        loop {
            wake.watch(&new);
            let taken = tokio::select! {
                // What it breaks off is recorded or not, and stays where it is: it is read again.
                () = stopped(&mut stop) => return,
                taken = self.take_all() => taken,
            };
            note(&standing, &taken);
            let pause = if taken.is_ok() {
                (self.and_cur, failures) = (false, 0);
                self.look_every
            } else {
                failures = failures.saturating_add(1);
                self.pause(failures)
            };
            tokio::select! {
                () = stopped(&mut stop) => return,
                () = wake.woken(), if taken.is_ok() => {}
                () = sleep(pause) => {}
            }
        }
    }

    /// After so many failures in a row.
    fn pause(&self, failures: u32) -> Duration {
        let (first, last) = self.retry;
        first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(last)
    }
}

impl Watching {
    /// How it goes.
    pub fn standing(&self) -> Standing {
        read(&self.standing)
    }

    /// The same, for who looks again and again.
    pub fn watch(&self) -> impl Fn() -> Standing + Send + Sync + use<> {
        let standing = Arc::clone(&self.standing);
        move || read(&standing)
    }

    /// Takes no more mails. One that it is looking through stays, and is read again the next time.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // It ends by itself; an error would be a panic of it, and then it has stopped too.
        drop(self.task.await);
    }
}

fn read(standing: &Mutex<Standing>) -> Standing {
    standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn note(standing: &Mutex<Standing>, taken: &Result<(), TakeError>) {
    let mut standing = standing.lock().unwrap_or_else(PoisonError::into_inner);
    match taken {
        Ok(()) => {
            standing.looks = standing.looks.saturating_add(1);
            standing.stuck = None;
        }
        Err(error) => {
            standing.failures = standing.failures.saturating_add(1);
            standing.stuck = Some(in_full(error));
        }
    }
}

/// An error with its causes, each behind a colon.
fn in_full(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Resolves once it is to stop, or is dropped.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}
