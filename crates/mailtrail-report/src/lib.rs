//! The reports of Mailtrail: Email Log and broadcast summary, rebuilt from events.
