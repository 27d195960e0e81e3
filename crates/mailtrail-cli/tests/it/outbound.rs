//! `serve` tells subscribers: nothing is lost when it is killed, and who stands still is seen and helped meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::sharing::Serve;
use super::{lines, mailtrail, text};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A subscriber's server: what it was sent, in order.
struct Receiver {
    address: SocketAddr,
    came: Arc<Mutex<Vec<(String, Value)>>>,
    answer: Arc<AtomicU16>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let receiver =
            Self { address, came: Arc::default(), answer: Arc::new(AtomicU16::new(200)) };
        let (came, answer) = (Arc::clone(&receiver.came), Arc::clone(&receiver.answer));
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (came, answer) = (Arc::clone(&came), Arc::clone(&answer));
                // Who is killed while it sends has sent nothing.
                thread::spawn(move || take(connection.unwrap(), &came, &answer).ok());
            }
        });
        receiver
    }

    /// What was taken, each message once.
    fn taken(&self) -> Vec<(String, Value)> {
        let mut taken: Vec<(String, Value)> = Vec::new();
        for (id, body) in &*self.came.lock().unwrap() {
            match taken.iter().find(|(known, _)| known == id) {
                Some((_, before)) => assert_eq!(before, body, "an id means one message"),
                None => taken.push((id.clone(), body.clone())),
            }
        }
        taken
    }

    fn answers(&self, code: u16) {
        self.answer.store(code, Ordering::SeqCst);
    }
}

