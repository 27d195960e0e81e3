//! SMTP replies and diagnostic texts to reasons: rules as data, one matcher, used by every port, so
//! that one reason means one thing everywhere. Pure.
//!
//! It reads one reply at a time; what a whole bounce mail says is `mailtrail-bounce`'s matter.
//!
//! ```
//! use mailtrail_classify::{Classifier, Reply};
//! use mailtrail_core::reason::Reason;
//! let classifier = Classifier::builtin()?;
//! let verdict = classifier.classify(&Reply::parse("552 5.2.2 <ann@a.example>: mailbox is full"));
//! assert_eq!(verdict.reason, Reason::MailboxFull);
//! assert_eq!(&*verdict.rule, "text/full");
//! # Ok::<(), mailtrail_classify::RulesError>(())
//! ```
#![warn(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

mod classifier;
mod code;
mod example;
mod explain;
mod fragments;
mod normal;
mod reply;
mod rules;
mod shadow;

pub use classifier::{Classifier, Verdict};
pub use example::Example;
pub use explain::Ground;
pub use fragments::{Fragments, FragmentsError, Hit};
pub use normal::{normal, push_normal};
pub use reply::Reply;
pub use rules::RulesError;
pub use shadow::Shadowed;
