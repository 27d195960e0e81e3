//! What is composed, read back by mail-parser: any name, subject, label and text.

use chrono::{DateTime, Utc};
use mail_parser::{Address, MessageParser};
use mailtrail_core::event::{Private, Row};
use mailtrail_core::{DeliveryId, EmailAddress};
use mailtrail_smtp::message::{Compose, Headers, Letter, Message, Prepared, PreparedError};
use proptest::prelude::*;

struct Person {
    row: Row,
    private: Private,
    address: EmailAddress,
}

impl Person {
    fn new(name: &str, kind: &str) -> Self {
        let delivery = DeliveryId::from_bytes([2; 16]);
        let (broadcast, contact) = ("snow-day".parse().unwrap(), "c1".parse().unwrap());
        let kind = kind.parse().unwrap_or_else(|_| "emergency".parse().unwrap());
        let mut private = Private::default();
        private.name = Some(name.into());
        let row = Row::new(delivery, broadcast, contact, kind);
        Self { row, private, address: "ann@a.example".parse().unwrap() }
    }

    fn letter(&self) -> Letter<'_> {
        Letter::new(&self.row, &self.private, &self.address, "1.a@school.example", date())
    }
}

fn date() -> DateTime<Utc> {
    "2026-01-12T06:30:00Z".parse().unwrap()
}

/// Text on one line, blanks and controls between its words taken together: what a header can hold.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c.is_whitespace());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ").replace("=?", "= ?")
}

fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").trim_end().to_owned()
}

/// Text that is hard on headers and bodies.
fn hard() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => any::<String>(),
        2 => "[a-z \",;:<>@()\\[\\]=?_]{0,40}",
        1 => Just("\r\nBcc: eve@e.example\r\n\r\n".to_owned()),
        1 => Just("=?utf-8?Q?Ann?= ".to_owned()),
        1 => Just("👩‍👩‍👧‍👦é字".repeat(20)),
        1 => "[a-zé]{900,1100}",
        1 => Just(".\n..\n".to_owned()),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

/// What holds of each message: how it is written, and that each field is there once.
fn check_form(message: &[u8], line_end: &str) -> Result<(), TestCaseError> {
    let text = String::from_utf8_lossy(message);
    let bare = if line_end == "\r\n" { text.replace("\r\n", "") } else { text.replace('\n', "") };
    prop_assert!(!bare.contains(['\r', '\n']), "a bare CR or LF");
    prop_assert!(message.split(|byte| *byte == b'\n').all(|line| line.len() <= 999));
    let parsed = MessageParser::new().parse(message).unwrap();
    for name in ["From", "To", "Date", "Message-ID"] {
        prop_assert_eq!(parsed.header_values(name).count(), 1, "{}", name);
    }
    prop_assert!(parsed.bcc().is_none());
    prop_assert_eq!(parsed.message_id(), Some("1.a@school.example"));
    prop_assert_eq!(parsed.date().unwrap().to_timestamp(), date().timestamp());
    Ok(())
}

fn only(address: Option<&Address<'_>>) -> (String, String) {
    let addr = address.unwrap().first().unwrap();
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    (text(addr.name()), text(addr.address()))
}

proptest! {
    #[test]
    fn a_message_reads_as_it_was_meant(
        name in hard(), subject in hard(), text in hard(), html in prop::option::of(hard()),
    ) {
        let ann = Person::new(&name, "emergency");
        let mut message = Message::new("office@school.example", &subject, &text);
        message.from_name = Some(name.clone());
        message.html.clone_from(&html);
        let bytes = message.compose(&ann.letter()).unwrap();
        prop_assert_eq!(&bytes, &message.compose(&ann.letter()).unwrap());
        check_form(&bytes, "\r\n")?;
        let parsed = MessageParser::new().parse(&bytes).unwrap();
        prop_assert_eq!(only(parsed.to()), (one_line(&name), "ann@a.example".to_owned()));
        prop_assert_eq!(only(parsed.from()), (one_line(&name), "office@school.example".to_owned()));
        prop_assert_eq!(parsed.subject().unwrap_or_default(), one_line(&subject));
        prop_assert_eq!(lines(&parsed.body_text(0).unwrap_or_default()), lines(&text));
        if let Some(html) = html {
            prop_assert_eq!(lines(&parsed.body_html(0).unwrap_or_default()), lines(&html));
        }
    }

    #[test]
    fn a_prepared_message_keeps_its_body_to_the_byte(
        name in hard(),
        body in prop::collection::vec(any::<u8>(), 0..300),
        bare in any::<bool>(),
        extra in prop::sample::subsequence(EXTRA.to_vec(), 0..EXTRA.len()),
    ) {
        let header = format!("{}From: office@school.example\r\nSubject: Closed\r\n\r\n", extra.concat());
        let header = if bare { header.replace("\r\n", "\n") } else { header };
        let file = [header.as_bytes(), &body].concat();
        let ann = Person::new(&name, "emergency");
        let prepared = Prepared::new(&file).unwrap();
        let bytes = prepared.compose(&ann.letter()).unwrap();
        let line_end = if bare { "\n" } else { "\r\n" };
        let at = bytes.len() - body.len();
        prop_assert_eq!(&bytes[at..], &body[..]);
        check_form(&bytes[..at], line_end)?;
        let parsed = MessageParser::new().parse(&bytes).unwrap();
        prop_assert_eq!(only(parsed.to()), (one_line(&name), "ann@a.example".to_owned()));
        prop_assert_eq!(parsed.subject(), Some("Closed"));
        let again = Prepared::new(&bytes).unwrap().compose(&ann.letter()).unwrap();
        prop_assert_eq!(again, bytes);
    }

    #[test]
    fn headers_are_added_once_and_add_no_lines(kind in hard(), domain in hard(), text in hard()) {
        let kind: String = kind.chars().take(60).collect();
        let ann = Person::new("Ann", &kind);
        let headers = Headers::new().list_id(&domain).bulk().auto_generated().feedback_id(&domain);
        let plain = Message::new("office@school.example", "Closed", &text).compose(&ann.letter()).unwrap();
        let once = headers.add_to(plain.clone(), &ann.letter()).unwrap();
        prop_assert_eq!(&headers.add_to(once.clone(), &ann.letter()).unwrap(), &once);
        check_form(&once, "\r\n")?;
        let (before, after) = (MessageParser::new().parse(&plain).unwrap(), MessageParser::new().parse(&once).unwrap());
        prop_assert!(after.headers().len() - before.headers().len() <= 4);
        prop_assert_eq!(after.body_text(0), before.body_text(0));
    }
}

