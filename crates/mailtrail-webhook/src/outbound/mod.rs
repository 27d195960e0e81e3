//! Webhooks out: status changes and events to subscribers, by [Standard Webhooks](https://www.standardwebhooks.com).
//!
//! Everything here is pure: what a [`Message`] says, how it is [signed](Signer), [when it is tried again](Schedule),
//! what an [answer](Answer) means, and [whom one may send to](Guard). Whoever drives it does the I/O.
//!
//! # Example
//! ```
//! use mailtrail_webhook::outbound::{Answer, Schedule, Signer, Verdict};
//! let signer = Signer::new(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])?;
//! let signature = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
//! assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
//! assert_eq!(Answer::status(503).verdict(), Verdict::Again { after: None });
//! assert_eq!(Schedule::standard().attempts(), 10);
//! # Ok::<(), mailtrail_webhook::outbound::SecretError>(())
//! ```

mod answer;
mod guard;
mod message;
mod schedule;
mod sign;
mod target;

pub use answer::{Answer, Failed, Verdict};
pub use guard::Guard;
pub use message::{Message, MessageId, STATUS_CHANGED, StatusChange};
pub use schedule::Schedule;
pub use sign::{SecretError, Signer};
pub use target::{Target, TargetError};
