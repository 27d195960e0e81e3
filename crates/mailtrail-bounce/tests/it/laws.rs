//! What holds for every mail.

use mailtrail_core::Namespace;
use proptest::prelude::*;

use crate::{mails, read, servers, with_line_ends};

fn all() -> Vec<(String, Vec<u8>)> {
    let mut all = servers::mails();
    all.extend(mails::folder("feedback"));
    all.extend(mails::folder("ordinary"));
    all
}

#[test]
fn line_ends_change_nothing_but_themselves() {
    let namespace = Namespace::from_random([1; 16]);
    for (name, mail) in all() {
        // In a charset of several bytes a CR or LF may be half a character.
        if mail.windows(2).any(|pair| pair == b"\x1b$") || std::str::from_utf8(&mail).is_err() {
            continue;
        }
        let facts = |mail: &[u8]| {
            let reading = read(mail, None).unwrap();
            let ids: Vec<_> = reading.feedback.iter().map(|f| f.event_id(&namespace)).collect();
            (reading.kind, reading.recipients, ids)
        };
        let expected = facts(&with_line_ends(&mail, b"\n"));
        assert_eq!(facts(&with_line_ends(&mail, b"\r\n")), expected, "{name}");
        assert_eq!(facts(&with_line_ends(&mail, b"\r")), expected, "{name}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(reading) = read(&bytes, None) {
            prop_assert_eq!(reading.feedback.len(), reading.recipients.len());
        }
    }

    #[test]
    fn lines_that_mean_something_in_any_order_are_read(
        lines in prop::collection::vec(prop::sample::select(LINES), 0..40),
    ) {
        let mail = lines.join("\n");
        if let Ok(reading) = read(mail.as_bytes(), None) {
            let text = mail.to_lowercase();
            for recipient in reading.recipients.iter().filter_map(|r| r.recipient.as_deref()) {
                prop_assert!(text.contains(&recipient.to_lowercase()), "{recipient}");
            }
            // Blank lines behind it are none of it, also where nothing ends its last line.
            let again = read(format!("{mail}\n\n").as_bytes(), None).unwrap();
            prop_assert_eq!(again.recipients, reading.recipients);
        }
    }

    #[test]
    fn a_spoilt_mail_names_nobody_who_is_not_in_it(
        which: prop::sample::Index, cut: prop::sample::Index, at: prop::sample::Index, byte: u8,
    ) {
        let mails = all();
        let (_, mail) = &mails[which.index(mails.len())];
        let mut spoilt = mail[..cut.index(mail.len())].to_vec();
        if !spoilt.is_empty() {
            let place = at.index(spoilt.len());
            spoilt[place] = byte;
        }
        let text = String::from_utf8_lossy(&spoilt).to_lowercase();
        // A NUL is no character of a mail, and a folded line is one line.
        let words = |text: &str| text.replace('\0', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        let text = format!("{text}{}", words(&text));
        // What is encoded stands in the mail in another form.
        let encoded = ["base64", "quoted-printable", "=?", "utf-8;", "utf-7", "\u{1b}", "+3d", "+2b"];
        prop_assume!(!encoded.iter().any(|mark| text.contains(mark)));
        if let Ok(reading) = read(&spoilt, None) {
            for recipient in reading.recipients.iter().filter_map(|r| r.recipient.as_deref()) {
                let local = recipient.split('@').next().unwrap().to_lowercase();
                prop_assert!(!local.is_ascii() || text.contains(&local), "{recipient}");
            }
        }
    }
}

const LINES: &[&str] = &[
    "From: MAILER-DAEMON@mx.example",
    "Return-Path: <>",
    "To: b@school.example",
    "Subject: Undelivered mail",
    "Subject: Out of office: hello",
    "Auto-Submitted: auto-replied",
    "X-Failed-Recipients: ann@a.example",
    "Content-Type: multipart/report; boundary=b",
    "Content-Type: message/delivery-status",
    "Content-Type: message/rfc822",
    "Content-Type: message/feedback-report",
    "Feedback-Type: abuse",
    "Original-Rcpt-To: bob@b.example",
    "--b",
    "--b--",
    "",
    "",
    "Final-Recipient: rfc822; eva@c.example",
    "Original-Recipient: rfc822;eva@c.example",
    "Action: failed",
    "Status: 5.1.1",
    "Diagnostic-Code: smtp; 550 5.1.1 no such user",
    "<dan@d.example>: 550 no such user",
    "  finn@e.example",
    ">>> RCPT To:<gus@f.example>",
    "<<< 550 5.1.1 <gus@f.example>... User unknown",
    "could not be delivered to <hal@g.example> (expanded from",
    "   ----- The following addresses had permanent fatal errors -----",
    "--- Below this line is a copy of the message.",
    "Received: from a by b for <ida@h.example>; Thu, 1 Jan 2026 00:00:00 +0000",
    "Message-ID: <1@x.example>",
    "I no longer work here, write to jo@i.example",
];
