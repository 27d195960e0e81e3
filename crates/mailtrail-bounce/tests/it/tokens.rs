//! Which delivery a report names, and what proves it.

use mailtrail_core::DeliveryId;
use mailtrail_core::correlation::Correlation;
use mailtrail_core::token::{Key, Keys, Purpose, SeenIn};

use crate::servers::mails;
use crate::{keys, read};

#[test]
fn a_token_in_the_return_path_names_the_delivery_and_a_forged_one_does_not() {
    let (_, mail) = mails().into_iter().find(|(name, _)| name == "user-unknown").unwrap();
    let delivery = DeliveryId::from_bytes([3; 16]);
    let token = keys().sign(Purpose::ReturnPath, delivery);
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
fn a_token_that_survives_only_in_the_mail_names_the_delivery_and_proves_nothing() {
    let delivery = DeliveryId::from_bytes([3; 16]);
    let token = |purpose| keys().sign(purpose, delivery);
    let (path, id) = (token(Purpose::ReturnPath), token(Purpose::MessageId));
    let notice = |to: &str, header: &str, text: &str, quoted: &str| {
        format!(
            "From: MAILER-DAEMON@mx.example\nReturn-Path: <>\nTo: {to}\n{header}Subject: Undelivered mail\n\n\
             Could not be delivered:\n\n<ann@a.example>: 550 no such user\n\n{text}\n\
             --- Below this line is a copy of the message.\n\n{quoted}"
        )
    };
    let places = [
        ("to", notice(&format!("b+{}@b.example", path.to_uppercase()), "", "", "")),
        ("references", notice("b@b.example", &format!("References: <{id}@b.example>\n"), "", "")),
        ("text", notice("b@b.example", "", &format!("Ref. {path}."), "")),
        (
            "return path",
            notice(
                "b@b.example",
                "",
                "",
                &format!("Return-Path: <b={path}@b.example>\nTo: x@a.example\n"),
            ),
        ),
        (
            "message id",
            notice(
                "b@b.example",
                "",
                "",
                &format!("Message-ID: <{id}@b.example>\nTo: x@a.example\n"),
            ),
        ),
    ];
    for (place, mail) in places {
        let reading = read(mail.as_bytes(), None).unwrap();
        assert_eq!(reading.seen_in, Some(SeenIn::Quoted), "{place}");
        let expected = Correlation::Token { delivery, key_id: 1, seen_in: SeenIn::Quoted };
        assert_eq!(reading.feedback[0].correlation, expected, "{place}");
    }
    let forged = Keys::new(Key::new(1, [8; 32])).sign(Purpose::ReturnPath, delivery);
    let mail = notice(&format!("b+{forged}@b.example"), "", &format!("Ref. {forged}."), "");
    assert_eq!(read(mail.as_bytes(), None).unwrap().seen_in, None);
}