fn take(
    mut stream: TcpStream,
    came: &Mutex<Vec<(String, Value)>>,
    answer: &AtomicU16,
) -> std::io::Result<()> {
    let mut input = BufReader::new(stream.try_clone()?);
    let (mut id, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        match line.trim().split_once(": ") {
            Some(("webhook-id", value)) => value.clone_into(&mut id),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().unwrap();
            }
            _ if line == "\r\n" => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    // As far away as servers are: so that a kill finds messages under way.
    thread::sleep(Duration::from_millis(5));
    let code = answer.load(Ordering::SeqCst);
    if code == 200 {
        came.lock().unwrap().push((id, serde_json::from_slice(&body).unwrap()));
    }
    write!(stream, "HTTP/1.1 {code} So\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

fn until(what: &str, mut look: impl FnMut() -> bool) {
    let began = Instant::now();
    while !look() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn configure(folder: &Path, subscriber: &str) {
    let webhook = "[[webhook]]\nendpoint = \"postmark\"\nprovider = \"postmark\"\n\
                   basic_auth = [\"mail:trail\"]\n";
    fs::write(folder.join("mailtrail.toml"), format!("{webhook}\n{subscriber}")).unwrap();
    fs::write(folder.join("crm.secret"), format!("{SECRET}\n")).unwrap();
}

fn to(receiver: &Receiver) -> String {
    format!(
        "[[subscriber]]\nname = \"crm\"\nurl = \"http://{}/hooks\"\nsecrets = [{{ file = \"crm.secret\" }}]\n\
         events = [\"status_changed\", \"delivered\"]\nallow = [\"127.0.0.0/8\"]\n",
        receiver.address
    )
}

/// Another delivery of one of five messages.
fn delivery(number: usize) -> String {
    let (message, second) = (number % 5, number % 60);
    format!(
        "{{\"RecordType\":\"Delivery\",\"MessageID\":\"m-{message}\",\"Recipient\":\"ann@a.example\",\
          \"DeliveredAt\":\"2026-11-02T10:{:02}:{second:02}Z\"}}",
        number / 60
    )
}

#[test]
fn kill_9_again_and_again_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, receiver) = (folder.path(), Receiver::start());
    configure(folder, &to(&receiver));
    let (mut posted, mut cut) = (0, 0);
    for round in 0..6 {
        let serve = Serve::start(folder);
        for _ in 0..12 + round * 3 {
            assert_eq!(serve.post("postmark", "bWFpbDp0cmFpbA==", &delivery(posted)), 200);
            posted += 1;
        }
        // Killed at once, while messages are under way.
        drop(serve);
        cut += usize::from(receiver.taken().len() < posted);
    }
    assert!(cut > 0, "no kill came before the last message");
    let serve = Serve::start(folder);
    until("everything came", || receiver.taken().len() >= posted);
    text(&mailtrail(folder, &["export", "all.jsonl"]));
    drop(serve);
    let export = fs::read_to_string(folder.join("all.jsonl")).unwrap();
    let stored = export.lines().filter(|line| line.contains("\"delivered\"")).count();
    assert_eq!((stored, receiver.taken().len()), (posted, posted));
    let mut last = BTreeMap::new();
    for (_, body) in receiver.taken() {
        let stream = body["data"]["stream"].as_str().unwrap().to_owned();
        let position = body["data"]["position"].as_u64().unwrap();
        assert!(last.insert(stream, position) < Some(position), "{body}");
    }
    assert_eq!(last.len(), 5);
}

#[test]
fn who_is_paused_is_seen_and_resumed_while_serve_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, receiver) = (folder.path(), Receiver::start());
    configure(folder, &to(&receiver));
    let list = || lines(&mailtrail(folder, &["subscriber", "list", "--json"])).remove(0);
    assert_eq!(list()["started"], false);
    receiver.answers(410);
    let mut serve = Serve::start(folder);
    assert_eq!(serve.post("postmark", "bWFpbDp0cmFpbA==", &delivery(0)), 200);
    let said = serve.says("paused");
    assert!(said.contains("answered 410") && said.contains("subscriber resume crm"), "{said}");
    let standing = list();
    assert_eq!((&standing["waiting"], &standing["taken"]), (&1.into(), &0.into()));
    let shown = text(&mailtrail(folder, &["subscriber", "list"]));
    assert!(shown.contains("PAUSED") && !shown.contains("/hooks"), "{shown}");

    receiver.answers(200);
    text(&mailtrail(folder, &["subscriber", "resume", "crm"]));
    serve.says("subscriber crm goes on");
    until("it came", || receiver.taken().len() == 1);
    until("it is kept", || list()["waiting"] == 0);
    let mut metrics = String::new();
    let mut stream = serve.connect();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    stream.read_to_string(&mut metrics).unwrap();
    for line in [
        "mailtrail_subscriber_attempts_total{subscriber=\"crm\",outcome=\"taken\"} 1",
        "mailtrail_subscriber_attempts_total{subscriber=\"crm\",outcome=\"failed\"} 1",
        "mailtrail_subscriber_paused{subscriber=\"crm\"} 0",
        "mailtrail_subscriber_dead_letters{subscriber=\"crm\"} 0",
        "mailtrail_subscriber_lag_positions{subscriber=\"crm\"} 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
}

#[test]
fn a_file_gets_lines_and_none_again_after_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(
        folder,
        "[[subscriber]]\nname = \"archive\"\nfile = \"told.jsonl\"\nevents = [\"*\"]\n",
    );
    let mut serve = Serve::start(folder);
    for number in 0..3 {
        assert_eq!(serve.post("postmark", "bWFpbDp0cmFpbA==", &delivery(number)), 200);
    }
    let told = || fs::read_to_string(folder.join("told.jsonl")).unwrap_or_default();
    until("three lines", || told().lines().count() == 3);
    assert!(!told().contains("ann@a.example"));
    serve.signal("TERM");
    let (code, said) = serve.ended();
    assert_eq!(code, Some(0), "{said}");
    // Started again it repeats nothing that it knows was taken.
    let serve = Serve::start(folder);
    assert_eq!(serve.post("postmark", "bWFpbDp0cmFpbA==", &delivery(3)), 200);
    until("a fourth line", || told().lines().count() == 4);
}

