//! Files of rules and phrases: refused with an error, or they read any reply.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailtrail_bounce::Phrases;
use mailtrail_classify::{Classifier, Reply};

fuzz_target!(|text: &str| {
    if let Ok(classifier) = Classifier::from_toml(text) {
        let mut reply = Reply::parse("550 5.1.1 <ann@a.example>: mailbox is full, no such user");
        reply.host = Some("mx.a.example".to_owned());
        let verdict = classifier.classify(&reply);
        assert!(!verdict.rule.is_empty());
    }
    if let Err(error) = Phrases::from_toml(text) {
        assert!(!error.to_string().is_empty());
    }
});
