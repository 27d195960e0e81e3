//! One owner, many users: while `serve` has the store, every other command works through it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use mailtrail::smtp::sink::{Script, Sink};

use super::{lines, mailtrail, text};

/// `serve` on free ports, ended when dropped.
pub(crate) struct Serve {
    child: Child,
    said: BufReader<ChildStderr>,
    http: String,
}

impl Serve {
    pub(crate) fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mailtrail"))
            .current_dir(folder)
            .env_remove("MAILTRAIL_STORE")
            .args(["serve", "--http", "127.0.0.1:0", "--lmtp", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        let mut serve = Self { child, said, http: String::new() };
        // It says so when the store is open and shared.
        let line = serve.says("http://");
        serve.http = line.trim().rsplit('/').next().unwrap().to_owned();
        serve
    }

    /// Waits until it says something of this: the line.
    pub(crate) fn says(&mut self, words: &str) -> String {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert!(
                self.said.read_line(&mut line).unwrap() > 0,
                "it has ended and never said {words}"
            );
        }
        line
    }

    /// A connection to where webhooks are served.
    pub(crate) fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.http).unwrap()
    }

    /// Posts a webhook with these credentials: the status of the answer.
    pub(crate) fn post(&self, endpoint: &str, basic: &str, body: &str) -> u16 {
        let mut stream = self.connect();
        let length = body.len();
        write!(
            stream,
            "POST /webhooks/{endpoint} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {basic}\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .unwrap();
        status(stream)
    }

    /// Sends it a signal, as `kill` names it.
    pub(crate) fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &process]).status().unwrap().success());
    }

    /// Waits until it ends by itself: its exit code, and what it said.
    pub(crate) fn ended(&mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.said.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The status of the answer on a connection that ends with it.
pub(crate) fn status(mut stream: TcpStream) -> u16 {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("{answer:?}"))
}

fn write_inputs(folder: &Path) {
    let contacts = "contact_id,address\nc1,ann@a.example\nc2,bob@a.example\nc3,eve@a.example\n";
    std::fs::write(folder.join("contacts.csv"), contacts).unwrap();
    std::fs::write(folder.join("message.txt"), "Stay at home.\n").unwrap();
}

fn send<'a>(relay: &'a str, retry: &'a str) -> Vec<&'a str> {
    let of = ["send", "snow-day", "--text", "message.txt", "--from", "office@school.example"];
    let how = ["--subject", "Closed", "--return-path-domain", "bounces.school.example", "--json"];
    [&of[..], &how, &["--relay", relay, "--retry", retry]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_works_while_serve_has_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_inputs(folder);
    let gone = Script::refuse("550 5.1.1 no such user").unwrap();
    let sink = Sink::builder().on("eve@a.example", gone).start().await.unwrap();
    let _serve = Serve::start(folder);

    text(&mailtrail(folder, &["block", "add", "bob@a.example"]));
    let plan = ["plan", "snow-day", "contacts.csv", "--kind", "general", "--json"];
    let planned = lines(&mailtrail(folder, &plan));
    assert_eq!((&planned[0]["queued"], &planned[0]["blocked"]), (&2.into(), &1.into()));
    let relay = sink.addr().to_string();
    let sent = lines(&mailtrail(folder, &send(&relay, "1m")));
    assert_eq!((&sent[0]["sent"], &sent[0]["bounced"]), (&1.into(), &1.into()));

    // An MTA's pipe: the report of a bounce on standard input.
    let return_path = sink.next_message().await.envelope.mail_from;
    let mut pipe = Command::new(env!("CARGO_BIN_EXE_mailtrail"))
        .current_dir(folder)
        .args(["ingest", "mail", "-", "--recipient", &return_path, "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    pipe.stdin.take().unwrap().write_all(delivery_report().as_bytes()).unwrap();
    assert_eq!(lines(&pipe.wait_with_output().unwrap())[0]["new_events"], 1);

    let log = lines(&mailtrail(folder, &["report", "email-log", "--json"]));
    let results: Vec<_> = log.iter().map(|row| row["delivery_results"].as_str().unwrap()).collect();
    assert_eq!(results, ["Bounced", "Blocked", "Failed"]);
    let why = text(&mailtrail(folder, &["explain", "ann@a.example"]));
    assert!(why.contains("→ Bounced"), "{why}");

    let second = mailtrail(folder, &["serve", "--http", "127.0.0.1:0", "--lmtp", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(75));
    sink.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_is_sent_by_one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_inputs(folder);
    let later = Script::refuse("450 4.7.1 later").unwrap();
    let sink = Sink::builder().on("*@a.example", later).start().await.unwrap();
    let relay = sink.addr().to_string();
    let plan = ["plan", "snow-day", "contacts.csv", "--kind", "general"];
    text(&mailtrail(folder, &plan));
    // It has tried all three, and waits for an hour.
    let mut first = Command::new(env!("CARGO_BIN_EXE_mailtrail"))
        .current_dir(folder)
        .args(send(&relay, "1h"))
        .spawn()
        .unwrap();
    while sink.attempts().len() < 3 {
        tokio::task::yield_now().await;
    }
    let second = mailtrail(folder, &send(&relay, "1h"));
    assert_eq!(second.status.code(), Some(75));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("broadcast/snow-day is in use"), "{said}");
    assert!(first.try_wait().unwrap().is_none());
    // Killed, it holds nothing.
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(sink.attempts().len(), 3);
    let rows = lines(&mailtrail(folder, &["report", "email-log", "--json"]));
    assert!(rows.iter().all(|row| row["delivery_results"] == "Soft Bounced"));
    sink.stop().await;
}

#[test]
fn tail_prints_what_is_stored_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let _serve = Serve::start(folder);
    let mut tail = Command::new(env!("CARGO_BIN_EXE_mailtrail"))
        .current_dir(folder)
        .args(["tail", "--after", "0", "--type", "address_blocked", "--count", "3", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = BufReader::new(tail.stdout.take().unwrap()).lines();
    // Each one only after the one before was printed: so it waits between them.
    for address in ["ann@a.example", "bob@a.example", "eve@a.example"] {
        text(&mailtrail(folder, &["block", "add", address]));
        assert!(printed.next().unwrap().unwrap().contains(address));
    }
    assert!(printed.next().is_none() && tail.wait().unwrap().success());
}

/// What a mail server says that took the message and could not deliver it.
pub(crate) fn delivery_report() -> String {
    [
        "From: MAILER-DAEMON@mx.a.example",
        "To: office@school.example",
        "Date: Mon, 02 Nov 2026 10:00:00 +0000",
        "Message-ID: <report-1@mx.a.example>",
        "Subject: Undelivered",
        "MIME-Version: 1.0",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=\"=b\"",
        "",
        "--=b",
        "Content-Type: text/plain",
        "",
        "The mailbox is full.",
        "--=b",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; mx.a.example",
        "",
        "Final-Recipient: rfc822; ann@a.example",
        "Action: failed",
        "Status: 5.2.2",
        "Diagnostic-Code: smtp; 552 5.2.2 mailbox full",
        "",
        "--=b--",
        "",
    ]
    .join("\r\n")
}
