//! The course of one message, whichever kind of transport takes it.

use std::error::Error;
use std::future::Future;

use lettre::address::Envelope;
use lettre::{Address, AsyncTransport, Transport};

use super::attempt::Subject;
use super::copy::Recipient;
use super::error::TrackedError;
use super::headers::{HeaderError, Told};
use super::recorder::Recorder;
use super::reply::{NotTaken, accepted};

/// Hands a copy to a transport, asynchronous or not.
pub(super) trait Transmit: Sync {
    type Ok: Send + 'static;
    type Error: Error + Send + Sync + 'static;

    fn transmit(
        &self,
        envelope: &Envelope,
        message: &[u8],
    ) -> impl Future<Output = Result<Self::Ok, Self::Error>> + Send;
}

pub(super) struct Awaited<'a, T>(pub(super) &'a T);
pub(super) struct Blocking<'a, T>(pub(super) &'a T);

impl<T> Transmit for Awaited<'_, T>
where
    T: AsyncTransport + Sync,
    T::Ok: Send + 'static,
    T::Error: Error + Send + Sync + 'static,
{
    type Ok = T::Ok;
    type Error = T::Error;

    async fn transmit(&self, envelope: &Envelope, message: &[u8]) -> Result<T::Ok, T::Error> {
        self.0.send_raw(envelope, message).await
    }
}

impl<T> Transmit for Blocking<'_, T>
where
    T: Transport + Sync,
    T::Ok: Send + 'static,
    T::Error: Error + Send + Sync + 'static,
{
    type Ok = T::Ok;
    type Error = T::Error;

    async fn transmit(&self, envelope: &Envelope, message: &[u8]) -> Result<T::Ok, T::Error> {
        self.0.send_raw(envelope, message)
    }
}

/// Plans the rows of a message, then sends its copies one after the other.
pub(super) async fn deliver<X: Transmit>(
    recorder: &Recorder,
    by: &X,
    envelope: &Envelope,
    message: &[u8],
) -> Result<X::Ok, TrackedError<X::Error>> {
    recorder.replay_what_waits().await;
    let fresh = recorder.fresh().map_err(TrackedError::Store)?;
    let told = Told::read(message, fresh).map_err(TrackedError::Headers)?;
    let recipients = Recipient::all(&recorder.namespace(), &told, envelope)
        .map_err(|error| TrackedError::Headers(HeaderError::Contact(error)))?;
    let is_planned = recorder.plan(&told, &recipients).await?;
    let mut results = Vec::with_capacity(recipients.len());
    for to in recipients {
        let result = deliver_one(recorder, by, envelope, (&told, &to), is_planned).await;
        results.push((to.to, result));
    }
    sum(results)
}

async fn deliver_one<X: Transmit>(
    recorder: &Recorder,
    by: &X,
    envelope: &Envelope,
    (told, to): (&Told, &Recipient),
    is_planned: bool,
) -> Result<X::Ok, TrackedError<X::Error>> {
    let copy = recorder.copy(told, envelope, to)?;
    let (kind, message_id) = (told.broadcast.kind(), copy.message_id.as_str());
    let attempt = recorder.take_attempt(Subject { to, kind, message_id, is_planned }).await?;
    match by.transmit(&copy.envelope, &copy.message).await {
        Ok(ok) => {
            recorder.taken(to, attempt, accepted(&ok)).await;
            Ok(ok)
        }
        Err(error) => {
            recorder.not_taken(to, attempt, NotTaken::of(&error)).await;
            Err(TrackedError::Transport(error))
        }
    }
}

/// One answer for all recipients: that of the only one, or of the last if all were reached.
fn sum<Ok, E: Error + 'static>(
    mut results: Vec<(Address, Result<Ok, TrackedError<E>>)>,
) -> Result<Ok, TrackedError<E>> {
    if results.len() == 1
        && let Some((_, result)) = results.pop()
    {
        return result;
    }
    let (mut last, mut failed, mut reached) = (None, Vec::new(), Vec::new());
    for (to, result) in results {
        match result {
            Ok(ok) => {
                last = Some(ok);
                reached.push(to);
            }
            Err(TrackedError::SentBefore) => reached.push(to),
            Err(error) => failed.push((to, error)),
        }
    }
    match last {
        Some(ok) if failed.is_empty() => Ok(ok),
        None if failed.is_empty() => Err(TrackedError::SentBefore),
        Some(_) | None => Err(TrackedError::Several { failed, reached }),
    }
}
