//! The store on sled keeps every promise.
#![cfg(test)]

mailtrail_testkit::conformance!(sled, || mailtrail_sled::SledStore::temporary().unwrap());
