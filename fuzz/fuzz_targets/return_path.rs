//! Return paths: whatever stands around one, it names its own delivery or none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailtrail_core::DeliveryId;
use mailtrail_core::token::{Key, Keys};
use mailtrail_smtp::return_path::ReturnPath;

fuzz_target!(|around: (&str, &str)| {
    let keys = Keys::new(Key::new(1, [7; 32]));
    let path = ReturnPath::new("b.example");
    let (before, behind) = around;
    for text in [format!("{before}{behind}"), format!("{before}@b.example")] {
        assert!(path.read(&keys, &text).is_err());
        assert!(path.read_reply(&keys, &text).is_err());
    }
    let delivery = DeliveryId::from_bytes([3; 16]);
    let address = path.address(&keys, delivery);
    if let Ok(verified) = path.read(&keys, &format!("{before}{address}{behind}")) {
        assert_eq!(verified.delivery, delivery);
    }
});
