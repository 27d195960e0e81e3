//! The in-memory reference store of Mailtrail.
