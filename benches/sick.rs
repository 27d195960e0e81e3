//! Domains that are dead, mute or slow, and how much a queue of a million takes.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use mailtrail::smtp::send::{
    Direct, Dispatcher, Happening, Limits, Mx, Outcome, ResolveError, Resolver, Route,
};
use mailtrail_benches::{Figure, resident_bytes};

use super::sink::{self, Sink};
use super::{broadcast, message, planned, sender};

const DOMAINS: usize = 1_000;
const RECIPIENTS: usize = 100_000;
const MILLION: usize = 1_000_000;

/// How a domain does, by its name.
#[derive(Debug)]
struct Hosts;

#[async_trait]
impl Resolver for Hosts {
    async fn mx(&self, domain: &str) -> Result<Vec<Mx>, ResolveError> {
        Ok(vec![Mx::new(10, domain)])
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let address = match host.split_once('-').map_or(host, |(how, _)| how) {
            "healthy" => sink::HEALTHY,
            "slow" => sink::SLOW,
            "mute" => sink::MUTE,
            _ => sink::DEAD,
        };
        Ok(vec![address.into()])
    }
}

/// One of ten is sick: dead, mute or slow.
fn domain(number: usize) -> String {
    let how = match number % 30 {
        0 => "dead",
        10 => "mute",
        20 => "slow",
        _ => "healthy",
    };
    format!("{how}-{number}.example")
}

pub(super) fn domains() {
    let sink = Sink::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let all = || (0..RECIPIENTS).map(|n| domain(n % DOMAINS));
    let (mut with, mut without) = (f64::MAX, f64::MAX);
    for _ in 0..2 {
        let healthy = all().filter(|domain| domain.starts_with("healthy"));
        without = without.min(runtime.block_on(healthy_done(sink.port, healthy)));
        with = with.min(runtime.block_on(healthy_done(sink.port, all())));
    }
    Figure::new("smtp.sick_domains", with, "s until the healthy domains are done")
        .against("the run without the sick", without)
        .at_most(1.3)
        .print();
}

/// How long it takes until all rows of healthy domains are delivered.
async fn healthy_done(port: u16, domains: impl Iterator<Item = String>) -> f64 {
    let mut healthy = 0;
    let addresses = domains.enumerate().map(|(n, domain)| {
        healthy += usize::from(domain.starts_with("healthy"));
        format!("p{n}@{domain}")
    });
    let (_folder, tracker) = planned(addresses).await;
    let wait = Duration::from_secs(30);
    let direct = Direct::new(Hosts, "mail.school.example").port(port).timeouts(wait, wait);
    let sender = sender(&tracker, Route::direct(direct));
    let dispatcher = Dispatcher::new(sender, message());
    let (done, mut is_done) = tokio::sync::mpsc::channel::<()>(1);
    let begun = Instant::now();
    let mut delivered = 0;
    let broadcast = broadcast();
    let run = dispatcher.run(&broadcast, |happening| {
        if let Happening::Row { outcome: Outcome::Delivered, .. } = happening {
            delivered += 1;
            if delivered >= healthy {
                done.try_send(()).ok();
            }
        }
    });
    tokio::select! {
        ended = run => drop(ended.unwrap()),
        _ = is_done.recv() => {}
    }
    begun.elapsed().as_secs_f64()
}

/// All wait for a domain that says nothing.
pub(super) fn million() {
    let sink = Sink::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (growth, before) = runtime.block_on(async {
        let (_folder, tracker) =
            planned((0..MILLION).map(|n| format!("p{n}@mute-1.example"))).await;
        // What the store keeps in memory of what it reads is the store's.
        let mut queued = tracker.queued(broadcast());
        while queued.next().await.unwrap().is_some() {}
        let before = resident_bytes();
        let wait = Duration::from_secs(600);
        let direct = Direct::new(Hosts, "mail.school.example").port(sink.port).timeouts(wait, wait);
        let sender = sender(&tracker, Route::direct(direct));
        let dispatcher = Dispatcher::new(sender, message()).limits(Limits::default());
        let broadcast = broadcast();
        let settled = async {
            let (mut last, mut same) = (0, 0);
            while same < 10 {
                tokio::time::sleep(Duration::from_millis(500)).await;
                let now = resident_bytes() >> 20;
                same = if now == last { same + 1 } else { 0 };
                last = now;
            }
        };
        tokio::select! {
            ended = dispatcher.run(&broadcast, |_| {}) => drop(ended.unwrap()),
            () = settled => {}
        }
        (resident_bytes().saturating_sub(before), before)
    });
    Figure::new("smtp.million_bytes", growth as f64, "bytes for a million rows that wait")
        .at_most(256e6)
        .print();
    Figure::new("smtp.million_bytes.store", before as f64, "bytes of the process before").print();
}
