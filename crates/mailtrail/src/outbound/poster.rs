//! How messages get to a subscriber.

use std::fmt;

use async_trait::async_trait;
use mailtrail_webhook::outbound::{Answer, Failed, Message};

/// Brings a message to a subscriber: one attempt.
///
/// # For implementors
/// Answer only when the message is safe there: it never comes again after a success. What is no HTTP server answers as
/// one would, 200 when it is done. The same message may come twice, with the same id. Calls come within a
/// tokio runtime of one thread, which is the subscriber's own: what blocks belongs on `spawn_blocking`.
///
/// # Cancellation
/// A future that is dropped has perhaps brought the message: it comes again.
///
/// ```
/// use mailtrail::outbound::{Poster, Subscriber};
/// use mailtrail::webhook::outbound::{Answer, Failed, Message};
///
/// #[derive(Debug)]
/// struct ToNobody;
///
/// #[async_trait::async_trait]
/// impl Poster for ToNobody {
///     async fn post(&self, _: &Message) -> Result<Answer, Failed> {
///         Ok(Answer::status(200))
///     }
/// }
/// assert!(Subscriber::new("nobody", ToNobody).is_ok());
/// ```
#[async_trait]
pub trait Poster: Send + Sync + fmt::Debug {
    /// Brings it once.
    ///
    /// # Errors
    /// [`Failed`] if there was no answer.
    async fn post(&self, message: &Message) -> Result<Answer, Failed>;
}
