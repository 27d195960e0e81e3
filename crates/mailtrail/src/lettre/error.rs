//! Why a message was not sent, or may not have been.

use std::io;

use lettre::Address;
use mailtrail_classify::RulesError;
use mailtrail_core::Status;
use mailtrail_core::plan::PlanError;
use mailtrail_core::store::{AppendError, BoxError, ReadError};
use mailtrail_webhook::instrument::InstrumentError;

use super::headers::HeaderError;
use crate::tracker::RecordError;

/// Why a recipient did not get a message, as far as is known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrackedError<E: std::error::Error + 'static> {
    /// The transport's own error, which the trail has too. After a connection that broke the attempt is
    /// in doubt.
    #[error("the mail was not sent")]
    Transport(#[source] E),
    /// The trail could not be written, so nothing was sent.
    #[error("the trail could not be written, so nothing was sent")]
    Store(#[source] StoreError),
    /// What the message says about itself can't be, so nothing was sent.
    #[error("the message's own headers are wrong, so nothing was sent")]
    Headers(#[source] HeaderError),
    /// The envelope of a recipient can't be written, so nothing was sent: the domain of the return path may
    /// be none.
    #[error("the envelope can't be written, so nothing was sent: check the return path")]
    Envelope(#[source] BoxError),
    /// The message can't be instrumented, so nothing was sent.
    #[error("the message can't be instrumented, so nothing was sent")]
    Instrument(#[source] InstrumentError),
    /// The recipient's message was taken before, so nothing was sent.
    #[error("nothing was sent: the message was taken before")]
    SentBefore,
    /// The delivery is not to be sent: its address is blocked, wrong or another row's, or it was given up.
    #[error("nothing was sent: the delivery is {}", .0.label())]
    Settled(Status),
    /// An earlier attempt is in doubt, so nothing was sent:
    /// [`OnDoubt::Resend`](mailtrail_core::evidence::OnDoubt::Resend) would have.
    #[error("nothing was sent: an earlier attempt is in doubt")]
    InDoubt,
    /// Of several recipients these did not get it.
    #[error("{} of {} recipients were not reached", failed.len(), failed.len() + reached.len())]
    Several {
        /// Who did not get it, each with its own error.
        failed: Vec<(Address, Self)>,
        /// Whose message was taken, now or before.
        reached: Vec<Address>,
    },
}

/// Why the trail could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The rows could not be planned.
    #[error("the rows could not be planned")]
    Plan(#[from] PlanError),
    /// The store could not be read.
    #[error("the store could not be read")]
    Read(#[from] ReadError),
    /// An event could not be stored.
    #[error("an event could not be stored")]
    Record(#[from] RecordError),
    /// Neither the store nor the spool took an event.
    #[error("neither the store nor the spool took an event")]
    Spool(#[from] SpoolError),
}

/// Why there is no [`TrackedTransport`](super::TrackedTransport).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The spool can't be used.
    #[error("the spool can't be used")]
    Spool(#[from] SpoolError),
    /// The rules for replies can't be read.
    #[error("the rules for replies can't be read")]
    Rules(#[from] RulesError),
}

/// What is wrong with a spool.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// Its file can't be read or written.
    #[error("the spool's file can't be used")]
    Io(#[from] io::Error),
    /// Another transport has it.
    #[error("the spool is in use: give each transport a file of its own")]
    InUse,
    /// A line is no event. All others are recorded, and the file stays as it is: mend or remove the line.
    #[error("line {line} of the spool is no event: mend or remove it")]
    Damaged {
        /// Which line, counted from 1.
        line: usize,
    },
    /// The store takes no events yet. The spool keeps them: replay it later.
    #[error("the store takes no events yet")]
    Append(#[from] AppendError),
}
