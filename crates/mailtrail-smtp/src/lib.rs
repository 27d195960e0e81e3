//! Sending with a transcript, signed return paths and bounce intake for Mailtrail.
