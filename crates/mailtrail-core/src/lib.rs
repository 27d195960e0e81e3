//! What happened to each email: identity, events, evidence, status, planning and the store contract of Mailtrail. No I/O.
