//! Rules in three lines, and what a failed one prints.

use std::panic::catch_unwind;

use mailtrail_core::Status;
use mailtrail_core::event::Agent;
use mailtrail_core::reason::Reason;
use mailtrail_testkit::{given, trail};

#[test]
fn a_late_bounce_never_hides_delivery() {
    given([trail::queued(), trail::sent(), trail::delivered()])
        .when(trail::bounced(Reason::UserUnknown).on_key())
        .then(|evidence| evidence.contradictions().len() == 1)
        .then_status(Status::Delivered);
}

#[test]
fn evidence_on_a_key_counts_once_the_key_is_named() {
    given([trail::queued(), trail::delivered().on_key()])
        .when(trail::opened(Agent::Scanner))
        .then_status(Status::Unsent);
    given([trail::queued(), trail::delivered().on_key()])
        .when(trail::attempted(1))
        .then_status(Status::Delivered);
}

#[test]
fn what_is_of_a_message_or_unknown_raises_nobody() {
    given([trail::queued(), trail::sent()])
        .when(trail::opened(Agent::Human).of_message())
        .then_status(Status::Sent);
    given([trail::queued(), trail::sent()])
        .when(trail::unknown("from_the_future"))
        .then(|evidence| evidence.foreign() == 1)
        .then_status(Status::Sent);
}

#[test]
fn a_time_is_that_of_the_source() {
    given([trail::queued()]).when(trail::delivered().at("2026-11-24T10:00:00Z")).then(|e| {
        e.delivered_at().is_some_and(|at| at.to_rfc3339() == "2026-11-24T10:00:00+00:00")
    });
}

#[test]
fn a_failure_shows_the_trail() {
    let failed = catch_unwind(|| {
        given([trail::queued(), trail::sent()])
            .when(trail::bounced(Reason::MailboxFull))
            .then_status(Status::Opened)
    });
    let text = *failed.unwrap_err().downcast::<String>().unwrap();
    let expected = "\
the status is Bounced, not Opened
position  stream    type            floor              status after
       1  delivery  queued          Unsent             Unsent
       2  delivery  sent            Sent               Sent
       3  delivery  bounced         Bounced            Bounced
";
    assert_eq!(text, expected);
}
