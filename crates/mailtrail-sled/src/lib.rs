//! A durable embedded event store for Mailtrail on sled.
