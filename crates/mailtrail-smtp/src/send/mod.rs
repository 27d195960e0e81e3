//! Sending: one message a recipient over one reused connection, each reply recorded.

mod connection;
mod relay;
mod schedule;
mod sender;

pub use relay::{Credentials, Relay, TalksTo, Tls};
pub use schedule::{ParseScheduleError, Schedule};
pub use sender::{OnDoubt, Outcome, Random, SendError, Sender};
