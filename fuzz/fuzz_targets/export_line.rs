//! Lines of an export: what is read is written and read again as the same, in both forms.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailtrail_core::audit::{ExportLine, as_cloud_event};
use mailtrail_core::event::EnvelopeLine;

fuzz_target!(|line: &str| {
    let Ok(ExportLine::Record(read)) = ExportLine::parse(line) else { return };
    let written = serde_json::to_string(&EnvelopeLine::from(&*read)).unwrap();
    for form in [as_cloud_event(&written).unwrap(), written] {
        let ExportLine::Record(again) = ExportLine::parse(&form).unwrap() else {
            panic!("a record stays a record");
        };
        assert_eq!(again, read);
    }
});
