//! The user's side of a connection: any number of requests at once, each answered when it is done.

use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use bytes::Bytes;
use futures_channel::oneshot;

use crate::frame::Frame;
use crate::message::{Answer, Request};
use crate::socket;

/// A connection to the owner.
#[derive(Debug)]
pub(crate) struct Link {
    output: Mutex<UnixStream>,
    pending: Arc<Pending>,
    next: AtomicU64,
}

/// Who waits for which answer; `None` once the connection has ended.
#[derive(Debug)]
struct Pending(Mutex<Option<HashMap<u64, oneshot::Sender<Frame>>>>);

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// It was never asked.
    NotSent(io::Error),
    /// It was asked, and the connection ended.
    Lost(io::Error),
}

impl Unanswered {
    pub(crate) fn into_cause(self) -> io::Error {
        match self {
            Self::NotSent(cause) | Self::Lost(cause) => cause,
        }
    }
}

impl Link {
    /// Connects, and says the first word. What the owner answers comes with the link.
    pub(crate) fn open(folder: &Path, hello: &Request) -> io::Result<(Self, Answer)> {
        let mut output = socket::connect(folder)?;
        let mut input = output.try_clone()?;
        Frame::new(0, hello, Vec::new())?.write(&mut output)?;
        let answer = Frame::read(&mut input)?.ok_or_else(ended)?.header()?;
        let pending = Arc::new(Pending(Mutex::new(Some(HashMap::new()))));
        let waiting = Arc::clone(&pending);
        thread::Builder::new()
            .name("mailtrail-remote".into())
            .spawn(move || deliver(&input, &waiting))?;
        Ok((Self { output: Mutex::new(output), pending, next: AtomicU64::new(1) }, answer))
    }

    /// Asks, and waits for the answer. A dropped future tells the owner that nobody waits.
    pub(crate) async fn ask(
        &self,
        request: &Request,
        records: Vec<Bytes>,
    ) -> Result<(Answer, Vec<Bytes>), Unanswered> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.pending.wait_for(number, sender).map_err(Unanswered::NotSent)?;
        let mut asked = Asked { link: self, number, answered: false };
        let sent = Frame::new(number, request, records).and_then(|frame| self.send(&frame));
        if let Err(cause) = sent {
            asked.answered = true;
            self.pending.forget(number);
            // A part of it may have gone out, which the owner can't read as a request.
            return Err(Unanswered::NotSent(cause));
        }
        let frame = receiver.await.map_err(|_| Unanswered::Lost(ended()));
        asked.answered = true;
        let frame = frame?;
        let answer = frame.header().map_err(Unanswered::Lost)?;
        Ok((answer, frame.records))
    }

    pub(crate) fn release(&self, name: &str) {
        self.tell(&Request::Release { name: name.to_owned() });
    }

    /// Says what has no answer. If the connection has ended it says it by that.
    fn tell(&self, request: &Request) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Frame::new(number, request, Vec::new()).and_then(|frame| self.send(&frame)).ok();
    }

    fn send(&self, frame: &Frame) -> io::Result<()> {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = frame.write(&mut *output);
        if sent.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::InvalidInput) {
            // What follows half a frame could not be read; what was asked before may still be answered.
            output.shutdown(Shutdown::Write).ok();
        }
        sent
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let output = self.output.get_mut().unwrap_or_else(PoisonError::into_inner);
        output.shutdown(Shutdown::Both).ok();
    }
}

/// A request whose caller may go.
struct Asked<'a> {
    link: &'a Link,
    number: u64,
    answered: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.link.pending.forget(self.number);
            self.link.tell(&Request::Cancel { request: self.number });
        }
    }
}

impl Pending {
    fn lock(&self) -> MutexGuard<'_, Option<HashMap<u64, oneshot::Sender<Frame>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for(&self, number: u64, sender: oneshot::Sender<Frame>) -> io::Result<()> {
        self.lock().as_mut().ok_or_else(ended)?.insert(number, sender);
        Ok(())
    }

    fn forget(&self, number: u64) {
        if let Some(waiting) = self.lock().as_mut() {
            waiting.remove(&number);
        }
    }
}

/// Hands each answer to who waits for it; at the end, tells all others that none will come.
fn deliver(mut input: &UnixStream, pending: &Pending) {
    while let Ok(Some(frame)) = Frame::read(&mut input) {
        let waits = pending.lock().as_mut().and_then(|waiting| waiting.remove(&frame.request));
        if let Some(sender) = waits {
            // Who has gone meanwhile needs no answer.
            sender.send(frame).ok();
        }
    }
    *pending.lock() = None;
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the owner of the store has gone")
}
