//! Sending: one message a recipient over one reused connection, each reply recorded.

mod connection;
mod error;
pub mod facts;
mod outcome;
mod relay;
mod schedule;
mod sender;
mod tls;

pub use error::SendError;
pub use facts::Reply;
pub use outcome::Outcome;
pub use relay::{Credentials, Relay, TalksTo};
pub use schedule::{ParseScheduleError, Schedule};
pub use sender::{Random, Sender};
pub use tls::{Authorities, ParseAuthoritiesError, Tls};
