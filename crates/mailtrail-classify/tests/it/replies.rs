//! Replies as servers write them.

use mailtrail_classify::{Classifier, Reply};
use mailtrail_core::diagnosis::Fault;
use mailtrail_core::reason::Reason;
use proptest::prelude::*;

#[test]
fn replies_mean_what_people_would_say_they_mean() {
    let classifier = Classifier::builtin().unwrap();
    let cases = [
        ("550 5.1.1 <x@a.example>: Recipient address rejected: User unknown", Reason::UserUnknown),
        ("550 5.1.1 too many messages from you this hour", Reason::RateLimited),
        (
            "550 5.7.1 Service unavailable; client [192.0.2.1] blocked using list.example",
            Reason::ReputationBlocked,
        ),
        ("452 4.2.2 Mailbox full", Reason::MailboxFull),
        ("552 5.2.2 Quota", Reason::MailboxFull),
        ("450 4.7.1 <x@a.example>: Recipient address rejected: Greylisted", Reason::Greylisted),
        ("550 5.7.1 Message contains spam", Reason::SpamRejected),
        ("554 5.7.1 Relay access denied", Reason::RelayDenied),
        ("550 5.7.26 Unauthenticated mail is not accepted (DMARC)", Reason::AuthenticationFailed),
        ("556 5.1.10 Recipient address has a null MX", Reason::DomainAcceptsNoMail),
        ("connect to mx.a.example[192.0.2.1]:25: Connection refused", Reason::ConnectionFailed),
        ("552 5.3.4 Message size exceeds fixed limit", Reason::MessageTooLarge),
        (
            "Host or domain name not found. Name service error for name=nowhere.example",
            Reason::HostUnknown,
        ),
        ("554 5.4.6 Too many hops", Reason::LoopDetected),
        ("250 perfectly fine", Reason::Unknown),
    ];
    for (text, reason) in cases {
        let verdict = classifier.classify(&Reply::parse(text));
        assert_eq!(verdict.reason, reason, "{text}: {}", verdict.rule);
    }
}

#[test]
fn our_own_fault_is_not_the_recipients() {
    let classifier = Classifier::builtin().unwrap();
    let fault = |text| classifier.classify(&Reply::parse(text)).fault;
    assert_eq!(fault("550 5.7.1 your host is listed at bl.example"), Fault::SenderSystem);
    assert_eq!(fault("550 5.1.1 no such user"), Fault::Recipient);
}

thread_local! {
    static BUILTIN: Classifier = Classifier::builtin().unwrap();
}

proptest! {
    #[test]
    fn reading_is_total_and_does_not_mind_case_or_spacing(text in "\\PC{0,80}") {
        let classifier = BUILTIN.with(Clone::clone);
        let spaced = text.split(' ').collect::<Vec<_>>().join("  \t ");
        let plain = classifier.classify(&Reply::parse(&text));
        prop_assert_eq!(classifier.classify(&Reply::parse(&spaced)), plain);
    }
}

#[test]
fn words_of_a_relay_that_gave_up_stand_behind_the_reply_that_says_why() {
    let classifier = Classifier::builtin().unwrap();
    for (text, reason) in [
        ("451 4.3.0 local error: retry timeout exceeded", Reason::SystemError),
        ("450 4.2.0 try again later: retry timeout exceeded", Reason::SystemError),
        ("450 hm: retry timeout exceeded", Reason::Expired),
        ("retry timeout exceeded", Reason::Expired),
        (": retry timeout exceeded", Reason::Expired),
    ] {
        let reply = Reply::parse(text);
        assert_eq!(classifier.classify(&reply).reason, reason, "{text}");
        assert_eq!(classifier.explain(&reply)[0].verdict.reason, reason, "{text}");
    }
}

proptest! {
    #[test]
    fn what_a_relay_adds_hides_no_reason(text in "(4|5)[0-9]{2} (4|5)\\.[0-7]\\.[0-9]{1,2} [a-z ]{0,30}") {
        let classifier = Classifier::builtin().unwrap();
        let own = classifier.classify(&Reply::parse(&text));
        let given_up = classifier.classify(&Reply::parse(&format!("{text}: retry timeout exceeded")));
        if own.reason.is_known() {
            prop_assert_eq!(given_up, own);
        }
    }
}
