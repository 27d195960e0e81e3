//! Mailjet: numbers that are ids, and bounces that are none.

use mailtrail_core::Event;
use mailtrail_core::correlation::Correlation;
use mailtrail_core::event::BlockCause;
use mailtrail_core::reason::Reason;
use mailtrail_webhook::Request;
use mailtrail_webhook::provider::Refused;

use super::{ids, now, open, read, read_one};

fn message_id(id: &str) -> String {
    let body = format!(r#"{{"event":"sent","email":"ann@a.example","MessageID":{id}}}"#);
    let Correlation::Key(key) = read_one("mailjet", body.as_bytes()).correlation else { panic!() };
    key.message_id().to_owned()
}

#[test]
fn message_ids_over_2_to_the_53_stay_apart() {
    for id in ["1152921504606846976", "1152921504606846977", "18446744073709551615"] {
        assert_eq!(message_id(id), id);
        assert_eq!(message_id(&format!("\"{id}\"")), id);
    }
}

#[test]
fn one_event_is_the_same_alone_and_in_a_group() {
    let event = r#"{"event":"open","time":1699000000,"MessageID":1152921504606846977,"email":"ann@a.example"}"#;
    let alone = read(&*open("mailjet"), event.as_bytes());
    let grouped = read(&*open("mailjet"), format!("[{event}, {{}}]").as_bytes());
    assert_eq!(ids(&alone)[0], ids(&grouped)[0]);
}

#[test]
fn only_greylisting_goes_on_being_tried() {
    let bounce = |error: &str, hard: bool| {
        let body = format!(
            r#"{{"event":"bounce","email":"ann@a.example","error":"{error}","hard_bounce":{hard}}}"#
        );
        read_one("mailjet", body.as_bytes()).fact.event
    };
    assert!(matches!(bounce("greylisted", false), Event::Deferred(_)));
    assert!(matches!(bounce("greylisted", true), Event::Bounced(_)));
    assert!(matches!(bounce("quota exceeded", false), Event::Bounced(_)));
}

/// What its list says of an address is of an earlier message.
#[test]
fn what_was_blocked_is_no_second_bounce() {
    let body = br#"{"event":"blocked","email":"ann@a.example","error":"user unknown"}"#;
    let Event::Suppressed(suppressed) = read_one("mailjet", body).fact.event else { panic!() };
    assert_eq!(suppressed.cause, BlockCause::ProviderList);
    let body =
        br#"{"event":"bounce","email":"ann@a.example","error":"user unknown","hard_bounce":true}"#;
    let Event::Bounced(bounced) = read_one("mailjet", body).fact.event else { panic!() };
    assert_eq!(bounced.diagnosis.reason, Reason::UserUnknown);
}

#[test]
fn mail_that_comes_in_belongs_elsewhere() {
    let body = br#"{"Sender":"ann@a.example","Recipient":"office@school.example","Headers":{}}"#;
    let answer = open("mailjet").split(&Request::new(body, now()));
    assert_eq!(answer.unwrap_err(), Refused::WrongEndpoint);
}