#[cfg(feature = "template")]
proptest! {
    #[test]
    fn a_template_reads_as_it_was_meant(name in hard(), label in hard()) {
        use mailtrail_smtp::message::template::Template;
        let mut ann = Person::new(&name, "emergency");
        ann.private.labels.insert("class".into(), label.clone());
        let template = Template::new("office@school.example", "{{ labels.class }}", "{{ name }}: {{ labels.class }}")
            .unwrap()
            .html("<p title='{{ name }}'>{{ labels.class }}</p>")
            .unwrap();
        let bytes = template.compose(&ann.letter()).unwrap();
        check_form(&bytes, "\r\n")?;
        let parsed = MessageParser::new().parse(&bytes).unwrap();
        prop_assert_eq!(parsed.subject().unwrap_or_default(), one_line(&label));
        prop_assert_eq!(lines(&parsed.body_text(0).unwrap()), lines(&format!("{name}: {label}")));
        let html = parsed.body_html(0).unwrap();
        prop_assert_eq!(html.matches('<').count(), 2);
        prop_assert_eq!(html.matches(['\'', '"']).count(), 2);
    }
}

/// What a message that was sent before has in its header.
const EXTRA: [&str; 9] = [
    "To: undisclosed-recipients:;\r\n",
    "TO: list@school.example\r\n",
    "Message-ID: <old@school.example>\r\n",
    "date : Mon, 1 Jan 2001 00:00:00 +0000\r\n",
    "Bcc: eve@e.example,\r\n bob@b.example\r\n",
    "Resent-To: bob@b.example\r\n",
    "DKIM-Signature: v=1; a=rsa-sha256;\r\n\tb=AAAA\r\n",
    "Return-Path: <bounces@school.example>\r\n",
    "ARC-Seal: i=1\r\n",
];

#[test]
fn the_to_of_a_list_can_stay() {
    let ann = Person::new("Ann", "emergency");
    let compose = |to: &str| {
        let file = format!("{to}From: office@school.example\r\n\r\n");
        let prepared = Prepared::new(file.as_bytes()).unwrap().keep_to();
        String::from_utf8(prepared.compose(&ann.letter()).unwrap()).unwrap()
    };
    let kept = compose("To: Parents <parents@school.example>\r\nTo: x@x.example\r\n");
    assert!(kept.starts_with("To: Parents <parents@school.example>\r\nDate: "), "{kept}");
    assert_eq!(kept.matches("To: ").count(), 1);
    for empty in ["", "To:\r\n", "To: undisclosed-recipients:;\r\n"] {
        assert!(compose(empty).starts_with("To: \"Ann\" <ann@a.example>\r\n"));
    }
}

#[test]
fn what_can_not_be_prepared_is_told() {
    let new = |file: &str| Prepared::new(file.as_bytes()).map(drop);
    assert_eq!(new(""), Err(PreparedError::From { count: 0 }));
    assert_eq!(
        new("From: a@a.example\nFrom: b@b.example\n"),
        Err(PreparedError::From { count: 2 })
    );
    assert_eq!(
        new("From ann Mon Jan 12\nFrom: a@a.example\n"),
        Err(PreparedError::NoField { line: 1 })
    );
    assert_eq!(new("From: a@a.example"), Ok(()));
}

#[test]
fn headers_of_ones_own_stay() {
    let ann = Person::new("Ann", "news letter.");
    let own = b"From: a@a.example\nlist-id: <own.example>\nTO: b@b.example\nContent-Type: text/plain\n\nx".to_vec();
    let headers = Headers::new().list_id("school.example").feedback_id("school");
    let with = String::from_utf8(headers.add_to(own, &ann.letter()).unwrap()).unwrap();
    assert_eq!(
        with,
        "From: a@a.example\nlist-id: <own.example>\nTO: b@b.example\nContent-Type: text/plain\n\
         Date: Mon, 12 Jan 2026 06:30:00 +0000\nMessage-ID: <1.a@school.example>\nMIME-Version: 1.0\n\
         Feedback-ID: snow-day:news=20letter=2E:school\n\nx"
    );
    let cut = headers.add_to(b"From: a@a.example".to_vec(), &ann.letter()).unwrap();
    let cut = String::from_utf8(cut).unwrap();
    assert!(
        cut.contains("\r\nList-Id: <news=20letter=2E.school.example>\r\n")
            && cut.ends_with("\r\n\r\n")
    );
    assert!(headers.add_to(b"no field".to_vec(), &ann.letter()).is_err());
}
