//! Nothing is sent in clear where encryption is demanded, and nobody is believed without reason.

use std::error::Error;
use std::time::Duration;

use mailtrail_smtp::send::{
    Authorities, Outcome, ParseAuthoritiesError, Relay, Schedule, SendError, Tls,
};
use tokio::net::TcpListener;

use super::endpoint::{Authority, Encrypts, Endpoint, HOST, Rules};
use super::planned::Planned;

const BOTH: [Tls; 2] = [Tls::StartTls, Tls::Implicit];

async fn endpoint(tls: Tls, acceptor: tokio_rustls::TlsAcceptor) -> Endpoint {
    let encrypts = match tls {
        Tls::StartTls => Encrypts::AfterStartTls(acceptor),
        _ => Encrypts::Always(acceptor),
    };
    Endpoint::start(Rules::new(encrypts)).await
}

async fn one() -> Planned {
    Planned::new(&["ann@a.example"]).await
}

#[tokio::test]
async fn an_encrypted_message_arrives_and_cannot_be_overheard() {
    for tls in BOTH {
        let (planned, authority) = (one().await, Authority::new());
        let endpoint = endpoint(tls, authority.server(HOST)).await;
        let relay = endpoint.relay(tls).authorities(authority.trusted());
        let sender = planned.sender(relay);
        assert_eq!(planned.deliver(&sender, 0).await.unwrap(), Outcome::Sent);
        sender.close().await;

        assert!(endpoint.messages()[0].contains("Subject: Closed"));
        let commands = endpoint.commands();
        let clear: Vec<_> = commands.iter().filter(|line| line.starts_with('-')).collect();
        match tls {
            Tls::StartTls => assert_eq!(clear, ["-EHLO localhost", "-STARTTLS"]),
            _ => assert!(clear.is_empty(), "{clear:?}"),
        }
        for text in ["ann@a.example", "bounces.school.example", "Closed", "MAIL FROM"] {
            assert!(!endpoint.overhears(text), "{tls:?}: {text}");
        }
    }
}

#[tokio::test]
async fn what_is_sent_without_encryption_can_be_overheard() {
    let planned = one().await;
    let endpoint = Endpoint::start(Rules::new(Encrypts::Never)).await;
    let sender = planned.sender(endpoint.relay(Tls::None));
    assert_eq!(planned.deliver(&sender, 0).await.unwrap(), Outcome::Sent);
    assert!(endpoint.overhears("ann@a.example"), "or the tests above show nothing");
}

#[tokio::test]
async fn without_starttls_nothing_is_sent() {
    let planned = one().await;
    let endpoint = Endpoint::start(Rules::new(Encrypts::Never).logins("PLAIN")).await;
    let relay = endpoint.relay(Tls::StartTls);
    let relay = relay.credentials(mailtrail_smtp::send::Credentials::new("school", "secret"));
    let error = planned.deliver(&planned.sender(relay), 0).await.unwrap_err();
    assert!(matches!(error, SendError::StartTlsNotOffered), "{error:?}");
    assert!(error.to_string().contains("check its port"), "{error}");
    assert_eq!(endpoint.commands(), ["-EHLO localhost"]);
    assert!(planned.is_untouched(0).await);
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_gets_nothing_and_costs_no_attempt() {
    let (authority, other) = (Authority::new(), Authority::new());
    let ours = Some(authority.trusted());
    for tls in BOTH {
        for (case, acceptor, authorities) in [
            ("of an unknown authority", other.server(HOST), &ours),
            ("of no public authority", authority.server(HOST), &None),
            ("for another name", authority.server("mx.example"), &ours),
            ("expired", authority.expired(HOST), &ours),
        ] {
            let planned = one().await;
            let endpoint = endpoint(tls, acceptor).await;
            let mut relay = endpoint.relay(tls);
            relay.authorities.clone_from(authorities);
            let error = planned.deliver(&planned.sender(relay), 0).await.unwrap_err();
            assert!(matches!(error, SendError::Untrusted(_)), "{case}: {error:?}");
            assert!(error.source().is_some(), "{case}: says what is wrong with it");
            assert!(!endpoint.overhears("ann@a.example"), "{case}");
            assert!(endpoint.commands().iter().all(|line| line.starts_with('-')), "{case}");
            assert!(planned.is_untouched(0).await, "{case}");
        }
    }
}

#[tokio::test]
async fn tls_to_a_server_that_speaks_in_clear_is_named_so() {
    let planned = one().await;
    let endpoint = Endpoint::start(Rules::new(Encrypts::Never)).await;
    let relay = endpoint.relay(Tls::Implicit).authorities(Authority::new().trusted());
    let error = planned.deliver(&planned.sender(relay), 0).await.unwrap_err();
    assert!(matches!(error, SendError::Encryption(_)), "{error:?}");
    assert!(planned.is_untouched(0).await);
}

#[tokio::test]
async fn a_server_that_never_greets_is_given_up() {
    let listener = TcpListener::bind((HOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for tls in [Tls::None, Tls::StartTls, Tls::Implicit] {
        let planned = one().await;
        let relay = Relay::new(HOST, port).tls(tls).timeout(Duration::from_millis(100));
        let relay = relay.authorities(Authority::new().trusted());
        let sender = planned.sender(relay);
        let limit = Duration::from_secs(30);
        let answer = tokio::time::timeout(limit, planned.deliver(&sender, 0)).await;
        let error = answer.expect("it waits no longer than it was told").unwrap_err();
        assert!(matches!(error, SendError::Connect(_)), "{tls:?}: {error:?}");
        assert!(planned.is_untouched(0).await);
    }
}

/// The connection ended while idle, and the server's certificate is another one since.
#[tokio::test]
async fn a_certificate_that_changes_between_messages_bounces_nobody() {
    let authority = Authority::new();
    let planned = Planned::new(&["ann@a.example", "bob@a.example"]).await;
    let endpoint = endpoint(Tls::StartTls, authority.server(HOST)).await;
    endpoint.change(|rules| rules.hangs_up = true);
    let relay = endpoint.relay(Tls::StartTls).authorities(authority.trusted());
    // No attempt may fail: the first that does is the last.
    let sender = planned.sender(relay).schedule("".parse::<Schedule>().unwrap());
    assert_eq!(planned.deliver(&sender, 0).await.unwrap(), Outcome::Sent);

    endpoint.change(|rules| {
        rules.encrypts = Encrypts::AfterStartTls(Authority::new().server(HOST));
    });
    let error = planned.deliver(&sender, 1).await.unwrap_err();
    assert!(matches!(error, SendError::Untrusted(_)), "{error:?}");
    assert!(planned.evidence(1).await.is_waiting());
    assert_eq!(endpoint.messages().len(), 1);

    endpoint.change(|rules| rules.encrypts = Encrypts::AfterStartTls(authority.server(HOST)));
    assert_eq!(planned.deliver(&sender, 1).await.unwrap(), Outcome::Sent);
    assert_eq!(endpoint.messages().len(), 2);
}

#[test]
fn what_holds_no_certificate_is_refused() {
    let empty = Authorities::from_pem(b"no certificate").unwrap_err();
    assert!(matches!(empty, ParseAuthoritiesError::Empty), "{empty:?}");
    let no_der = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let unreadable = Authorities::from_pem(no_der).unwrap_err();
    assert!(matches!(unreadable, ParseAuthoritiesError::Unreadable(_)), "{unreadable:?}");
}
