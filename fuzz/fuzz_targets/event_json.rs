//! Event lines: what is read is written and read again as the same event.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailtrail_core::event::EnvelopeLine;

fuzz_target!(|line: &[u8]| {
    let Ok(read) = serde_json::from_slice::<EnvelopeLine>(line) else { return };
    let again = serde_json::to_string(&read).unwrap();
    let again: EnvelopeLine = serde_json::from_str(&again).unwrap();
    if let (Ok(first), Ok(second)) = (read.into_event(), again.into_event()) {
        assert_eq!(first, second);
    }
});