/// A dead letter of an earlier life, as it lies there.
#[test]
fn dead_letters_are_listed_and_sent_again_while_serve_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, receiver) = (folder.path(), Receiver::start());
    configure(folder, &to(&receiver));
    let serve = Serve::start(folder);
    assert_eq!(serve.post("postmark", "bWFpbDp0cmFpbA==", &delivery(0)), 200);
    until("it came", || receiver.taken().len() == 1);
    let message = receiver.taken()[0].0.clone();
    let letters = folder.join("trail/outbound/crm/dead-letters");
    fs::create_dir_all(&letters).unwrap();
    let letter = format!(
        "{{\"message\":\"{message}\",\"event\":\"00000000-0000-0000-0000-000000000000\",\"position\":1,\
          \"attempts\":10,\"since\":\"2026-11-02T10:00:00Z\",\"cause\":\"answered 400\"}}"
    );
    fs::write(letters.join(&message), letter).unwrap();
    let shown = text(&mailtrail(folder, &["subscriber", "dead-letters", "crm"]));
    assert!(shown.starts_with(&message) && shown.contains("answered 400"), "{shown}");
    let unknown = mailtrail(folder, &["subscriber", "replay", "crm", "msg_1"]);
    assert_eq!(unknown.status.code(), Some(65));
    text(&mailtrail(folder, &["subscriber", "replay", "crm", &message]));
    until("it came again", || receiver.came.lock().unwrap().len() == 2);
    until("it is none any more", || {
        text(&mailtrail(folder, &["subscriber", "dead-letters", "crm"])).is_empty()
    });
    assert_eq!(receiver.taken().len(), 1);
}

#[test]
fn a_check_says_what_is_wrong_with_subscribers() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let wrong = [
        (
            "url = \"http://127.0.0.1/\"\nsecrets = [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"]",
            "name its network in allow",
        ),
        ("url = \"https://crm.example/\"", "at least one secret is needed"),
        ("url = \"https://crm.example/\"\nsecrets = [\"swordfish\"]", "begins with whsec_"),
        ("url = \"ftp://crm.example/\"", "https:// or http://"),
        ("url = \"https://crm.example/\"\nfile = \"crm.jsonl\"", "give one of"),
        ("events = []\nstdout = true", "events is empty"),
        ("stdout = true\nauthorities = [\"ca.pem\"]", "belong to a url"),
        (
            "url = \"https://crm.example/\"\nauthorities = [\"ca.pem\"]",
            "authorities: ca.pem: No such",
        ),
        (
            "url = \"https://crm.example/\"\nauthorities = [\"mailtrail.toml\"]",
            "mailtrail.toml: there is no certificate in it",
        ),
        ("file = \"crm.jsonl\"\nallow = [\"10.0.0.0/8\"]", "belong to a url"),
        (
            "url = \"https://crm.example/\"\nallow = [\"ten\"]\nsecrets = [\"x\"]",
            "neither an address",
        ),
    ];
    for (lines, says) in wrong {
        configure(folder, &format!("[[subscriber]]\nname = \"crm\"\n{lines}\n"));
        let output = mailtrail(folder, &["serve", "--check"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = said.lines().find(|line| line.contains("subscriber crm")).unwrap();
        assert!(line.starts_with("BAD") && line.contains(says), "{line}");
        assert!(!said.contains("swordfish") && output.status.code() == Some(65), "{said}");
        // And so says `serve` itself, before it listens.
        let started =
            mailtrail(folder, &["serve", "--http", "127.0.0.1:0", "--lmtp", "127.0.0.1:0"]);
        let said = String::from_utf8_lossy(&started.stderr).into_owned();
        assert!(said.contains(says) && started.status.code() == Some(65), "{said}");
    }
    let good = "[[subscriber]]\nname = \"crm\"\nurl = \"https://crm.example/hooks/topsecret\"\n\
                secrets = [{ file = \"crm.secret\" }]\nevents = [\"status_changed\", \"bounce\"]\n";
    configure(folder, &format!("{good}\n{good}"));
    let said =
        String::from_utf8_lossy(&mailtrail(folder, &["serve", "--check"]).stdout).into_owned();
    for line in [
        "BAD   subscriber crm: two have this name",
        "hm    subscriber crm: \"bounce\" is none of our types of events",
        "good  subscriber crm: to https://crm.example",
    ] {
        assert!(said.lines().any(|found| found == line), "{line} in {said}");
    }
    assert!(!said.contains("topsecret"), "{said}");
}
