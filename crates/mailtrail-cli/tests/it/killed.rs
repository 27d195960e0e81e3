//! A sender that is killed at any moment: nobody is skipped, and whoever may get it twice is named.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use mailtrail::smtp::sink::Sink;
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
    fn plan(folder: &'a Path, sink: &'a Sink, contacts: &str) -> Self {
        std::fs::write(folder.join("contacts.csv"), contacts).unwrap();
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
    let (people, kills) = if is_soak() { (20_000, 200) } else { (2_000, 20) };
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::builder().start().await.unwrap();
    let contacts: String = (0..people).map(|n| format!("c{n},p{n}@a.example\n")).collect();
    let broadcast =
        Broadcast::plan(folder.path(), &sink, &format!("contact_id,address\n{contacts}"));
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
