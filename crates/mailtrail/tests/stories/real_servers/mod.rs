//! Postfix, Exim and OpenSMTPD as our relay, before hosts that do everything that hosts do. Each passes on,
//! tries, gives up and reports in its own way; the Email Log says of each delivery what happened to it.

mod log;
mod report;
mod row;
mod table;
mod watch;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailtrail::Tracker;
use mailtrail::classify::Classifier;
use mailtrail::core::Status;
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::core::token::{Key, Keys};
use mailtrail::report::Query;
use mailtrail::sled::SledStore;
use mailtrail::smtp::intake::{Intake, LmtpIntake};
use mailtrail::smtp::return_path::ReturnPath;
use mailtrail::smtp::send::TalksTo;
use mailtrail::smtp::server::{Protocol, Server};
use mailtrail::smtp::sink::Mx;
use tokio::task::JoinSet;

use crate::real_postfix::{DOMAIN, send};
use crate::support::postfix::NotStarted;
use crate::support::relay::{Kind, Relay, RelayConfig};
use crate::support::skip::skipped;
use row::Row;
use table::{Behaviour, behaviours};
use watch::Watch;

async fn table(test: &str, kind: Kind) {
    let behaviours = behaviours();
    assert!(behaviours.len() >= 40);
    let tracker = Tracker::builder(SledStore::temporary().unwrap()).open();
    let keys = Keys::new(Key::new(1, [7; 32]));
    let intake = Intake::new(
        Arc::clone(tracker.store()),
        keys.clone(),
        ReturnPath::new(DOMAIN),
        Classifier::builtin().unwrap(),
        Arc::clone(tracker.clock()),
    );
    let watch = Watch::new(kind, LmtpIntake::new(Arc::new(intake)));
    let lmtp = Server::new(Protocol::Lmtp, watch.clone());
    let lmtp = lmtp.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let hosts = hosts(&behaviours).await;
    let config = RelayConfig {
        return_path_domain: DOMAIN.to_owned(),
        lmtp: lmtp.local_addr(),
        routes: hosts.iter().map(|host| (host.domain.clone(), host.addr)).collect(),
        // Longer than OpenSMTPD leaves a host alone after a network error.
        lifetime: Duration::from_secs(22),
        warns_after: Duration::from_secs(8),
    };
    let relay = match Relay::start(kind, &config) {
        Ok(relay) => relay,
        Err(NotStarted::Unavailable(why)) => return skipped(test, &why),
        Err(NotStarted::Failed(why)) => panic!("{why}"),
    };
    let reporting = reporting(hosts, relay.smtp_addr());
    plan(&tracker, &behaviours).await;
    send(&tracker, &keys, relay.smtp_addr(), TalksTo::Relay).await;

    let expected: BTreeMap<String, Row> = behaviours
        .iter()
        .map(|behaviour| (behaviour.address(), behaviour.expected(kind)))
        .collect();
    let until = Instant::now() + Duration::from_secs(90);
    loop {
        let actual = email_log(&tracker).await;
        if actual == expected {
            break;
        }
        let in_time = Instant::now() < until;
        assert!(in_time, "{}", differences(&actual, &expected, &relay.log()));
        // The log moves when a report is recorded; a report that never comes ends in the time above.
        let head = tracker.store().head().await.unwrap().position;
        let moved = tracker.store().changed(head);
        drop(tokio::time::timeout(Duration::from_secs(2), moved).await);
    }
    let log = relay.log();
    watch.keep_log(&log);
    let by_log: BTreeMap<String, Status> =
        behaviours.iter().map(|behaviour| (behaviour.address(), behaviour.by_log(kind))).collect();
    assert_eq!(log::statuses(&tracker, &keys, kind, &log).await, by_log);
    drop(reporting);
    drop(relay);
    lmtp.stop().await;
}

/// The host of a behaviour; none listens where nobody is to answer.
struct Host {
    domain: String,
    addr: SocketAddr,
    mx: Option<Mx>,
    reports: Vec<report::Report>,
}

/// Each at an address of its own: what a server learns of one shall say nothing about the others.
async fn hosts(behaviours: &[Behaviour]) -> Vec<Host> {
    let mut hosts = Vec::new();
    for (number, behaviour) in (1..).zip(behaviours) {
        let ip = Ipv4Addr::new(127, 0, 1, number);
        let (domain, reports) = (behaviour.domain(), behaviour.reports.clone());
        let (addr, mx) = match &behaviour.script {
            Some(script) => {
                let mx = Mx::start((ip, 0).into(), script.clone()).await.unwrap();
                (mx.addr(), Some(mx))
            }
            None => ((ip, 1).into(), None),
        };
        hosts.push(Host { domain, addr, mx, reports });
    }
    hosts
}

/// Those that have taken a message and have more to say about it.
fn reporting(hosts: Vec<Host>, relay: SocketAddr) -> JoinSet<()> {
    let mut reporting = JoinSet::new();
    for host in hosts {
        reporting.spawn(async move {
            let Some(mx) = host.mx else { return };
            if !host.reports.is_empty() {
                let taken = mx.message(0).await;
                for report in host.reports {
                    report.send(relay, &taken).await;
                }
            }
            // It listens as long as the story lasts.
            std::future::pending::<()>().await;
        });
    }
    reporting
}

async fn plan(tracker: &Tracker, behaviours: &[Behaviour]) {
    let contacts = behaviours.iter().map(|behaviour| {
        let address = behaviour.address();
        Contact::new(address.parse().unwrap()).address(ContactAddress::new(address))
    });
    let broadcast = Broadcast::new("b".parse().unwrap(), "general".parse().unwrap());
    tracker.plan(broadcast, contacts).await.unwrap();
}

async fn email_log(tracker: &Tracker) -> BTreeMap<String, Row> {
    let state = tracker.email_log().await.unwrap();
    let rows = state.rows(&Query::default()).unwrap().into_iter();
    rows.map(|row| {
        let evidence = state.evidence(row.delivery).unwrap();
        (row.email_address.to_string(), Row::of(&evidence, row.bounced_after_delivery))
    })
    .collect()
}

/// The rows that are not as expected, with what the server has logged of them.
fn differences(
    actual: &BTreeMap<String, Row>,
    expected: &BTreeMap<String, Row>,
    log: &str,
) -> String {
    let mut text = String::new();
    for (address, wanted) in expected {
        let row = actual.get(address);
        if row != Some(wanted) {
            writeln!(text, "{address}: {row:?}, not {wanted:?}").unwrap();
            let of_row = log.lines().filter(|line| line.contains(address.as_str()));
            of_row.for_each(|line| writeln!(text, "    {line}").unwrap());
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn the_email_log_of_a_broadcast_through_postfix_says_what_happened() {
    table("the_email_log_of_a_broadcast_through_postfix_says_what_happened", Kind::Postfix).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_email_log_of_a_broadcast_through_exim_says_what_happened() {
    table("the_email_log_of_a_broadcast_through_exim_says_what_happened", Kind::Exim).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_email_log_of_a_broadcast_through_opensmtpd_says_what_happened() {
    table("the_email_log_of_a_broadcast_through_opensmtpd_says_what_happened", Kind::OpenSmtpd)
        .await;
}
