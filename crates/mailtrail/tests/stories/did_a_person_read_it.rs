//! Did a person read it? One mail, read through Apple's proxy, through Gmail's, by a link scanner, in a text client and
//! by a person at a desk: the report separates them, each open explains itself, and no scanner unsubscribes anyone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use mailtrail::core::event::Agent;
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::core::{Event, Status};
use mailtrail::report::EmailLogRow;
use mailtrail::serve::{Running, Server};
use mailtrail::sled::SledStore;
use mailtrail::webhook::hits_router;
use mailtrail::webhook::track::{Hits, Judge, click_url, pixel_url, trap_url, unsubscribe_url};
use mailtrail::{Delivery, Tracker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::report::{keys, plan};

const APPLE: &str = "Mozilla/5.0";
const GMAIL: &str =
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const W3M: &str = "w3m/0.5.3+git20230121";

/// The server, behind a proxy on this host; and a clock that is moved by hand.
struct Place {
    tracker: Tracker,
    hits: Arc<Hits>,
    server: Running,
    milliseconds: Arc<AtomicI64>,
}

impl Place {
    fn open() -> Self {
        let tracker = Tracker::builder(SledStore::temporary().unwrap()).open();
        let (start, milliseconds) = (tracker.clock().now(), Arc::new(AtomicI64::new(0)));
        let clock = {
            let milliseconds = Arc::clone(&milliseconds);
            move || start + TimeDelta::milliseconds(milliseconds.load(Ordering::SeqCst))
        };
        let random = || {
            let mut bytes = [0; 10];
            getrandom::fill(&mut bytes).unwrap();
            bytes
        };
        let store = Arc::clone(tracker.store());
        let hits = Arc::new(Hits::new(store, keys(), Arc::new(clock), random));
        let server = Server::new(hits_router(Arc::clone(&hits)))
            .trusted_proxies("127.0.0.0/8".parse().unwrap())
            .bind("127.0.0.1:0".parse().unwrap())
            .unwrap();
        Self { tracker, hits, server, milliseconds }
    }

    fn wait(&self, milliseconds: i64) {
        self.milliseconds.fetch_add(milliseconds, Ordering::SeqCst);
    }

    async fn get(&self, url: &str, agent: &str, from: &str) -> String {
        self.ask("GET", url, agent, from, "").await
    }

    async fn post(&self, url: &str, body: &str) -> String {
        self.ask("POST", url, CHROME, "192.0.2.7", body).await
    }

    /// The first line of the answer, when the hit is stored.
    async fn ask(&self, method: &str, url: &str, agent: &str, from: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.server.local_addr()).await.unwrap();
        let request = format!(
            "{method} {url} HTTP/1.1\r\nHost: mail.example\r\nUser-Agent: {agent}\r\nX-Forwarded-For: {from}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        while self.hits.counts().waiting > 0 {
            tokio::task::yield_now().await;
        }
        answer.lines().next().unwrap().to_owned()
    }

    async fn judged(&self) -> usize {
        let later: DateTime<Utc> = self.tracker.clock().now() + TimeDelta::seconds(60);
        Judge::default().run(&**self.tracker.store(), later).await.unwrap()
    }

    async fn row(&self, delivery: &Delivery) -> EmailLogRow {
        self.tracker.email_log().await.unwrap().row(delivery.id()).unwrap().unwrap()
    }

    /// Each open and click of a delivery: who it was, and by which rule.
    async fn explained(&self, delivery: &Delivery) -> Vec<(String, Agent, String)> {
        let explanation = self.tracker.explain(delivery.id()).await.unwrap();
        let seen = explanation
            .steps
            .into_iter()
            .filter(|step| matches!(step.event_type.as_str(), "opened" | "clicked"));
        seen.map(|step| {
            assert!(step.rules_version.is_some());
            (step.event_type.to_string(), step.agent.unwrap(), step.rule.unwrap().into())
        })
        .collect()
    }
}

fn link(delivery: &Delivery, n: u8) -> String {
    click_url("", &keys(), delivery.id(), &format!("https://school.example/snow?{n}"))
}

#[tokio::test]
async fn the_report_separates_persons_machines_and_nobody_knows() {
    let place = Place::open();
    let rows = plan(&place.tracker, "snow-day", ["apple", "gmail", "office", "text", "desk"]).await;
    for (name, row) in &rows {
        place.tracker.sent(row, &"esp".parse().unwrap(), name).await.unwrap();
    }
    everyone_reads(&place, &rows).await;
    assert!(place.judged().await > 0);
    assert_eq!(place.judged().await, 0, "each hit has one verdict");

    let machine = |agent, rule: &str| ("opened".to_owned(), agent, rule.to_owned());
    let clicked = |agent, rule: &str| ("clicked".to_owned(), agent, rule.to_owned());
    for (name, status, (person, by_machine, unknown), clicks, explained) in [
        (
            "apple",
            Status::Delivered,
            (0, 1, 0),
            0,
            vec![machine(Agent::MailboxMachine, "apple_mail_privacy")],
        ),
        (
            "gmail",
            Status::Opened,
            (0, 0, 1),
            0,
            vec![machine(Agent::Unknown, "google_image_proxy")],
        ),
        // What a scanner does proves nothing: not even that the message arrived.
        (
            "office",
            Status::Sent,
            (0, 0, 0),
            0,
            vec![
                clicked(Agent::Scanner, "trap_link"),
                clicked(Agent::Scanner, "beside_trap_link"),
                clicked(Agent::Scanner, "beside_trap_link"),
                clicked(Agent::Scanner, "beside_trap_link"),
                machine(Agent::Scanner, "beside_trap_link"),
            ],
        ),
        ("text", Status::Opened, (0, 0, 0), 1, vec![clicked(Agent::Unknown, "undecided")]),
        (
            "desk",
            Status::Opened,
            (1, 0, 0),
            1,
            vec![
                machine(Agent::Human, "read_then_clicked"),
                clicked(Agent::Human, "read_then_clicked"),
            ],
        ),
    ] {
        let row = place.row(&rows[name]).await;
        assert_eq!(row.status, status, "{name}");
        let opens = (row.opens_person, row.opens_machine, row.opens_unknown);
        assert_eq!((opens, row.clicks), ((person, by_machine, unknown), clicks), "{name}");
        let mut got = place.explained(&rows[name]).await;
        // Those that settle are given their verdicts in the order of their ids.
        got.sort_by_key(|(_, _, rule)| rule != "trap_link");
        assert_eq!(got.len(), explained.len(), "{name}: {got:?}");
        for step in &explained {
            assert!(got.contains(step), "{name}: {got:?}");
        }
    }
}

