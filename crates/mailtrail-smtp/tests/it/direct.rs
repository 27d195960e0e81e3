//! Without a relay: the name servers say where a message goes, and what they say is the trail's.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mailtrail_core::event::Event;
use mailtrail_core::reason::Reason;
use mailtrail_core::{EventStoreExt, Status, StreamId};
use mailtrail_smtp::send::{Direct, Dns, Outcome, Route};
use mailtrail_smtp::sink::{Script, Sink};

use super::name_server::{NameServer, Says, Zone};
use super::planned::Planned;

/// A sink on each of these addresses, at one port.
async fn sinks(addresses: [&str; 2]) -> (u16, Vec<Sink>) {
    'port: loop {
        let mut port = 0;
        let mut sinks = Vec::new();
        for address in addresses {
            let ip: IpAddr = address.parse().unwrap();
            let script = Script::refuse("550 5.1.1 no such user").unwrap();
            let sink = Sink::builder().on("gone@*", script).hostname("mx.example");
            match sink.start_on(SocketAddr::new(ip, port)).await {
                Ok(sink) => {
                    port = sink.addr().port();
                    sinks.push(sink);
                }
                Err(_) if port != 0 => continue 'port,
                Err(error) => panic!("{error}"),
            }
        }
        return (port, sinks);
    }
}

fn zone() -> Zone {
    Zone::default()
        .mx("two.example", 10, "dead.two.example.")
        .mx("two.example", 20, "good.two.example.")
        .address("dead.two.example", "127.0.0.9")
        .address("good.two.example", "127.0.0.2")
        .address("plain.example", "127.0.0.1")
        .mx("null.example", 0, ".")
        .says("lame.example", Says::ServFail)
        .says("silent.example", Says::Silence)
        .mx("lost.example", 10, "nowhere.example.")
        .mx("xn--bcher-kva.example", 10, "good.two.example.")
        .mx("dead.example", 10, "dead.two.example.")
        .says("empty.example", Says::Records(Vec::new()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_servers_decide_where_it_goes_and_why_it_does_not() {
    let table: &[(&str, Outcome, Status, Option<Reason>)] = &[
        ("ann@plain.example", Outcome::Delivered, Status::Delivered, None),
        ("ann@two.example", Outcome::Delivered, Status::Delivered, None),
        ("ann@bücher.example", Outcome::Delivered, Status::Delivered, None),
        ("jörg@plain.example", Outcome::Delivered, Status::Delivered, None),
        ("ann@[127.0.0.2]", Outcome::Delivered, Status::Delivered, None),
        ("gone@plain.example", Outcome::Bounced, Status::Failed, Some(Reason::UserUnknown)),
        ("ann@gone.example", Outcome::Bounced, Status::Failed, Some(Reason::HostUnknown)),
        ("ann@empty.example", Outcome::Bounced, Status::Failed, Some(Reason::HostUnknown)),
        ("ann@lost.example", Outcome::Bounced, Status::Failed, Some(Reason::HostUnknown)),
        ("ann@null.example", Outcome::Bounced, Status::Failed, Some(Reason::DomainAcceptsNoMail)),
        ("ann@lame.example", LATER, Status::SoftBounced, Some(Reason::DnsError)),
        ("ann@silent.example", LATER, Status::SoftBounced, Some(Reason::DnsError)),
        ("ann@dead.example", LATER, Status::SoftBounced, Some(Reason::ConnectionFailed)),
    ];
    let server = NameServer::start(zone()).await;
    let (port, sinks) = sinks(["127.0.0.1", "127.0.0.2"]).await;
    let addresses: Vec<_> = table.iter().map(|(address, ..)| *address).collect();
    let planned = Planned::new(&addresses).await;
    let dns = Dns::servers([server.addr], Duration::from_millis(300)).unwrap();
    let direct = Direct::new(dns, "mail.school.example").port(port);
    let sender = planned.sender(Route::direct(direct));
    for (number, (address, outcome, status, reason)) in table.iter().enumerate() {
        let actual = planned.deliver(&sender, number).await.unwrap();
        let same = std::mem::discriminant(&actual) == std::mem::discriminant(outcome);
        let evidence = planned.evidence(number).await;
        let why = evidence.why().and_then(|why| why.reason);
        assert!(
            same && evidence.status() == *status && why == *reason,
            "{address}: {actual:?} {why:?}"
        );
        assert_eq!(evidence.attempts(), 1, "{address}: it has had its attempt");
        assert_eq!(evidence.in_doubt().count(), 0, "{address}");
    }
    let heard: Vec<_> = sinks.iter().flat_map(Sink::attempts).map(|rcpt| rcpt.address).collect();
    assert!(heard.contains(&"ann@xn--bcher-kva.example".to_owned()), "{heard:?}");
    assert!(heard.contains(&"jörg@plain.example".to_owned()), "{heard:?}");
}

/// Any, in its kind.
const LATER: Outcome = Outcome::Deferred(chrono::DateTime::UNIX_EPOCH);

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_reached_by_ipv6() {
    let Ok(sink) = Sink::builder().start_on("[::1]:0".parse().unwrap()).await else {
        eprintln!("skipped: this machine has no IPv6");
        return;
    };
    let zone =
        Zone::default().mx("six.example", 10, "mx.six.example.").address("mx.six.example", "::1");
    let server = NameServer::start(zone).await;
    let planned = Planned::new(&["ann@six.example"]).await;
    let dns = Dns::servers([server.addr], Duration::from_secs(5)).unwrap();
    let direct = Direct::new(dns, "mail.school.example").port(sink.addr().port());
    let sender = planned.sender(Route::direct(direct));
    assert_eq!(planned.deliver(&sender, 0).await.unwrap(), Outcome::Delivered);
    let stream = StreamId::delivery(planned.rows[0].delivery);
    let events = planned.store.stream(stream).await.unwrap();
    let Event::Delivered(delivered) = events.last().unwrap().fact().unwrap().event else {
        panic!("{events:?}")
    };
    assert_eq!(delivered.host.as_deref(), Some("mx.six.example"));
    let transcript = delivered.transcript.unwrap();
    assert_eq!(transcript.address, Some("::1".parse().unwrap()));
}
