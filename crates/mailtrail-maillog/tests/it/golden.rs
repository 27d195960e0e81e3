//! Each log in `tests/golden`, and what is made of it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use mailtrail_core::Feedback;
use mailtrail_core::correlation::Correlation;
use mailtrail_maillog::Mta;
use serde_json::{Value, json};

use crate::support::{ids, namespace, read, with_reader, with_tokens};

pub(crate) fn logs() -> Vec<(Mta, PathBuf, String)> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut logs = Vec::new();
    for mta in [Mta::Postfix, Mta::Exim, Mta::OpenSmtpd] {
        for entry in fs::read_dir(golden.join(mta.name())).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "log") {
                let text = with_tokens(&fs::read_to_string(&path).unwrap());
                logs.push((mta, path, text));
            }
        }
    }
    assert!(logs.len() >= 7, "the logs are there");
    logs
}

/// The lines that are the server's.
pub(crate) fn lines(log: &str) -> impl Iterator<Item = &str> {
    log.lines().filter(|line| !line.starts_with('#'))
}

#[test]
fn every_log_is_read_as_written_beside_it() {
    for (mta, path, log) in logs() {
        let (feedback, counts) = with_reader(mta, |mut reader| {
            let feedback = read(&mut reader, lines(&log));
            (feedback, reader.counts())
        });
        let mut text = String::new();
        for feedback in &feedback {
            writeln!(text, "{}", shown(feedback)).unwrap();
        }
        let counts = json!({
            "lines": counts.lines, "feedback": counts.feedback, "unmatched": counts.unmatched,
            "not_ours": counts.not_ours, "refused": counts.refused, "forgotten": counts.forgotten,
        });
        writeln!(text, "{counts}").unwrap();
        let expected = path.with_extension("jsonl");
        if std::env::var_os("MAILTRAIL_BLESS").is_some() {
            fs::write(&expected, &text).unwrap();
        }
        assert_eq!(
            text,
            fs::read_to_string(&expected).unwrap(),
            "{}: run with MAILTRAIL_BLESS=1 and read the change",
            path.display()
        );
    }
}

#[test]
fn a_log_that_is_read_twice_brings_nothing_new() {
    for (mta, path, log) in logs() {
        with_reader(mta, |mut reader| {
            let first = read(&mut reader, lines(&log));
            let again = read(&mut reader, lines(&log));
            let name = path.display();
            assert!(!first.is_empty(), "{name}");
            for feedback in &again {
                assert!(first.contains(feedback), "{name}: {}", shown(feedback));
            }
            let elsewhere = with_reader(mta, |mut reader| read(&mut reader, lines(&log)));
            assert_eq!(ids(&elsewhere), ids(&first), "{name}");
            let mut distinct = ids(&first);
            distinct.sort();
            distinct.dedup();
            assert_eq!(distinct.len(), first.len(), "{name}: each fact is one event");
        });
    }
}

#[test]
fn windows_line_ends_change_nothing() {
    for (mta, _, log) in logs() {
        let with = log.replace('\n', "\r\n");
        let read = |text: &str| with_reader(mta, |mut reader| read(&mut reader, text.split('\n')));
        assert_eq!(read(&with), read(&log));
    }
}

fn shown(feedback: &Feedback) -> Value {
    let (stream, event) = feedback.clone().into_event(&namespace()).unwrap();
    let by = match &feedback.correlation {
        Correlation::Token { delivery, seen_in, .. } => {
            json!({ "token": delivery.as_bytes()[0], "seen_in": seen_in })
        }
        Correlation::Key(key) => {
            json!({ "message_id": key.message_id(), "recipient": key.recipient() })
        }
        other => panic!("{other:?} in {stream}"),
    };
    let mut data: Value = serde_json::from_slice(&event.data).unwrap();
    if let Some(diagnosis) = data.get_mut("diagnosis").and_then(Value::as_object_mut) {
        // Which rule it was is the rules' own matter, and changes with them.
        diagnosis.remove("rules_version");
        diagnosis.remove("rule");
    }
    json!({
        "event": feedback.fact.event.type_name(),
        "by": by,
        "occurred_at": feedback.occurred_at,
        "recipient": feedback.private.recipient,
        "text": feedback.private.text,
        "data": data,
    })
}
