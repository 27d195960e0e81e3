//! Benches of Mailtrail.
