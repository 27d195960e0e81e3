//! `ingest log`: logs in every form that a machine keeps them in, and one that grows.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mailtrail::Tracker;
use mailtrail::core::plan::{Broadcast, Contact, ContactAddress};
use mailtrail::core::token::Purpose;
use serde_json::{Value, json};

use super::{lines, mailtrail, text};

/// Plans rows, and gives the return path of each.
async fn planned(folder: &Path, names: &[&str]) -> Vec<String> {
    let store = mailtrail::fjall::FjallStore::open(folder.join("trail")).unwrap();
    let tracker = Tracker::builder(store).open();
    let contacts = names.iter().map(|name| {
        Contact::new(name.parse().unwrap())
            .address(ContactAddress::new(format!("{name}@a.example")))
    });
    let broadcast = Broadcast::new("b".parse().unwrap(), "general".parse().unwrap());
    tracker.plan(broadcast, contacts).await.unwrap();
    let keys = mailtrail::keys_file(folder.join("keys.toml")).unwrap();
    let mut queued = tracker.queued("b".parse().unwrap());
    let mut paths = Vec::new();
    while let Some(delivery) = queued.next().await.unwrap() {
        let token = keys.sign(Purpose::ReturnPath, delivery.id());
        paths.push(format!("b+{token}@bounces.school.example"));
    }
    paths
}

fn arrival(id: &str, from: &str) -> String {
    format!(
        "2026-11-26T10:00:00+00:00 relay postfix/qmgr[3]: {id}: from=<{from}>, size=9, nrcpt=1 (queue active)\n"
    )
}

fn taken(id: &str, name: &str, relay: &str) -> String {
    format!(
        "2026-11-26T10:00:01+00:00 relay postfix/smtp[4]: {id}: to=<{name}@a.example>, relay={relay}, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 ok)\n"
    )
}

fn statuses(folder: &Path) -> Value {
    let rows = lines(&mailtrail(folder, &["report", "email-log", "--json"]));
    rows.iter()
        .map(|row| (row["contact_id"].as_str().unwrap().to_owned(), row["status"].clone()))
        .collect()
}

#[tokio::test]
async fn a_log_is_read_from_files_of_every_kind_and_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let paths = planned(folder, &["ann", "bob", "carl", "dan"]).await;
    let older = File::create(folder.join("mail.log.2.gz")).unwrap();
    let mut older = flate2::write::GzEncoder::new(older, flate2::Compression::fast());
    older
        .write_all((arrival("4A0001", &paths[0]) + &arrival("4A0002", &paths[1])).as_bytes())
        .unwrap();
    older.finish().unwrap();
    let old = taken("4A0001", "ann", "mx.a.example[192.0.2.1]:25");
    fs::write(folder.join("mail.log.1.zst"), zstd::encode_all(old.as_bytes(), 0).unwrap()).unwrap();
    let new = taken("4A0002", "bob", "smtp.provider.example[192.0.2.2]:25")
        + &taken("4A0009", "eve", "mx.a.example[192.0.2.1]:25");
    fs::write(folder.join("mail.log"), new.trim_end()).unwrap();

    let alone = ["ingest", "log", "postfix", "mail.log", "--json"];
    let counts = lines(&mailtrail(folder, &alone));
    assert_eq!((&counts[0]["new_events"], &counts[0]["unmatched"]), (&json!(0), &json!(2)));
    let all = ["ingest", "log", "postfix", "mail.log.2.gz", "mail.log.1.zst", "mail.log"];
    let how = ["--relay", ".provider.example", "--zone", "Europe/Berlin", "--json"];
    for (new, known) in [(2, 0), (0, 2)] {
        let counts = lines(&mailtrail(folder, &[&all[..], &how].concat()));
        assert_eq!(counts[0]["lines"], 5);
        assert_eq!(
            (&counts[0]["new_events"], &counts[0]["known_events"]),
            (&json!(new), &json!(known))
        );
        assert_eq!(counts[0]["unmatched"], 1);
    }
    let shown = text(&mailtrail(folder, &all));
    assert_eq!(
        shown,
        "5 lines read: 0 new events, 2 known before, 1 unmatched, 0 not ours, 0 refused\n"
    );
    let expected = json!({ "ann": "delivered", "bob": "sent", "carl": "unsent", "dan": "unsent" });
    assert_eq!(statuses(folder), expected);

    let exim = format!(
        "2026-11-26 10:00:00 1abcde-0001gH-Xx <= {} P=local S=9\n2026-11-26 10:00:01 1abcde-0001gH-Xx => carl@a.example R=dnslookup T=remote_smtp H=mx.a.example [192.0.2.1]",
        paths[2]
    );
    let opensmtpd = format!(
        "Nov 26 10:00:01 relay smtpd[1]: 5df8 mta delivery evpid=f6e9 from=<{}> to=<dan@a.example> rcpt=<-> source=\"-\" relay=\"192.0.2.1 (mx.a.example)\" delay=0s result=\"PermFail\" stat=\"550 5.1.1 no such user\"\n",
        paths[3]
    );
    // A pipe that stays open: what has come is recorded without waiting for more.
    let mut open = Running::start(folder, &["ingest", "log", "postfix", "-", "--json"]);
    let piped = arrival("4A0003", &paths[2])
        + &taken("4A0003", "carl", "smtp.provider.example[192.0.2.2]:587");
    open.0.stdin.as_mut().unwrap().write_all(piped.as_bytes()).unwrap();
    open.wait_until_shared(folder);
    let expected = json!({ "ann": "delivered", "bob": "sent", "carl": "sent", "dan": "unsent" });
    wait_for(folder, &expected);
    drop(open.0.stdin.take());
    assert_eq!(open.counts()["new_events"], 1);

    for (server, log) in [("exim", exim), ("opensmtpd", opensmtpd)] {
        let mut piped = Running::start(folder, &["ingest", "log", server, "-", "--json"]);
        piped.0.stdin.take().unwrap().write_all(log.as_bytes()).unwrap();
        let counts = piped.counts();
        assert_eq!(counts["new_events"], 1, "{server}");
        fs::write(folder.join(server), log).unwrap();
        let parsed = lines(&mailtrail(folder, &["parse", "log", server, server]));
        assert_eq!(parsed.len(), 1, "{server}");
        assert_eq!(parsed[0]["correlation"]["by"], "token");
    }
    let expected =
        json!({ "ann": "delivered", "bob": "sent", "carl": "delivered", "dan": "failed" });
    assert_eq!(statuses(folder), expected);
}

