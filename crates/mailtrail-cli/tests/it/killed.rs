//! A sender that is killed at any moment: nobody is skipped, and whoever may get it twice is named.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use mailtrail::smtp::sink::{Script, Sink};
use serde_json::Value;

use super::{lines, mailtrail, text};

/// Connections of a run: as many messages are in flight at most.
const IN_FLIGHT: usize = 8;

struct Broadcast<'a> {
    folder: &'a Path,
    sink: &'a Sink,
    relay: String,
}

impl<'a> Broadcast<'a> {
    /// Plans one for these contacts.
    fn plan(folder: &'a Path, sink: &'a Sink, contacts: impl Iterator<Item = String>) -> Self {
        let lines: Vec<_> = ["contact_id,address".to_owned()].into_iter().chain(contacts).collect();
        std::fs::write(folder.join("contacts.csv"), lines.join("\n") + "\n").unwrap();
        std::fs::write(folder.join("message.txt"), "Stay at home.\n").unwrap();
        text(&mailtrail(folder, &["plan", "snow-day", "contacts.csv", "--kind", "emergency"]));
        Self { folder, sink, relay: sink.addr().to_string() }
    }

    fn arguments(&self, on_doubt: &'a str) -> Vec<&str> {
        let of = ["send", "snow-day", "--text", "message.txt", "--from", "office@school.example"];
        let how = ["--subject", "Closed", "--return-path-domain", "bounces.school.example"];
        let limits = ["--connections", "8", "--connections-each", "8"];
        let rest = ["--relay", &self.relay, "--on-doubt", on_doubt, "--json"];
        [&of[..], &how, &limits, &rest].concat()
    }

