//! Records: what is read is written as the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailtrail_core::store::record;

fuzz_target!(|bytes: &[u8]| {
    // The checksum would keep nearly everything out: it is made right first.
    let Some(rest) = bytes.get(4..) else { return };
    let mut checked = crc32c::crc32c(rest).to_be_bytes().to_vec();
    checked.extend_from_slice(rest);
    if let Ok(envelope) = record::decode(&checked.clone().into()) {
        assert_eq!(record::encode(&envelope), checked);
    }
});
