//! Reports of real servers.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use mailtrail_classify::Classifier;
use mailtrail_core::Namespace;

use crate::{read, with_line_ends};

/// Of a Postfix with all that its reports can hold, and of three before the same hosts.
const FOLDERS: [&str; 4] = ["postfix", "servers/postfix", "servers/exim", "servers/opensmtpd"];

fn golden(folder: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder)
}

pub(crate) fn mails() -> Vec<(String, Vec<u8>)> {
    mails_in("postfix")
}

fn mails_in(folder: &str) -> Vec<(String, Vec<u8>)> {
    let mut mails: Vec<_> = fs::read_dir(golden(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .map(|path| {
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())
        })
        .collect();
    mails.sort();
    assert!(mails.len() > 30, "the mails are there");
    mails
}

#[test]
fn reports_of_real_servers_are_read() {
    for folder in FOLDERS {
        let mut lines = String::new();
        for (name, mail) in mails_in(folder) {
            let recipients = read(&mail, None).unwrap().recipients;
            assert!(!recipients.is_empty(), "{folder}/{name}");
            for recipient in recipients {
                let event = recipient.event(&Classifier::builtin().unwrap());
                let mut value = serde_json::to_value(&recipient).unwrap();
                value["mail"] = name.clone().into();
                value["event"] = event.type_name().into();
                if let mailtrail_core::Event::Bounced(bounced) = &event {
                    value["reason"] = bounced.diagnosis.reason.name().into();
                }
                if let mailtrail_core::Event::Deferred(deferred) = &event {
                    value["reason"] = deferred.diagnosis.reason.name().into();
                }
                writeln!(lines, "{value}").unwrap();
            }
        }
        let path = golden(folder).join("expected.jsonl");
        if std::env::var_os("MAILTRAIL_BLESS").is_some() {
            fs::write(&path, &lines).unwrap();
        }
        assert_eq!(
            lines,
            fs::read_to_string(&path).unwrap(),
            "{folder}: run with MAILTRAIL_BLESS=1 and read the change"
        );
    }
}

#[test]
fn line_ends_and_trailing_blank_lines_make_no_other_facts() {
    let namespace = Namespace::from_random([1; 16]);
    for (name, mail) in FOLDERS.into_iter().flat_map(mails_in) {
        let ids = |mail: &[u8]| -> Vec<_> {
            read(mail, None).unwrap().feedback.iter().map(|f| f.event_id(&namespace)).collect()
        };
        let expected = ids(&mail);
        assert!(!expected.is_empty(), "{name}");
        assert_eq!(ids(&with_line_ends(&mail, b"\n")), expected, "{name}");
        assert_eq!(ids(&with_line_ends(&mail, b"\r\n")), expected, "{name}");
        assert_eq!(ids(&[&mail[..], b"\n\n"].concat()), expected, "{name}");
        // Where a field is folded is the transport's, too.
        let Ok(lines) = String::from_utf8(with_line_ends(&mail, b"\n")) else { continue };
        let (head, date) = lines.split_once("\nDate: ").unwrap();
        let folded = format!("{head}\nDate: {}", date.replacen(", ", ",\n\t", 1));
        assert_ne!(folded, lines, "{name}");
        for end in [&b"\n"[..], b"\r\n"] {
            assert_eq!(ids(&with_line_ends(folded.as_bytes(), end)), expected, "{name}");
        }
    }
}
