//! Sending: one message a recipient over connections that are used again, each reply recorded.

mod client;
mod dispatch;
mod error;
pub mod facts;
mod outcome;
mod pool;
mod relay;
mod route;
mod schedule;
mod sender;
mod session;
mod tls;

pub use client::{Client, ClientError};
pub use dispatch::{Dispatched, Dispatcher, Happening, Limits};
pub use error::SendError;
pub use facts::Reply;
pub use outcome::Outcome;
pub use relay::{Credentials, Relay, TalksTo};
#[cfg(feature = "dns")]
pub use route::Dns;
pub use route::{Direct, Mx, ResolveError, Resolver, Route};
pub use schedule::{ParseScheduleError, Schedule, Schedules};
pub use sender::{Random, Sender};
pub use tls::{Authorities, ParseAuthoritiesError, Tls};
