//! Mails that were made to harm: bounded time, and a clear result.

use std::time::{Duration, Instant};

use mailtrail_bounce::{Kind, ReadError, Reading};

use crate::read;

#[test]
fn what_is_no_mail_says_so() {
    assert_eq!(read(b"", None), Err(ReadError::Empty));
    assert_eq!(read(b" \r\n\n", None), Err(ReadError::Empty));
    let huge = vec![b'a'; 100 << 20];
    assert!(matches!(read(&huge, None), Err(ReadError::TooLarge { .. })));
}

fn timed(mail: &[u8]) -> Reading {
    let start = Instant::now();
    let reading = read(mail, None).unwrap();
    let took = start.elapsed();
    // Unoptimised, on a loaded machine; what is not linear takes minutes.
    assert!(took < Duration::from_secs(20), "{took:?}");
    reading
}

fn repeated(one: impl Fn(u32) -> String) -> String {
    (0..100_000).map(one).collect::<Vec<_>>().concat()
}

const HEAD: &str = "From: MAILER-DAEMON@mx.example\nReturn-Path: <>\nSubject: Undelivered mail\n";

#[test]
fn a_million_fields() {
    let mail = HEAD.to_owned() + &"X-Field: value\n".repeat(1_000_000) + "\nno\n";
    assert_eq!(timed(mail.as_bytes()).recipients, []);
}

#[test]
fn a_hundred_thousand_recipients_in_one_report() {
    let all = repeated(|number| {
        format!("Final-Recipient: rfc822; p{number}@a.example\nAction: failed\nStatus: 5.1.1\n\n")
    });
    let mail = format!(
        "{HEAD}Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n\
         Reporting-MTA: dns; mx.example\n\n{all}--b--\n"
    );
    let reading = timed(mail.as_bytes());
    assert!(
        reading.truncated && reading.recipients.len() == 10_000,
        "{}",
        reading.recipients.len()
    );
}

#[test]
fn a_hundred_thousand_addresses_in_a_notice() {
    let all = repeated(|number| format!("<p{number}@a.example>: 550 no such user\n\n"));
    let reading = timed(format!("{HEAD}\nCould not be delivered:\n\n{all}").as_bytes());
    assert!(reading.truncated && !reading.recipients.is_empty());
}

#[test]
fn mails_in_mails_in_mails() {
    let mut mail = "Subject: at the bottom\n\nhello\n".to_owned();
    for depth in 0..2_000 {
        mail = format!("{HEAD}Content-Type: message/rfc822\nX-Depth: {depth}\n\n{mail}");
    }
    timed(mail.as_bytes());
    let parts = "--a\nContent-Type: multipart/mixed; boundary=a\n\n".repeat(20_000);
    timed(format!("{HEAD}Content-Type: multipart/mixed; boundary=a\n\n{parts}").as_bytes());
}

#[test]
fn base64_of_nothing_and_quoted_printable_of_everything() {
    for encoding in ["base64", "quoted-printable"] {
        for body in
            [String::new(), "=".repeat(3 << 20), "=3D\n".repeat(500_000), "\0".repeat(1 << 20)]
        {
            let part = format!(
                "Content-Type: text/plain\nContent-Transfer-Encoding: {encoding}\n\n{body}"
            );
            timed(format!("{HEAD}{part}").as_bytes());
        }
    }
}

#[test]
fn a_line_of_at_signs_and_one_of_angle_brackets() {
    for text in ["@", "<", "a@", "<a@b.example>", "=", "\"@", "(", "550 5.1.1 ", "--b\n"] {
        timed(
            format!("{HEAD}\nCould not be delivered\n{}", text.repeat((2 << 20) / text.len()))
                .as_bytes(),
        );
    }
}

#[test]
fn a_report_that_returns_itself() {
    let inner = format!(
        "{HEAD}Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n"
    );
    let reading = timed(inner.repeat(500).as_bytes());
    assert_ne!(reading.kind, Kind::Complaint);
}

/// The mail parser stops at this one where it is built with debug assertions.
#[test]
fn a_part_of_no_multipart_is_read() {
    let reading = read(include_bytes!("../mails/no-such-multipart.eml"), None).unwrap();
    let named = reading.recipients.iter().map(|recipient| recipient.recipient.as_deref());
    assert_eq!(named.collect::<Vec<_>>(), [Some("u111@ziel.example")]);
}

#[test]
fn a_report_in_which_the_end_is_missing_is_decoded_as_far_as_it_goes() {
    let mail = format!(
        "{HEAD}Content-Type: multipart/report; boundary=b\n\n--b\n\
         Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n\
         Could not be delivered:\n\n<ann@a.exam=\nple>: 550 5.1.1 no such user =\n"
    );
    let reading = read(mail.as_bytes(), None).unwrap();
    assert_eq!(reading.recipients[0].recipient.as_deref(), Some("ann@a.example"));
}

#[test]
fn a_picture_that_calls_itself_a_text_is_not_read() {
    let mail = format!(
        "{HEAD}Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n\
         <ann@a.example>: 550 5.1.1 no such user\n\n--b\nContent-Type: text/plain; charset=iso-8859-1\n\n\
         \u{89}PNG\n\u{1A}\n\0\0\0\rIHDR\n<bob@b.example>: 550 5.1.1 no such user\n\n--b--\n"
    );
    let reading = read(mail.as_bytes(), None).unwrap();
    assert_eq!(reading.recipients.len(), 1, "{:?}", reading.recipients);
}
