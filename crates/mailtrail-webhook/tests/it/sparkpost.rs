//! SparkPost: batches that come again, bounces that come late, answers that are none.

use mailtrail_core::correlation::Attribution;
use mailtrail_core::{Event, Status};
use mailtrail_webhook::Request;
use mailtrail_webhook::provider::Refused;

use super::{ids, now, open, read, read_one};

fn event(class: &str, members: &str) -> String {
    format!(r#"{{"msys":{{"{class}":{{{members}}}}}}}"#)
}

fn one(class: &str, members: &str) -> mailtrail_core::Feedback {
    read_one("sparkpost", format!("[{}]", event(class, members)).as_bytes())
}

#[test]
fn a_retry_in_other_batches_gives_the_same_events() {
    let provider = open("sparkpost");
    let a = event(
        "message_event",
        r#""type":"delivery","event_id":"9007199254740993","raw_rcpt_to":"Ann@a.example""#,
    );
    let b = event(
        "message_event",
        r#""type":"delivery","event_id":"9007199254740992","raw_rcpt_to":"ann@a.example""#,
    );
    let both = ids(&read(&*provider, format!("[{a},{b}]").as_bytes()));
    let alone = [&b, &a].map(|one| ids(&read(&*provider, format!("[{one}]").as_bytes()))[0]);
    assert_ne!(both[0], both[1]);
    assert_eq!([both[1], both[0]], alone);
    // As a number it is the same id.
    let number = a.replace("\"9007199254740993\"", "9007199254740993");
    assert_eq!(ids(&read(&*provider, format!("[{number}]").as_bytes()))[0], both[0]);
}

/// A bounce after the server took it, of nobody in particular, raises nobody's status.
#[test]
fn a_late_bounce_without_recipient_is_the_messages() {
    let bounce = r#""type":"out_of_band","bounce_class":"10","transmission_id":"7","raw_reason":"550 5.1.1 no such user""#;
    let feedback = one("message_event", bounce);
    assert_eq!(feedback.fact.attribution, Attribution::Message);
    assert_eq!(feedback.fact.floor(), None);
    let whose = one("message_event", &format!(r#"{bounce},"rcpt_to":"ann@a.example""#));
    assert_eq!(whose.fact.floor(), Some(Status::Failed));
}

#[test]
fn automatic_answers_are_no_bounces() {
    for class in ["60", "100"] {
        let members =
            format!(r#""type":"bounce","bounce_class":"{class}","rcpt_to":"ann@a.example""#);
        let feedback = one("message_event", &members);
        assert!(matches!(feedback.fact.event, Event::AutoReplied(_)));
        assert_eq!(feedback.fact.floor(), Some(Status::Delivered));
    }
}

/// Our own DNS may have failed.
#[test]
fn a_failed_look_up_says_nothing_of_the_address() {
    let members = r#""type":"bounce","bounce_class":"21","rcpt_to":"ann@a.example""#;
    assert_eq!(one("message_event", members).fact.floor(), Some(Status::Bounced));
}

#[test]
fn the_recipient_is_kept_as_it_was_written() {
    let members =
        r#""type":"delivery","raw_rcpt_to":"Ann.Ames@a.example","rcpt_to":"ann.ames@a.example""#;
    let feedback = one("message_event", members);
    assert_eq!(feedback.private.recipient.as_deref(), Some("Ann.Ames@a.example"));
}

#[test]
fn mail_that_comes_in_belongs_elsewhere() {
    let body = format!("[{}]", event("relay_message", r#""rcpt_to":"office@school.example""#));
    let answer = open("sparkpost").split(&Request::new(body.as_bytes(), now()));
    assert_eq!(answer.unwrap_err(), Refused::WrongEndpoint);
}
