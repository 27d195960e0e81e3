//! Tokens: none that wasn't signed is valid, wherever it stands.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailtrail_core::token::{Key, Keys, Purpose};

fuzz_target!(|text: &str| {
    let keys = Keys::new(Key::new(1, [7; 32]));
    assert!(keys.verify(Purpose::ReturnPath, text).is_err());
    assert!(keys.find(Purpose::Open, text).is_none());
});
