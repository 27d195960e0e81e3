//! The share of the corpora's replies that are read as their sources say.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use mailtrail_classify::{Classifier, Reply};
use mailtrail_core::Status;
use serde_json::Value;

fn corpus(name: &str) -> Option<Vec<Value>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora").join(name);
    let Ok(text) = fs::read_to_string(path) else {
        let line = format!("skipped (optional): replies_of_{name}: the corpora are not there\n");
        print!("{line}");
        if let Some(list) = std::env::var_os("MAILTRAIL_SKIPS") {
            let mut list = fs::OpenOptions::new().append(true).create(true).open(list).unwrap();
            list.write_all(line.as_bytes()).unwrap();
        }
        return None;
    };
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred samples")]
fn share(name: &str) -> Option<f64> {
    let classifier = Classifier::builtin().unwrap();
    let samples = corpus(name)?;
    let mut right = 0_u32;
    for sample in &samples {
        let input = &sample["input"];
        let text = ["text", "diagnostic", "reply"]
            .iter()
            .find_map(|key| input[*key].as_str())
            .unwrap_or_default();
        let reply = Reply::parse(text);
        let verdict = classifier.classify(&reply);
        let digit = reply.enhanced_code.map(|code| u16::from(code.class()));
        let digit = reply.reply_code.map(|code| code.get() / 100).or(digit);
        let class = match (digit, verdict.reason.final_status()) {
            (Some(4), _) => "soft_bounced",
            (_, Status::Failed) => "failed",
            _ => "bounced",
        };
        let expected = &sample["expected"];
        let also = expected["also"].as_array().cloned().unwrap_or_default();
        let ok = expected["class"] == class || also.iter().any(|other| other == class);
        if !ok && std::env::var_os("MAILTRAIL_MISSES").is_some() {
            println!("{} {class} ({}) not {expected}: {input}", sample["id"], verdict.rule);
        }
        right += u32::from(ok);
    }
    Some(f64::from(right) / samples.len() as f64)
}

#[test]
fn texts_are_read_as_their_sources_say() {
    // A later chapter of this crate raises these; what was reached is never lost again.
    for (name, floor) in [("sisimai-replies.jsonl", 0.94), ("kumomta-iana.jsonl", 0.98)] {
        if let Some(share) = share(name) {
            println!("{name}: {:.1} %", share * 100.0);
            assert!(share >= floor, "{name}: {share} < {floor}");
        }
    }
}