    fn begin(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_mailtrail"))
            .current_dir(self.folder)
            .args(self.arguments("hold"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Kills a run when the sink has got so many more messages. Whether it was still at it.
    async fn cut_off_after(&self, messages: usize) -> bool {
        let mut sender = self.begin();
        for _ in 0..messages {
            let next = self.sink.next_message();
            tokio::select! {
                _ = next => {}
                () = ended(&mut sender) => return false,
            }
        }
        sender.kill().unwrap();
        sender.wait().unwrap();
        true
    }

    fn finish(&self, on_doubt: &'a str) -> Value {
        lines(&mailtrail(self.folder, &self.arguments(on_doubt))).remove(0)
    }

    /// How often each address got it.
    fn received(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for message in self.sink.messages() {
            *counts.entry(message.envelope.recipients[0].address.clone()).or_default() += 1;
        }
        counts
    }

    fn email_log(&self) -> Vec<Value> {
        lines(&mailtrail(self.folder, &["report", "email-log", "--json"]))
    }
}

async fn ended(sender: &mut Child) {
    while sender.try_wait().unwrap().is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn is_soak() -> bool {
    std::env::var_os("MAILTRAIL_SOAK").is_some()
}

/// Numbers that a seed draws.
struct Draws(u64);

impl Draws {
    fn below(&mut self, most: u64) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % most).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn soak_killed_anywhere_a_sender_loses_nobody_and_mails_nobody_twice_unnamed() {
    let (people, kills) = if is_soak() { (100_000, 200) } else { (2_000, 20) };
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::builder().start().await.unwrap();
    let contacts = (0..people).map(|n| format!("c{n},p{n}@a.example"));
    let broadcast = Broadcast::plan(folder.path(), &sink, contacts);
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let (mut draws, mut killed) = (Draws(seed), 0);
    for _ in 0..kills {
        killed += usize::from(broadcast.cut_off_after(1 + draws.below(people / kills)).await);
    }
    assert!(killed * 10 >= usize::try_from(kills).unwrap() * 9, "{killed} kills in mid-run");

    let held = broadcast.finish("hold");
    let in_doubt: BTreeSet<_> =
        held["in_doubt_deliveries"].as_array().unwrap().iter().map(Value::to_string).collect();
    assert!(in_doubt.len() <= killed * IN_FLIGHT, "{} in doubt", in_doubt.len());
    let received = broadcast.received();
    assert!(received.values().all(|count| *count == 1), "held: nobody got it twice");
    // The trail agrees with the sink.
    let mut sent = 0;
    for row in broadcast.email_log() {
        let address = row["email_address"].as_str().unwrap();
        let got = received.contains_key(address);
        match row["delivery_results"].as_str().unwrap() {
            "Sent" => {
                assert!(got, "{address}: the trail says that it was taken");
                sent += 1;
            }
            "Unsent" => {
                let named = in_doubt.contains(&row["delivery"].to_string());
                assert!(named, "{address}: neither sent nor in doubt: {row}");
            }
            other => panic!("{address}: {other}"),
        }
    }
    assert_eq!(sent + in_doubt.len(), usize::try_from(people).unwrap(), "nobody is skipped");

    let resent = broadcast.finish("resend");
    assert_eq!(resent["sent"], in_doubt.len());
    let received = broadcast.received();
    assert_eq!(received.len(), usize::try_from(people).unwrap(), "nobody is lost");
    let twice = received.values().filter(|count| **count == 2).count();
    assert!(twice <= in_doubt.len() && received.values().all(|count| *count <= 2), "{twice} twice");
    println!("{killed} kills, {} in doubt, {twice} of them got it twice", in_doubt.len());
}

/// *Emergency broadcast*: the list is as lists are, and the machine dies in the middle.
#[tokio::test(flavor = "multi_thread")]
async fn soak_an_emergency_broadcast_survives_its_sender() {
    let people = if is_soak() { 50_000 } else { 5_000 };
    let folder = tempfile::tempdir().unwrap();
    let refused = Script::refuse("550 5.1.1 no such user").unwrap();
    let sink = Sink::builder().on("*0@gone.example", refused).start().await.unwrap();
    for n in (0..people).filter(|n| kind(*n) == Kind::Blocked) {
        let address = format!("p{n}@a.example");
        text(&mailtrail(folder.path(), &["block", "add", &address, "--kind", "emergency"]));
    }
    let broadcast = Broadcast::plan(folder.path(), &sink, (0..people).map(contact));
    let half = usize::try_from(people / 2).unwrap();
    assert!(broadcast.cut_off_after(half).await, "killed half-way");

    let begun = std::time::Instant::now();
    let report = broadcast.finish("hold");
    let log = broadcast.email_log();
    let told_after = begun.elapsed();
    let in_doubt = report["in_doubt_deliveries"].as_array().unwrap().len();
    assert!(in_doubt <= IN_FLIGHT, "{in_doubt} in doubt");
    assert!(broadcast.received().values().all(|count| *count == 1), "nobody was mailed twice");
    // Each has exactly one status, and the sums are those of the list.
    assert_eq!(log.len(), usize::try_from(people).unwrap());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &log {
        *counts.entry(row["delivery_results"].as_str().unwrap()).or_default() += 1;
    }
    let of = |wanted| (0..people).filter(|n| kind(*n) == wanted).count();
    let count = |status| counts.get(status).copied().unwrap_or_default();
    assert_eq!(count("No Email Selected"), of(Kind::WithoutAddress), "{counts:?}");
    assert_eq!(count("Duplicate"), of(Kind::Duplicate), "{counts:?}");
    assert_eq!(count("Blocked"), of(Kind::Blocked), "{counts:?}");
    assert_eq!(count("Failed"), of(Kind::Gone), "{counts:?}");
    assert_eq!(count("Sent") + count("Unsent"), of(Kind::Good), "{counts:?}");
    assert!(count("Unsent") <= in_doubt, "{counts:?}");
    if !is_soak() {
        assert!(told_after.as_secs() < 60, "who was not reached is told in time: {told_after:?}");
    }
    println!("{counts:?}; told {told_after:?} after the restart, {in_doubt} in doubt");
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Good,
    /// 3 % have no address.
    WithoutAddress,
    /// 1 % have that of another.
    Duplicate,
    /// 0.5 % are blocked.
    Blocked,
    /// The mailbox is gone.
    Gone,
}

fn kind(n: u64) -> Kind {
    match n % 200 {
        3 | 43 | 83 | 103 | 143 | 183 => Kind::WithoutAddress,
        7 | 107 => Kind::Duplicate,
        11 => Kind::Blocked,
        20 => Kind::Gone,
        _ => Kind::Good,
    }
}

fn contact(n: u64) -> String {
    match kind(n) {
        Kind::WithoutAddress => format!("c{n},"),
        Kind::Duplicate => format!("c{n},p{}@a.example", n - 1),
        Kind::Gone => format!("c{n},p{n}@gone.example"),
        Kind::Good | Kind::Blocked => format!("c{n},p{n}@a.example"),
    }
}
