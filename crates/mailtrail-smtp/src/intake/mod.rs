//! Taking in what bounces back.

mod lmtp;
mod record;

pub use lmtp::LmtpIntake;
pub use record::{Intake, IntakeError, Recorded, Unproven};
