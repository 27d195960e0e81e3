//! A store over the socket keeps every promise of the store that is shared.
#![cfg(test)]

mod connection;
mod ending;
mod shared;
mod states;

use shared::Shared;

mailtrail_testkit::conformance!(remote, || mailtrail_testkit::Double(Shared::new()));