async fn everyone_reads(place: &Place, rows: &BTreeMap<String, Delivery>) {
    let pixel = |name: &str| pixel_url("", &keys(), rows[name].id());
    place.get(&pixel("apple"), APPLE, "17.58.63.1").await;
    place.get(&pixel("gmail"), GMAIL, "66.249.81.1").await;

    // A gateway in a browser's clothes, from many addresses: every link, also that for unsubscribing.
    let office = &rows["office"];
    for n in 1..=3 {
        let answer = place.get(&link(office, n), CHROME, &format!("198.51.100.{n}")).await;
        assert_eq!(answer, "HTTP/1.1 302 Found");
        place.wait(100);
    }
    let trap = trap_url("", &keys(), office.id());
    assert_eq!(place.get(&trap, CHROME, "198.51.100.4").await, "HTTP/1.1 204 No Content");
    place.get(&pixel("office"), CHROME, "198.51.100.5").await;
    let leave = unsubscribe_url("", &keys(), office.id());
    assert_eq!(place.get(&leave, CHROME, "198.51.100.6").await, "HTTP/1.1 200 OK");

    place.get(&link(&rows["text"], 1), W3M, "192.0.2.9").await;
    place.get(&pixel("desk"), FIREFOX, "192.0.2.7").await;
    place.wait(5_000);
    place.get(&link(&rows["desk"], 1), FIREFOX, "192.0.2.7").await;
    assert_eq!(place.hits.counts().failed, 0);
}

#[tokio::test]
async fn a_get_unsubscribes_nobody_and_a_post_both_ways_for_this_kind_and_no_emergency() {
    let place = Place::open();
    let tracker = &place.tracker;
    let rows = plan(tracker, "snow-day", ["scanned", "button", "page"]).await;
    for (name, body, answer) in [
        ("scanned", "", "HTTP/1.1 400 Bad Request"),
        ("button", "List-Unsubscribe=One-Click", "HTTP/1.1 200 OK"),
        ("page", "unsubscribe=page", "HTTP/1.1 200 OK"),
    ] {
        let url = unsubscribe_url("", &keys(), rows[name].id());
        assert_eq!(place.get(&url, CHROME, "198.51.100.6").await, "HTTP/1.1 200 OK");
        assert_eq!(place.post(&url, body).await, answer, "{name}");
    }
    let left = |name: &str| {
        let id = rows[name].id();
        async move {
            let trail = tracker.trail(id).await.unwrap();
            trail.iter().any(|e| matches!(e.fact().unwrap().event, Event::Unsubscribed(_)))
        }
    };
    assert_eq!(
        (left("scanned").await, left("button").await, left("page").await),
        (false, true, true)
    );
    // Whoever finds the page has opened the message; the button is the mailbox's.
    assert_eq!(place.row(&rows["page"]).await.status, Status::Opened);
    assert_eq!(place.row(&rows["button"]).await.status, Status::Delivered);

    assert_eq!(tracker.apply_blocking_policy().await.unwrap(), 2);
    assert_eq!(tracker.apply_blocking_policy().await.unwrap(), 0);
    for (broadcast, kind, status) in [
        ("next", "general", Status::Blocked),
        ("alarm", "emergency", Status::Unsent),
        ("menu", "menu", Status::Unsent),
    ] {
        let contacts = ["scanned", "button", "page"].map(|name| {
            let address = ContactAddress::new(format!("{name}@pupils.example"));
            Contact::new(name.parse().unwrap()).address(address)
        });
        let plan = Broadcast::new(broadcast.parse().unwrap(), kind.parse().unwrap());
        tracker.plan(plan, contacts).await.unwrap();
        let log = tracker.email_log().await.unwrap();
        for (name, expected) in [("scanned", Status::Unsent), ("button", status), ("page", status)]
        {
            let all = log.deliveries_to(&format!("{name}@pupils.example")).unwrap();
            let rows = all.into_iter().map(|delivery| log.row(delivery).unwrap().unwrap());
            let row = rows.into_iter().find(|row| &*row.broadcast == broadcast).unwrap();
            assert_eq!(row.status, expected, "{name}: {broadcast}");
        }
    }
}
