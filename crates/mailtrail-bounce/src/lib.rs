//! Bounce mails (RFC 3464 delivery reports) to Mailtrail's feedback.
