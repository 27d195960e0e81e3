//! Whatever a server does about encryption: the policy decides, and the trail says what happened.

use std::net::IpAddr;

use async_trait::async_trait;
use mailtrail_core::EventStoreExt;
use mailtrail_core::StreamId;
use mailtrail_core::event::Encryption;
use mailtrail_core::reason::Reason;
use mailtrail_smtp::send::{Direct, Mx, Outcome, ResolveError, Resolver, Route, Tls};

use super::endpoint::{Authority, Encrypts, Endpoint, HOST, Rules};
use super::planned::Planned;

/// One host for every domain.
#[derive(Debug)]
struct One;

#[async_trait]
impl Resolver for One {
    async fn mx(&self, _: &str) -> Result<Vec<Mx>, ResolveError> {
        Ok(vec![Mx::new(10, MX)])
    }

    async fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, ResolveError> {
        Ok(vec![HOST.parse().unwrap()])
    }
}

const MX: &str = "mx.a.example";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    /// It offers no STARTTLS, or someone between took it away.
    Stripped,
    Good,
    Expired,
    WrongName,
    /// It offers STARTTLS, and then says that it can't just now.
    Unavailable,
    /// It offers STARTTLS, and then can't do it.
    Broken,
}

/// How it went: in clear, encrypted with whether the certificate was good, or not at all.
#[derive(Debug, PartialEq, Eq)]
enum Went {
    Clear,
    Encrypted { verified: bool },
    Not,
}

async fn sent(server: Server, tls: Tls) -> Went {
    let (planned, authority) = (Planned::new(&["ann@a.example"]).await, Authority::new());
    let encrypts = match server {
        Server::Stripped => Encrypts::Never,
        Server::Good => Encrypts::AfterStartTls(authority.server(MX)),
        Server::Expired => Encrypts::AfterStartTls(authority.expired(MX)),
        Server::WrongName => Encrypts::AfterStartTls(authority.server("mx.b.example")),
        Server::Unavailable => Encrypts::NotNow,
        Server::Broken => Encrypts::Breaks,
    };
    let endpoint = Endpoint::start(Rules::new(encrypts)).await;
    let direct = Direct::new(One, "mail.school.example")
        .port(endpoint.port())
        .tls(tls)
        .authorities(authority.trusted());
    let sender = planned.sender(Route::direct(direct));
    let outcome = planned.deliver(&sender, 0).await.unwrap();
    let stream = StreamId::delivery(planned.rows[0].delivery);
    let events = planned.store.stream(stream).await.unwrap();
    let fact = events.last().unwrap().fact().unwrap();
    match outcome {
        Outcome::Delivered => {
            let transcript = fact.event.transcript().unwrap();
            assert_eq!(endpoint.overhears("ann@a.example"), transcript.tls.is_none());
            transcript.tls.as_ref().map_or(
                Went::Clear,
                |Encryption { version, verified, .. }| {
                    assert_eq!(&**version, "TLSv1.3");
                    Went::Encrypted { verified: *verified }
                },
            )
        }
        Outcome::Deferred(_) => {
            let evidence = planned.evidence(0).await;
            assert_eq!(
                evidence.why().unwrap().reason,
                Some(Reason::TlsRequired),
                "{server:?} {tls:?}"
            );
            assert!(endpoint.messages().is_empty() && !endpoint.overhears("ann@a.example"));
            Went::Not
        }
        other => panic!("{server:?} {tls:?}: {other:?}"),
    }
}

#[tokio::test]
async fn the_policy_decides_and_the_trail_says_what_happened() {
    let (good, bad) = (Went::Encrypted { verified: true }, Went::Encrypted { verified: false });
    let table = [
        (Server::Stripped, [&Went::Clear, &Went::Clear, &Went::Not, &Went::Not]),
        (Server::Good, [&Went::Clear, &good, &good, &good]),
        (Server::Expired, [&Went::Clear, &bad, &bad, &Went::Not]),
        (Server::WrongName, [&Went::Clear, &bad, &bad, &Went::Not]),
        (Server::Unavailable, [&Went::Clear, &Went::Clear, &Went::Not, &Went::Not]),
        (Server::Broken, [&Went::Clear, &Went::Clear, &Went::Not, &Went::Not]),
    ];
    for (server, expected) in table {
        for (tls, expected) in
            [Tls::None, Tls::Opportunistic, Tls::Encrypted, Tls::StartTls].into_iter().zip(expected)
        {
            assert_eq!(sent(server, tls).await, *expected, "{server:?} {tls:?}");
        }
    }
}