#[tokio::test]
async fn a_followed_log_survives_its_rotation_and_is_summed_up_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let paths = planned(folder, &["ann", "bob"]).await;
    let log = folder.join("mail.log");
    fs::write(&log, arrival("4A0001", &paths[0])).unwrap();
    let mut follow =
        Running::start(folder, &["ingest", "log", "postfix", "mail.log", "--follow", "--json"]);
    // Its first line comes when the store is open and shared.
    let mut line = String::new();
    BufReader::new(follow.0.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "following mail.log\n");
    let mut open = File::options().append(true).open(&log).unwrap();
    open.write_all(taken("4A0001", "ann", "mx.a.example[192.0.2.1]:25").as_bytes()).unwrap();
    wait_for(folder, &json!({ "ann": "delivered", "bob": "unsent" }));

    open.write_all(arrival("4A0002", &paths[1]).as_bytes()).unwrap();
    fs::rename(&log, folder.join("mail.log.1")).unwrap();
    fs::write(&log, taken("4A0002", "bob", "mx.a.example[192.0.2.1]:25")).unwrap();
    wait_for(folder, &json!({ "ann": "delivered", "bob": "delivered" }));

    let pid = follow.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let counts = follow.counts();
    assert_eq!((&counts["lines"], &counts["new_events"]), (&json!(4), &json!(2)));
}

#[test]
fn what_is_wrong_with_a_log_is_said() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("broken.gz"), "no gzip").unwrap();
    let cases: [(&[&str], i32, &str); 5] = [
        (&["broken.gz", "--follow"], 66, "does not grow"),
        (&["none.log"], 66, "none.log"),
        (&["none.log", "--follow"], 66, "none.log"),
        (&["broken.gz"], 65, "broken.gz"),
        (&["-", "--zone", "Middle/Earth"], 2, "not a time zone"),
    ];
    for (arguments, code, words) in cases {
        let arguments = [&["ingest", "log", "postfix"], arguments].concat();
        let output = mailtrail(folder.path(), &arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

/// A program with pipes, ended when dropped.
struct Running(Child);

impl Running {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailtrail"));
        command.current_dir(folder).env_remove("MAILTRAIL_STORE").args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// Another process that came first would own the store.
    fn wait_until_shared(&self, folder: &Path) {
        let until = Instant::now() + Duration::from_secs(30);
        while !folder.join("trail/control.sock").exists() {
            assert!(Instant::now() < until, "{} shares no store", self.0.id());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it says at its end.
    fn counts(mut self) -> Value {
        let counts = serde_json::from_reader(self.0.stdout.take().unwrap()).unwrap();
        assert!(self.0.wait().unwrap().success());
        counts
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Asks through the store that the other process shares, until it answers so.
fn wait_for(folder: &Path, expected: &Value) {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let output = mailtrail(folder, &["report", "email-log", "--json"]);
        if output.status.success() && statuses(folder) == *expected {
            return;
        }
        assert!(Instant::now() < until, "{}", String::from_utf8_lossy(&output.stdout));
        std::thread::sleep(Duration::from_millis(100));
    }
}
