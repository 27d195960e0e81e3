//! Who made a hit, from all hits of a delivery: cases, the law of order, and how often it is wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use futures_executor::block_on;
use mailtrail_core::event::{Agent, Envelope};
use mailtrail_core::store::{EventStore, EventStoreExt, Filter, Position};
use mailtrail_core::token::Purpose;
use mailtrail_core::{DeliveryId, Event, EventId, Feedback};
use mailtrail_memory::MemoryStore;
use mailtrail_webhook::track::{
    HitRequest, Machines, TRAP_LINK, hit, verdict_at_once, verdict_on, verdicts,
};
use proptest::prelude::*;

use super::{keys, namespace};

const DELIVERY: DeliveryId = DeliveryId::from_bytes([2; 16]);
const APPLE: &str = "Mozilla/5.0";
const GMAIL: &str =
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
const PREFETCH: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const THUNDERBIRD: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.0";
const OUTLOOK: &str = "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17928; Pro)";
const W3M: &str = "w3m/0.5.3+git20230121";
const BARRACUDA: &str = "Barracuda Sentinel (EE)";
const HOME: &str = "192.0.2.7";

/// A request: when, in milliseconds; for the pixel (0), the hidden link (9) or another; by whom; from where.
type Asked<'a> = (i64, u8, &'a str, &'a str);

fn at(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap() + TimeDelta::milliseconds(milliseconds)
}

fn observed(n: usize, (when, what, agent, ip): Asked<'_>) -> (EventId, Feedback) {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&n.to_be_bytes());
    let id = EventId::observed(at(when), random);
    let link = match what {
        9 => TRAP_LINK.to_owned(),
        n => format!("https://school.example/{n}"),
    };
    let token = match what {
        0 => keys().sign(Purpose::Open, DELIVERY),
        _ => keys().sign_link(DELIVERY, &link),
    };
    let request = match what {
        0 => HitRequest::pixel(&token, at(when)),
        _ => HitRequest::link(&token, &link, at(when)),
    };
    let request = request.user_agent(Some(agent)).ip(Some(ip));
    (id, hit(&keys(), &request, id).unwrap())
}

