use std::sync::Arc;

use mailtrail_smtp::intake::{LmtpIntake, SmtpIntake};
use mailtrail_smtp::server::{Limits, Protocol, Running};
use mailtrail_testkit::Double;

use super::{
    Client, DOMAIN, Ill, Place, answer, forged, listen, reply_address, report, return_path,
};

async fn lmtp(place: &Place) -> Running {
    let handler = LmtpIntake::new(Arc::clone(&place.intake));
    listen(Protocol::Lmtp, handler, Limits::default()).await
}

/// Brings a mail: the last reply.
async fn bring(server: &Running, hello: &str, to: &str, mail: &[u8]) -> String {
    let mut client = Client::connect(server).await;
    client.begin_data(hello, to).await;
    client.write(mail).await;
    client.say(".").await
}

#[tokio::test]
async fn a_report_is_recorded_once_by_whichever_way_it_comes() {
    let place = Place::new();
    let by_lmtp = lmtp(&place).await;
    let smtp = SmtpIntake::new(Arc::clone(&place.intake));
    let by_smtp = listen(Protocol::Smtp, smtp, SmtpIntake::limits()).await;
    for (server, hello) in
        [(&by_lmtp, "LHLO mx.example"), (&by_smtp, "EHLO mx.example"), (&by_lmtp, "LHLO mx")]
    {
        assert_eq!(bring(server, hello, &return_path(1), &report(1)).await, "250 2.0.0 ok");
    }
    assert_eq!(place.types().await, ["bounced"]);
    let counts = place.intake.counts();
    assert_eq!((counts.feedback, counts.repeated, counts.new_events), (3, 2, 1));
}

#[tokio::test]
async fn what_names_no_delivery_is_refused_at_rcpt_and_counted() {
    let place = Place::new();
    let server = lmtp(&place).await;
    let mut client = Client::connect(&server).await;
    client.hear().await;
    client.say("LHLO mx.example").await;
    client.say("MAIL FROM:<>").await;
    let mut changed = return_path(1);
    changed.replace_range(20..21, if changed.as_bytes()[20] == b'a' { "b" } else { "a" });
    for (to, expected) in [
        ("office@school.example".to_owned(), "550 5.1.1"),
        (format!("postmaster@{DOMAIN}"), "550 5.1.1"),
        (return_path(1).replace(DOMAIN, "other.example"), "550 5.1.1"),
        (format!("b+none@{DOMAIN}"), "550 5.7.1"),
        (forged(), "550 5.7.1"),
        (changed, "550 5.7.1"),
        (return_path(1).replacen("b+", "r+", 1), "550 5.7.1"),
        (return_path(1), "250 2.0.0"),
        (reply_address(1), "250 2.0.0"),
    ] {
        let reply = client.say(&format!("RCPT TO:<{to}>")).await;
        assert!(reply.starts_with(expected), "{to}: {reply}");
    }
    let counts = place.intake.counts().refused_recipients;
    let counts: Vec<_> = counts.into_iter().collect();
    assert_eq!(counts, [("foreign", 3), ("forged", 3), ("malformed", 1)]);
}

#[tokio::test]
async fn smtp_takes_reports_alone_unless_it_is_told_to_take_answers() {
    let place = Place::new();
    let strict = SmtpIntake::new(Arc::clone(&place.intake));
    for (handler, expected) in
        [(strict.clone(), "550 5.7.1 only reports"), (strict.any_sender(), "250 2.0.0")]
    {
        let server = listen(Protocol::Smtp, handler, SmtpIntake::limits()).await;
        let mut client = Client::connect(&server).await;
        client.hear().await;
        client.say("EHLO a.example").await;
        client.say("MAIL FROM:<ann@a.example>").await;
        let reply = client.say(&format!("RCPT TO:<{}>", reply_address(1))).await;
        assert!(reply.starts_with(expected), "{reply}");
    }
    assert_eq!(place.intake.counts().refused_recipients["sender"], 1);
}

#[tokio::test]
async fn an_answer_is_kept_with_its_delivery_and_an_automatic_one_is_read() {
    let place = Place::new();
    let server = lmtp(&place).await;
    let automatic = [&b"Auto-Submitted: auto-replied\r\n"[..], &answer()].concat();
    for to in [return_path(1), reply_address(2)] {
        bring(&server, "LHLO mx", &to, &answer()).await;
        bring(&server, "LHLO mx", &to, &automatic).await;
    }
    // The same automatic answer twice is one, and it speaks of the delivery to which it came first.
    assert_eq!(place.types().await, ["custom", "auto_replied"]);
    assert_eq!(place.intake.counts().unread, 2);
}

#[tokio::test]
async fn a_store_that_fails_is_no_yes_and_the_mail_comes_again() {
    let ill = Arc::new(Double(Ill::default()));
    let place = Place::at(Arc::clone(&ill) as _);
    let server = lmtp(&place).await;
    ill.is_ill(true);
    let refused = bring(&server, "LHLO mx", &return_path(1), &report(1)).await;
    assert!(refused.starts_with('4'), "{refused}");
    ill.is_ill(false);
    assert_eq!(bring(&server, "LHLO mx", &return_path(1), &report(1)).await, "250 2.0.0 ok");
    assert_eq!(place.types().await, ["bounced"]);
    assert_eq!(place.intake.counts().failed, 1);
}
