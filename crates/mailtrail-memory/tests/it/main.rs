//! The reference store keeps every promise.
#![cfg(test)]

mailtrail_testkit::conformance!(memory, mailtrail_memory::MemoryStore::new);
