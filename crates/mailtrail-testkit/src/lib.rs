//! Strategies, laws and the store conformance suite of Mailtrail.
