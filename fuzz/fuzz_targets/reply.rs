//! Replies: reading ends, and gives one of the reasons that there are.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mailtrail_classify::{Classifier, Reply};
use mailtrail_core::reason::Reason;

static CLASSIFIER: LazyLock<Classifier> = LazyLock::new(|| Classifier::builtin().unwrap());

fuzz_target!(|text: &str| {
    let verdict = CLASSIFIER.classify(&Reply::parse(text));
    assert!(Reason::ALL.contains(&verdict.reason));
});
