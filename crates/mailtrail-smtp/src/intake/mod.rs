//! Taking in what bounces back.
//!
//! ```text
//!  LMTP, SMTP ──▶ refused at RCPT unless it names a delivery ─┐
//!  Maildir ─────▶ moved when its facts are durable ───────────┼──▶ Intake::record ──▶ store
//!  mbox, a pipe ▶ read in bounded memory ─────────────────────┘        └──▶ Counts
//! ```
//!
//! # Guarantees
//! - **At least once**: a mail is acknowledged, or taken off its source, only after its facts are durable.
//! - **Idempotent**: facts are named by what they are. The same mail again, by the same way or another
//!   one, adds nothing.

mod counts;
mod delivered;
mod listener;
mod lmtp;
mod maildir;
mod mbox;
mod record;
mod smtp;

pub use counts::Counts;
pub use lmtp::LmtpIntake;
pub use maildir::{Maildir, MaildirError, Standing, TakeError, Watching};
pub use mbox::{Mbox, MboxMail, without_from_line};
pub use record::{Intake, IntakeError, Recorded, Unproven};
pub use smtp::SmtpIntake;
