//! Logging in: what is wrong with our credentials is no recipient's bounce.

use std::error::Error;

use chrono::TimeDelta;
use mailtrail_smtp::send::{Credentials, Outcome, Relay, Schedule, SendError, TalksTo, Tls};

use super::endpoint::{Authority, Encrypts, Endpoint, HOST, PASSWORD, Rules, USER};
use super::planned::Planned;

struct Office {
    endpoint: Endpoint,
    planned: Planned,
    relay: Relay,
}

impl Office {
    /// A server behind STARTTLS that offers these logins.
    async fn new(mechanisms: &'static str) -> Self {
        let authority = Authority::new();
        let encrypts = Encrypts::AfterStartTls(authority.server(HOST));
        let endpoint = Endpoint::start(Rules::new(encrypts).logins(mechanisms)).await;
        let relay = endpoint.relay(Tls::StartTls).authorities(authority.trusted());
        let planned = Planned::new(&["ann@a.example", "bob@a.example"]).await;
        Self { endpoint, planned, relay }
    }

    fn with(&self, password: &str) -> Relay {
        self.relay.clone().credentials(Credentials::new(USER, password))
    }

    async fn deliver(&self, relay: Relay) -> Result<Outcome, SendError> {
        let sender = self.planned.sender(relay);
        let outcome = self.planned.deliver(&sender, 0).await;
        sender.close().await;
        outcome
    }
}

/// All that it tells, as a log would hold it.
fn told(error: &SendError) -> String {
    let mut told = format!("{error:?} {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        told = format!("{told}: {cause}");
        source = cause.source();
    }
    told
}

#[tokio::test]
async fn good_credentials_get_in_and_cannot_be_overheard() {
    for mechanisms in ["PLAIN", "LOGIN", "PLAIN LOGIN", "GSSAPI CRAM-MD5 PLAIN"] {
        let office = Office::new(mechanisms).await;
        let outcome = office.deliver(office.with(PASSWORD)).await;
        assert_eq!(outcome.unwrap(), Outcome::Sent, "{mechanisms}");
        assert_eq!(office.endpoint.messages().len(), 1);
        for text in ["AUTH", PASSWORD, &data_encoding::BASE64.encode(PASSWORD.as_bytes())] {
            assert!(!office.endpoint.overhears(text), "{mechanisms}: {text}");
        }
    }
}

#[tokio::test]
async fn refused_credentials_leave_the_delivery_queued() {
    for mechanisms in ["PLAIN", "LOGIN", "PLAIN LOGIN"] {
        let office = Office::new(mechanisms).await;
        let error = office.deliver(office.with("battery staple")).await.unwrap_err();
        assert!(matches!(error, SendError::Login(_)), "{mechanisms}: {error:?}");
        let told = told(&error);
        assert!(told.contains("check the user name and the password"), "{told}");
        assert!(told.contains("535 5.7.8"), "{told}");
        assert!(!told.contains(USER) && !told.contains("battery"), "{told}");
        assert!(office.planned.is_untouched(0).await, "{mechanisms}");

        assert_eq!(office.deliver(office.with(PASSWORD)).await.unwrap(), Outcome::Sent);
    }
}

#[tokio::test]
async fn a_login_that_is_only_unavailable_is_to_be_tried_again() {
    let office = Office::new("PLAIN").await;
    office.endpoint.change(|rules| rules.wrong = "454 4.7.0 the directory is down");
    let error = office.deliver(office.with("any")).await.unwrap_err();
    assert!(matches!(error, SendError::Connect(_)), "{error:?}");
    assert!(told(&error).contains("454 4.7.0"), "{error:?}");
    assert!(office.planned.is_untouched(0).await);
}

#[tokio::test]
async fn a_server_without_a_login_for_us_is_named_so() {
    for mechanisms in ["", "GSSAPI", "DIGEST-MD5 CRAM-MD5"] {
        let office = Office::new(mechanisms).await;
        let error = office.deliver(office.with(PASSWORD)).await.unwrap_err();
        assert!(matches!(error, SendError::LoginNotOffered), "{mechanisms}: {error:?}");
        assert!(office.planned.is_untouched(0).await);
    }
}

#[tokio::test]
async fn a_login_that_we_lack_costs_the_recipient_no_attempt() {
    let office = Office::new("PLAIN").await;
    let schedule: Schedule = "1m".parse().unwrap();
    let sender = office.planned.sender(office.relay.clone()).schedule(schedule.clone());
    // More often than the schedule would try.
    for _ in 0..3 {
        let error = office.planned.deliver(&sender, 0).await.unwrap_err();
        assert!(matches!(error, SendError::LoginRequired(_)), "{error:?}");
        assert!(told(&error).contains("530"), "{error:?}");
        assert!(office.planned.evidence(0).await.is_waiting());
    }
    sender.close().await;

    // With the login, the schedule is as good as new.
    office.endpoint.change(|rules| rules.recipient = "450 4.7.1 greylisted, come back");
    let sender = office.planned.sender(office.with(PASSWORD)).schedule(schedule);
    let outcome = office.planned.deliver(&sender, 0).await.unwrap();
    assert!(matches!(outcome, Outcome::Deferred(_)), "{outcome:?}");
    office.planned.clock.advance(TimeDelta::minutes(1));
    assert_eq!(office.planned.deliver(&sender, 0).await.unwrap(), Outcome::Bounced);
    assert_eq!(office.planned.evidence(0).await.attempts(), 5);
}

#[tokio::test]
async fn a_recipients_own_server_that_wants_a_login_refuses_the_recipient() {
    let office = Office::new("PLAIN").await;
    let relay = office.relay.clone().talks_to(TalksTo::Mx);
    assert_eq!(office.deliver(relay).await.unwrap(), Outcome::Bounced);
}

/// The connection ended while idle, and the password was changed since.
#[tokio::test]
async fn a_password_that_changes_between_messages_bounces_nobody() {
    let office = Office::new("PLAIN").await;
    office.endpoint.change(|rules| rules.hangs_up = true);
    let sender =
        office.planned.sender(office.with(PASSWORD)).schedule("".parse::<Schedule>().unwrap());
    assert_eq!(office.planned.deliver(&sender, 0).await.unwrap(), Outcome::Sent);
    office.endpoint.change(|rules| rules.password = "new");
    let error = office.planned.deliver(&sender, 1).await.unwrap_err();
    assert!(matches!(error, SendError::Login(_)), "{error:?}");
    assert!(office.planned.evidence(1).await.is_waiting());

    let sender = office.planned.sender(office.with("new"));
    assert_eq!(office.planned.deliver(&sender, 1).await.unwrap(), Outcome::Sent);
}
