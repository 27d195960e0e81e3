//! Real delivery reports, and anything else that may come as one.
#![cfg(test)]

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use mailtrail_bounce::{ReadError, Reader, Reading};
use mailtrail_classify::Classifier;
use mailtrail_core::Namespace;
use mailtrail_core::token::{Key, Keys};
use proptest::prelude::*;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn read(mail: &[u8], envelope_recipient: Option<&str>) -> Result<Reading, ReadError> {
    thread_local! {
        static RULES: (Classifier, Keys) =
            (Classifier::builtin().unwrap(), Keys::new(Key::new(1, [7; 32])));
    }
    RULES.with(|(classifier, keys)| {
        Reader::new(classifier, keys).read(mail, envelope_recipient, now())
    })
}

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/postfix")
}

fn mails() -> Vec<(String, Vec<u8>)> {
    let mut mails: Vec<_> = fs::read_dir(golden())
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

fn with_line_ends(mail: &[u8], line_end: &[u8]) -> Vec<u8> {
    let lf: Vec<u8> = mail.iter().copied().filter(|byte| *byte != b'\r').collect();
    lf.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(line_end)
}

#[test]
fn reports_of_a_real_postfix_are_read() {
    let mut lines = String::new();
    for (name, mail) in mails() {
        for recipient in read(&mail, None).unwrap().recipients {
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
    let path = golden().join("expected.jsonl");
    if std::env::var_os("MAILTRAIL_BLESS").is_some() {
        fs::write(&path, &lines).unwrap();
    }
    assert_eq!(
        lines,
        fs::read_to_string(&path).unwrap(),
        "run with MAILTRAIL_BLESS=1 and read the change"
    );
}

#[test]
fn line_ends_and_trailing_blank_lines_make_no_other_facts() {
    let namespace = Namespace::from_random([1; 16]);
    for (name, mail) in mails() {
        let ids = |mail: &[u8]| -> Vec<_> {
            read(mail, None).unwrap().feedback.iter().map(|f| f.event_id(&namespace)).collect()
        };
        let expected = ids(&mail);
        assert!(!expected.is_empty(), "{name}");
        assert_eq!(ids(&with_line_ends(&mail, b"\n")), expected, "{name}");
        assert_eq!(ids(&with_line_ends(&mail, b"\r\n")), expected, "{name}");
        assert_eq!(ids(&[&mail[..], b"\n\n"].concat()), expected, "{name}");
    }
}

#[test]
fn a_token_in_the_return_path_names_the_delivery_and_a_forged_one_does_not() {
    use mailtrail_core::DeliveryId;
    use mailtrail_core::correlation::Correlation;
    use mailtrail_core::token::{Purpose, SeenIn};
    let (_, mail) = mails().into_iter().find(|(name, _)| name == "user-unknown").unwrap();
    let delivery = DeliveryId::from_bytes([3; 16]);
    let token = Keys::new(Key::new(1, [7; 32])).sign(Purpose::ReturnPath, delivery);
    let to = format!("b+{}@bounces.school.example", token.to_uppercase());
    let feedback = &read(&mail, Some(&to)).unwrap().feedback[0];
    let expected = Correlation::Token { delivery, key_id: 1, seen_in: SeenIn::ReturnPath };
    assert_eq!(feedback.correlation, expected);

    let forged = Keys::new(Key::new(1, [8; 32])).sign(Purpose::ReturnPath, delivery);
    let feedback =
        &read(&mail, Some(&format!("b+{forged}@bounces.school.example"))).unwrap().feedback[0];
    assert!(
        matches!(feedback.correlation, Correlation::Key(_)),
        "by Message-ID and recipient only"
    );
}

#[test]
fn what_is_no_mail_says_so() {
    assert_eq!(read(b"", None), Err(ReadError::Empty));
    assert_eq!(read(b" \r\n\n", None), Err(ReadError::Empty));
    let huge = vec![b'a'; 100 << 20];
    assert!(matches!(read(&huge, None), Err(ReadError::TooLarge { .. })));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(reading) = read(&bytes, None) {
            prop_assert_eq!(reading.feedback.len(), reading.recipients.len());
        }
    }

    #[test]
    fn a_spoilt_report_names_nobody_who_is_not_in_it(
        which: prop::sample::Index, cut: prop::sample::Index, at: prop::sample::Index, byte: u8,
    ) {
        let mails = mails();
        let (_, mail) = &mails[which.index(mails.len())];
        let mut spoilt = mail[..cut.index(mail.len())].to_vec();
        if !spoilt.is_empty() {
            let place = at.index(spoilt.len());
            spoilt[place] = byte;
        }
        let text = String::from_utf8_lossy(&spoilt).to_lowercase();
        if let Ok(reading) = read(&spoilt, None) {
            for recipient in reading.recipients.iter().filter_map(|r| r.recipient.as_deref()) {
                // Escaped forms stand in the mail in their escaped form.
                let local = recipient.split('@').next().unwrap().to_lowercase();
                let plain = local.is_ascii();
                prop_assert!(!plain || text.contains(&local), "{recipient}");
            }
        }
    }
}
