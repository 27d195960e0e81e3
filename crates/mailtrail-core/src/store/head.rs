//! The end of the log, and how to wait for it to move.

use std::sync::{Mutex, PoisonError};

use futures_channel::oneshot;

use super::position::Position;
use crate::event::ChainHash;

/// The end of the log: what an auditor keeps elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Head {
    /// The last position.
    pub position: Position,
    /// The chain hash of the record there; all zeros if there is none.
    pub hash: ChainHash,
}

impl Head {
    /// The head at this position.
    pub fn new(position: Position, hash: ChainHash) -> Self {
        Self { position, hash }
    }
}

/// A head that readers can wait on. Needs no runtime.
///
/// ```
/// use mailtrail_core::store::{Head, HeadWatch, Position};
/// let watch = HeadWatch::new(Head::default());
/// watch.publish(Head::new(Position::new(1), Default::default()));
/// let seen = futures_executor::block_on(watch.changed(Position::START));
/// assert_eq!(seen, Position::new(1));
/// ```
#[derive(Debug, Default)]
pub struct HeadWatch(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    head: Head,
    waiting: Vec<oneshot::Sender<()>>,
}

impl HeadWatch {
    /// A watch on this head.
    pub fn new(head: Head) -> Self {
        Self(Mutex::new(Watched { head, waiting: Vec::new() }))
    }

    /// The head now.
    pub fn head(&self) -> Head {
        self.lock().head
    }

    /// Moves the head and wakes everyone who waits.
    pub fn publish(&self, head: Head) {
        let waiting = {
            let mut watched = self.lock();
            watched.head = head;
            std::mem::take(&mut watched.waiting)
        };
        for waiter in waiting {
            // Who no longer waits needs no waking.
            waiter.send(()).ok();
        }
    }

    /// Resolves when there is something after `past`, with the last position.
    pub async fn changed(&self, past: Position) -> Position {
        loop {
            let woken = {
                let mut watched = self.lock();
                if watched.head.position > past {
                    return watched.head.position;
                }
                watched.waiting.retain(|waiter| !waiter.is_canceled());
                let (sender, receiver) = oneshot::channel();
                watched.waiting.push(sender);
                receiver
            };
            // A lost sender means a publish too: look again.
            woken.await.ok();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