/// These hits as they are stored, in the order of their times, without verdicts.
fn stored(asked: &[Asked<'_>]) -> (MemoryStore, Vec<EventId>) {
    let clock = Arc::new(AtomicI64::new(0));
    let now = Arc::clone(&clock);
    let store = MemoryStore::with(namespace(), Arc::new(move || at(now.load(Ordering::SeqCst))));
    let mut order: Vec<usize> = (0..asked.len()).collect();
    order.sort_by_key(|n| asked[*n].0);
    let mut ids = vec![EventId::from_bytes([0; 16]); asked.len()];
    for n in order {
        clock.store(asked[n].0, Ordering::SeqCst);
        let (id, feedback) = observed(n, asked[n]);
        ids[n] = id;
        record(&store, vec![feedback]);
    }
    (store, ids)
}

fn record(store: &MemoryStore, feedback: Vec<Feedback>) {
    let facts = feedback.into_iter().map(|one| one.into_event(&namespace()).unwrap()).collect();
    block_on(store.record(facts)).unwrap();
}

fn events(store: &MemoryStore) -> Vec<Envelope> {
    block_on(store.read_all(&Filter::all(), Position::START, 10_000)).unwrap().events
}

fn judge(asked: &[Asked<'_>]) -> Vec<(Agent, Box<str>)> {
    let (store, ids) = stored(asked);
    let (machines, events) = (Machines::builtin(), events(&store));
    ids.into_iter().map(|id| verdict_on(&machines, &events, id).unwrap()).collect()
}

#[track_caller]
fn case(asked: &[Asked<'_>], expected: &[(Agent, &str)]) {
    let judged = judge(asked);
    let judged: Vec<_> = judged.iter().map(|(agent, rule)| (*agent, &**rule)).collect();
    assert_eq!(judged, expected);
}

const PERSON: (Agent, &str) = (Agent::Human, "read_then_clicked");
const UNDECIDED: (Agent, &str) = (Agent::Unknown, "undecided");

#[test]
fn a_reader_who_follows_a_link_is_a_person() {
    case(&[(0, 0, FIREFOX, HOME), (5_000, 1, FIREFOX, HOME)], &[PERSON, PERSON]);
    case(
        &[(0, 0, GMAIL, "66.249.81.1"), (60_000, 1, CHROME, HOME)],
        &[(Agent::Unknown, "google_image_proxy"), PERSON],
    );
    // Nobody reads in half a second, and a click alone says nothing: text clients load no pictures.
    case(&[(0, 0, FIREFOX, HOME), (500, 1, FIREFOX, HOME)], &[UNDECIDED, UNDECIDED]);
    case(&[(0, 1, W3M, HOME)], &[UNDECIDED]);
    case(&[(0, 0, OUTLOOK, HOME)], &[UNDECIDED]);
    // Opened by the mailbox's machine: who then follows a link may be a scanner as well.
    case(
        &[(0, 0, APPLE, "17.58.1.1"), (60_000, 1, CHROME, HOME)],
        &[(Agent::MailboxMachine, "apple_mail_privacy"), UNDECIDED],
    );
}

#[test]
fn several_links_within_a_second_are_a_scanners_and_two_a_persons() {
    let fast = (Agent::Scanner, "links_at_once");
    case(
        &[
            (0, 0, CHROME, "198.51.100.1"),
            (100, 1, CHROME, "198.51.100.2"),
            (400, 2, FIREFOX, "198.51.100.3"),
            (900, 3, CHROME, "198.51.100.4"),
            (3_600_000, 0, THUNDERBIRD, HOME),
        ],
        &[fast, fast, fast, fast, UNDECIDED],
    );
    let undecided = [UNDECIDED; 3];
    case(&[(0, 1, CHROME, HOME), (600, 2, CHROME, HOME), (2_500, 3, CHROME, HOME)], &undecided);
}

#[test]
fn a_store_that_was_slow_makes_no_scanner_of_a_reader() {
    // Recorded at once when the store came back, but asked for seconds apart.
    let asked = [(0, 0, FIREFOX, HOME), (3_000, 1, FIREFOX, HOME), (7_000, 2, FIREFOX, HOME)];
    let store = MemoryStore::with(namespace(), Arc::new(|| at(30_000)));
    let ids: Vec<EventId> = (0..)
        .zip(asked)
        .map(|(n, asked)| {
            let (id, feedback) = observed(n, asked);
            record(&store, vec![feedback]);
            id
        })
        .collect();
    let events = events(&store);
    for id in ids {
        assert_eq!(verdict_on(&Machines::builtin(), &events, id).unwrap().0, Agent::Human);
    }
}

#[test]
fn what_is_hit_beside_the_hidden_link_is_the_scanners() {
    let (trap, beside) = ((Agent::Scanner, "trap_link"), (Agent::Scanner, "beside_trap_link"));
    case(
        &[
            (0, 1, CHROME, "198.51.100.1"),
            (4_000, 9, CHROME, "198.51.100.2"),
            (5_000, 2, FIREFOX, "198.51.100.2"),
            (5_500, 0, THUNDERBIRD, HOME),
            (60_000, 0, CHROME, "198.51.100.2"),
            (60_000, 0, FIREFOX, "198.51.100.2"),
            (700_000, 0, CHROME, "198.51.100.2"),
        ],
        &[beside, trap, beside, UNDECIDED, beside, UNDECIDED, UNDECIDED],
    );
    // Our own proxy's address is everyone's.
    case(&[(0, 9, CHROME, "127.0.0.1"), (900, 0, FIREFOX, "127.0.0.1")], &[trap, UNDECIDED]);
    // What comes after the window is not looked at.
    case(&[(0, 1, CHROME, HOME), (10_001, 9, CHROME, HOME)], &[UNDECIDED, trap]);
    case(&[(0, 1, CHROME, HOME), (10_000, 9, CHROME, HOME)], &[beside, trap]);
}

#[test]
fn a_known_scanner_gives_away_what_comes_from_its_address() {
    case(
        &[
            (0, 1, BARRACUDA, "203.0.113.5"),
            (2_000, 0, CHROME, "203.0.113.5"),
            (2_000, 0, FIREFOX, HOME),
        ],
        &[(Agent::Scanner, "barracuda_sentinel"), (Agent::Scanner, "beside_scanner"), UNDECIDED],
    );
    case(&[(0, 1, CHROME, "148.163.150.1")], &[(Agent::Scanner, "proofpoint_network")]);
}

fn asked() -> impl Strategy<Value = Vec<(i64, u8, &'static str, &'static str)>> {
    let agents = prop::sample::select(vec![APPLE, GMAIL, FIREFOX, CHROME, BARRACUDA, ""]);
    let ips = prop::sample::select(vec![HOME, "198.51.100.1", "127.0.0.1", "148.163.130.1", "?"]);
    let what = prop::sample::select(vec![0_u8, 0, 1, 2, 3, 9]);
    prop::collection::vec((0_i64..40_000, what, agents, ips), 1..16)
}

proptest! {
    #[test]
    fn verdicts_depend_on_no_order_no_repetition_and_no_time_of_running(
        asked in asked(),
        seed in any::<prop::sample::Index>(),
        stops in prop::collection::btree_set(0_i64..60_000, 0..6),
    ) {
        let machines = Machines::builtin();
        let (store, _) = stored(&asked);
        let all = events(&store);
        let late = at(1_000_000);
        let once = verdicts(&machines, &all, late);
        prop_assert_eq!(once.len(), asked.len());

        let mut other = all.clone();
        other.rotate_left(seed.index(all.len()));
        let at_random = seed.index(all.len());
        other.extend(all[at_random..].iter().cloned());
        other.reverse();
        prop_assert_eq!(&verdicts(&machines, &other, late), &once);

        // Run at some moments, each time over what was stored until then, or once at the end.
        let mut piecemeal = BTreeMap::new();
        let mut judged = Vec::new();
        for stop in stops.into_iter().chain([1_000_000]) {
            let until: Vec<_> = all.iter().filter(|e| e.recorded_at <= at(stop)).cloned().collect();
            for verdict in verdicts(&machines, &until, at(stop)) {
                let id = verdict.event_id(&namespace());
                if let Some(before) = piecemeal.insert(id, verdict.clone()) {
                    prop_assert_eq!(before, verdict);
                } else {
                    judged.push(verdict);
                }
            }
        }
        judged.sort_by_key(|verdict| verdict.event_id(&namespace()));
        let mut once = once;
        once.sort_by_key(|verdict| verdict.event_id(&namespace()));
        prop_assert_eq!(judged, once);
    }

    #[test]
    fn a_verdict_at_once_is_the_one_that_the_judge_would_give(asked in asked()) {
        let machines = Machines::builtin();
        let (store, ids) = stored(&asked);
        let events = events(&store);
        for (n, (asked, id)) in asked.iter().zip(ids).enumerate() {
            let (_, feedback) = observed(n, *asked);
            if let Some(at_once) = verdict_at_once(&machines, &feedback, id) {
                let judged = verdict_on(&machines, &events, id).unwrap();
                let (agent, rule) = match at_once.fact.event {
                    Event::Opened(opened) => (opened.agent, opened.rule.unwrap()),
                    Event::Clicked(clicked) => (clicked.agent, clicked.rule.unwrap()),
                    other => panic!("{other:?}"),
                };
                prop_assert_eq!((agent, rule), judged);
            }
        }
    }
}

/// Sessions of our own making, as the sources of the table describe them; who made each hit is known. A sequence that
/// is always the same.
struct Sessions(u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Truth {
    Person,
    Mailbox,
    Scanner,
}

impl Sessions {
    fn below(&mut self, most: i64) -> i64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((self.0 >> 33) % u64::try_from(most).unwrap()).unwrap()
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(i64::try_from(all.len()).unwrap())).unwrap()]
    }

    /// A person opens, and perhaps follows one or two links.
    fn reads(&mut self, from: i64) -> Vec<(Asked<'static>, Truth)> {
        let programs = [
            (FIREFOX, FIREFOX),
            (CHROME, CHROME),
            (THUNDERBIRD, FIREFOX),
            (OUTLOOK, CHROME),
            (GMAIL, CHROME),
        ];
        let (opens, clicks) = self.one_of(&programs);
        let start = from + self.below(3_600_000);
        let mut hits = vec![(start, 0, opens, HOME)];
        for link in 0..self.below(3) {
            let wait = 1_000 + self.below(40_000);
            let last = hits.last().unwrap().0;
            hits.push((last + wait, u8::try_from(link).unwrap() + 1, clicks, HOME));
        }
        hits.into_iter().map(|hit| (hit, Truth::Person)).collect()
    }

    fn scans(
        &mut self,
        links: i64,
        apart: i64,
        agent: &'static str,
        trap: bool,
    ) -> Vec<(Asked<'static>, Truth)> {
        let start = self.below(120_000);
        let ips = ["198.51.100.1", "198.51.100.2", "198.51.100.3"];
        let mut hits = Vec::new();
        for n in 0..links {
            let when = start + n * apart + self.below(apart.max(1));
            hits.push((when, u8::try_from(n).unwrap() + 1, agent, self.one_of(&ips)));
        }
        if trap {
            hits.push((start + self.below(links * apart + 1), 9, agent, self.one_of(&ips)));
        }
        hits.into_iter().map(|hit| (hit, Truth::Scanner)).collect()
    }

    fn next(&mut self, kind: usize) -> Vec<(Asked<'static>, Truth)> {
        let links = 1 + self.below(6);
        match kind {
            0..=2 => self.reads(0),
            3 => vec![(
                (self.below(900_000), 1, self.one_of(&[W3M, FIREFOX, CHROME]), HOME),
                Truth::Person,
            )],
            4 => vec![((self.below(60_000), 0, APPLE, "17.58.1.1"), Truth::Mailbox)],
            5 => vec![((self.below(5_000), 0, PREFETCH, "66.249.81.1"), Truth::Mailbox)],
            6 => self.scans(links, 50, BARRACUDA, false),
            7 => self.scans(links, 100, CHROME, true),
            8 => self.scans(links, 100, CHROME, false),
            9 => self.scans(links, 4_000, CHROME, true),
            10 => self.scans(links, 4_000, CHROME, false),
            // A browser without a hand: it loads the pictures, waits, and follows a link.
            11 => {
                let start = self.below(60_000);
                let ip = "198.51.100.9";
                let wait = 3_000 + self.below(5_000);
                [(start, 0, CHROME, ip), (start + wait, 1, CHROME, ip)]
                    .map(|hit| (hit, Truth::Scanner))
                    .into()
            }
            _ => [self.scans(links, 100, CHROME, true), self.reads(130_000)].concat(),
        }
    }
}

/// What these numbers are worth is said in `docs/opens.md`: the sessions are ours, and so is the mix.
#[test]
fn how_often_it_is_wrong() {
    let names = [
        "reads",
        "reads",
        "reads",
        "follows a link, loads no pictures",
        "Apple's proxy",
        "Gmail's prefetch",
        "scanner that names itself",
        "fast scanner, hidden link",
        "fast scanner",
        "slow scanner, hidden link",
        "slow scanner",
        "browser without a hand",
        "fast scanner, then a person",
    ];
    let mut sessions = Sessions(20_261_126);
    let mut table: BTreeMap<(&str, Truth), BTreeMap<&str, usize>> = BTreeMap::new();
    for _ in 0..100 {
        for (kind, name) in names.into_iter().enumerate() {
            let session = sessions.next(kind);
            let asked: Vec<_> = session.iter().map(|(asked, _)| *asked).collect();
            for ((agent, _), (_, truth)) in judge(&asked).into_iter().zip(session) {
                *table.entry((name, truth)).or_default().entry(agent.name()).or_default() += 1;
            }
        }
    }
    let agents = ["human", "unknown", "mailbox_machine", "scanner"];
    let line = |session: &str, truth: &str, cells: [String; 4]| {
        let cells = cells.map(|cell| format!("{cell:>16}")).concat();
        format!("{session:<36}{truth:<9}{cells}")
    };
    let mut lines = vec![line("session", "hit by", agents.map(str::to_owned))];
    let mut sums: BTreeMap<Truth, [usize; 4]> = BTreeMap::new();
    for ((name, truth), row) in &table {
        let counts = agents.map(|agent| row.get(agent).copied().unwrap_or_default());
        let sum = sums.entry(*truth).or_default();
        *sum = std::array::from_fn(|n| sum[n] + counts[n]);
        lines.push(line(name, &format!("{truth:?}"), counts.map(|count| count.to_string())));
    }
    for (truth, row) in &sums {
        lines.push(line("all", &format!("{truth:?}"), row.map(|count| count.to_string())));
    }
    let text = lines.join("\n");
    println!("{text}");
    let [human, unknown, mailbox, scanner] = sums[&Truth::Person];
    assert!((mailbox + scanner) * 50 < human + unknown, "a person is taken for a machine");
    insta::assert_snapshot!(text);
}
