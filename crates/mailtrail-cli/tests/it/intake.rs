//! Mails that come back: Maildirs and SMTP while it serves, mboxes, and the pipe of a mail server.

use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use mailtrail::core::DeliveryId;
use mailtrail::smtp::return_path::ReturnPath;
use serde_json::Value;

use super::sharing::{Serve, delivery_report};
use super::{lines, mailtrail, text};

const DOMAIN: &str = "bounces.school.example";
const PATIENCE: Duration = Duration::from_secs(60);

/// A place with a Maildir that is watched.
fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let configuration = format!(
        "return_path_domain = \"{DOMAIN}\"\n\
         [intake]\nmaildir = [\"Maildir\"]\nsmtp = \"127.0.0.1:0\"\nlmtp = \"127.0.0.1:0\"\n"
    );
    fs::write(folder.path().join("mailtrail.toml"), configuration).unwrap();
    for part in ["tmp", "new", "cur"] {
        fs::create_dir_all(folder.path().join("Maildir").join(part)).unwrap();
    }
    folder
}

fn return_path(folder: &Path) -> String {
    let keys = mailtrail::keys_file(folder.join("keys.toml")).unwrap();
    ReturnPath::new(DOMAIN).address(&keys, DeliveryId::from_bytes([3; 16]))
}

fn forged() -> String {
    let keys = mailtrail::core::token::Keys::new(mailtrail::core::token::Key::new(1, [8; 32]));
    ReturnPath::new(DOMAIN).address(&keys, DeliveryId::from_bytes([3; 16]))
}

/// A report of its own for each number.
fn report(number: u32) -> String {
    delivery_report().replace("report-1@", &format!("report-{number}@"))
}

fn deliver(folder: &Path, number: u32, to: &str) {
    let maildir = folder.join("Maildir");
    let (name, trace) = (format!("{number:05}.host"), "Received: by mx.school.example");
    let mail = format!("Delivered-To: {to}\r\n{trace}\r\n{}", report(number));
    fs::write(maildir.join("tmp").join(&name), mail).unwrap();
    fs::rename(maildir.join("tmp").join(&name), maildir.join("new").join(&name)).unwrap();
}

fn count(folder: &Path, part: &str) -> usize {
    fs::read_dir(folder.join("Maildir").join(part)).map_or(0, Iterator::count)
}

fn until(mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "it never comes to be so");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Everything that the store holds.
fn exported(folder: &Path) -> String {
    fs::remove_file(folder.join("all.jsonl")).ok();
    text(&mailtrail(folder, &["export", "all.jsonl"]));
    fs::read_to_string(folder.join("all.jsonl")).unwrap()
}

/// How many bounces the store holds.
fn bounces(folder: &Path) -> usize {
    let all = exported(folder);
    all.lines().filter(|line| line.contains("\"type\":\"bounced\"")).count()
}

fn metrics(serve: &Serve) -> String {
    let mut stream = serve.connect();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Offers a recipient by SMTP: the answer.
fn offer(address: &str, to: &str) -> String {
    let mut stream = BufReader::new(TcpStream::connect(address).unwrap());
    let said = format!("EHLO mx.example\r\nMAIL FROM:<>\r\nRCPT TO:<{to}>\r\nQUIT\r\n");
    stream.get_mut().write_all(said.as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    answers.lines().rev().nth(1).unwrap().to_owned()
}

#[test]
fn a_maildir_and_smtp_are_taken_while_it_serves_and_counted() {
    let folder = place();
    let folder = folder.path();
    deliver(folder, 1, &return_path(folder));
    let mut serve = Serve::start(folder);
    let said = serve.says("by SMTP on ");
    let smtp = said.trim().rsplit(' ').next().unwrap().to_owned();
    deliver(folder, 2, &return_path(folder));
    deliver(folder, 3, &forged());
    until(|| count(folder, "new") == 0);
    assert_eq!((count(folder, "cur"), count(folder, ".Refused/new")), (2, 1));
    assert!(offer(&smtp, &return_path(folder)).starts_with("250"));
    assert!(offer(&smtp, &forged()).starts_with("550 5.7.1"));
    assert!(offer(&smtp, "office@school.example").starts_with("550 5.1.1"));
    let shown = metrics(&serve);
    for line in [
        "mailtrail_mails_total{source=\"maildir_1\",outcome=\"feedback\"} 2",
        "mailtrail_mails_total{source=\"maildir_1\",outcome=\"forged\"} 1",
        "mailtrail_mail_events_total{source=\"maildir_1\",outcome=\"new\"} 2",
        "mailtrail_refused_recipients_total{source=\"smtp\",cause=\"forged\"} 1",
        "mailtrail_refused_recipients_total{source=\"smtp\",cause=\"foreign\"} 1",
        "mailtrail_mail_connections_total{source=\"smtp\",outcome=\"served\"} 3",
        "mailtrail_maildir_stuck{source=\"maildir_1\"} 0",
    ] {
        assert!(shown.contains(&format!("{line}\n")), "{line} in {shown}");
    }
    fs::remove_dir_all(folder.join("Maildir/new")).unwrap();
    // It looks into the folder now and then, and is told to stop meanwhile.
    serve.signal("TERM");
    assert_eq!(serve.ended().0, Some(0));
    assert_eq!(bounces(folder), 2);
}

fn spawn(folder: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_mailtrail"))
        .current_dir(folder)
        .env_remove("MAILTRAIL_STORE")
        .args(["serve", "--http", "127.0.0.1:0"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Killed at one place and another, until it was killed some times between the record and the move of a mail.
#[test]
fn kill_9_between_the_record_and_the_move_loses_no_mail_and_doubles_no_event() {
    let folder = place();
    let folder = folder.path();
    let to = return_path(folder);
    let (mut delivered, mut between): (u32, u32) = (0, 0);
    for round in 0..200 {
        while count(folder, "new") < 40 {
            deliver(folder, delivered, &to);
            delivered += 1;
        }
        let before = count(folder, "cur");
        let mut serve = spawn(folder);
        until(|| count(folder, "cur") > before + round * 7 % 30);
        serve.kill().unwrap();
        serve.wait().unwrap();
        let (moved, recorded) = (count(folder, "cur"), bounces(folder));
        assert_eq!(moved + count(folder, "new"), delivered as usize, "each mail is in one place");
        assert!(recorded >= moved, "{moved} moved, {recorded} recorded");
        between += u32::from(recorded > moved);
        if between >= 5 && round >= 10 {
            break;
        }
    }
    assert!(between > 0, "it was never killed where it matters");
    let mut serve = spawn(folder);
    until(|| count(folder, "new") == 0);
    serve.kill().unwrap();
    serve.wait().unwrap();
    assert_eq!(count(folder, "cur"), delivered as usize);
    assert_eq!(bounces(folder), delivered as usize);
}

/// Gives a mail to `ingest mail -` as a mail server does.
fn pipe(folder: &Path, to: &str, mail: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mailtrail"))
        .current_dir(folder)
        .env_remove("MAILTRAIL_STORE")
        .env("ORIGINAL_RECIPIENT", to)
        .env("RECIPIENT", "bounces@school.example")
        .args(["ingest", "mail", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have ended before it reads anything.
    child.stdin.take().unwrap().write_all(mail.as_bytes()).ok();
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_pipe_tells_the_mail_server_what_to_do_with_the_mail() {
    let folder = place();
    let folder = folder.path();
    let to = return_path(folder);
    let piped = format!("From MAILER-DAEMON  Mon Nov  2 10:00:00 2026\n{}", delivery_report());
    // Through the owner while it serves, and alone: the same mail is one.
    let serve = Serve::start(folder);
    assert_eq!(said(&pipe(folder, &to, &piped))["new_events"], 1);
    drop(serve);
    let again = said(&pipe(folder, &to, &piped));
    assert_eq!((&again["new_events"], &again["known_events"]), (&0.into(), &1.into()));

    // What is not recorded is kept; only what is no mail at all is given back.
    let kept = |output: &Output| {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let (_, hash) = said.split_once("mailtrail raw ").unwrap();
        text(&mailtrail(folder, &["raw", hash.lines().next().unwrap()]))
    };
    let stray = "From: ann@a.example\nSubject: Hi\n\nHi!\n";
    let output = pipe(folder, "bounces@school.example", stray);
    assert_eq!((output.status.code(), &said(&output)["not_feedback"]), (Some(0), &1.into()));
    assert_eq!(kept(&output), stray);
    let output = pipe(folder, &forged(), &report(9));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(said(&output)["refused_by_cause"]["forged"], 1);
    assert_eq!(kept(&output), report(9));
    let output = pipe(folder, &to, "no mail");
    assert_eq!(output.status.code(), Some(65));
    assert_eq!(kept(&output), "no mail");
    assert_eq!(pipe(folder, &to, "").status.code(), Some(65), "there is nothing to lose");
}

#[test]
fn a_pipe_that_can_do_nothing_keeps_the_mail_with_the_mail_server() {
    let folder = place();
    let folder = folder.path();
    let to = return_path(folder);
    let owner = mailtrail::fjall::FjallStore::open(folder.join("trail")).unwrap();
    assert_eq!(pipe(folder, &to, &report(1)).status.code(), Some(75), "in use and not shared");
    drop(owner);
    let configuration = fs::read_to_string(folder.join("mailtrail.toml")).unwrap();
    fs::write(folder.join("mailtrail.toml"), "mistyped = 1").unwrap();
    assert_eq!(pipe(folder, &to, &report(1)).status.code(), Some(75), "mistyped");
    fs::write(folder.join("mailtrail.toml"), &configuration).unwrap();
    fs::write(folder.join("photo.jpg"), "meow").unwrap();
    fs::write(
        folder.join("mailtrail.toml"),
        format!("store = \"sled:photo.jpg\"\n{configuration}"),
    )
    .unwrap();
    assert_eq!(pipe(folder, &to, &report(1)).status.code(), Some(75), "no store at all");
    fs::write(folder.join("mailtrail.toml"), &configuration).unwrap();
    assert_eq!(pipe(folder, &to, &report(1)).status.code(), Some(0));
    assert_eq!(bounces(folder), 1);
}

#[test]
fn an_mbox_is_read_mail_by_mail_and_again_without_harm() {
    let folder = place();
    let folder = folder.path();
    let to = return_path(folder);
    let trace = format!("Delivered-To: {to}\nReceived: by mx\n");
    let parted = "From MAILER-DAEMON Mon Nov  2 10:00:00 2026\n";
    let mut mbox = String::new();
    for mail in [format!("{trace}{}", report(1)), "broken".into(), format!("{trace}{}", report(2))]
    {
        mbox += &[parted, &mail.replace("\r\n", "\n"), "\n\n"].concat();
    }
    fs::write(folder.join("bounces"), &mbox).unwrap();
    for (what, new) in [("mail", 2), ("mbox", 0)] {
        let output = mailtrail(folder, &["ingest", what, "bounces", "--delivered", "--json"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(65), "{told}");
        assert!(told.contains("bounces, mail 2: the mail can't be read"), "{told}");
        let counts = said(&output);
        assert_eq!((&counts["inputs"], &counts["new_events"]), (&3.into(), &new.into()));
    }
    // What the delivering agent wrote is proof where it is believed.
    assert_eq!(exported(folder).matches("\"seen_in\":\"return_path\"").count(), 2);

    deliver(folder, 7, &to);
    let maildir = ["ingest", "mail", "Maildir", "--delivered", "--json"];
    assert_eq!(lines(&mailtrail(folder, &maildir))[0]["new_events"], 1);
    assert_eq!(count(folder, "new"), 1, "only serve moves mails");
}

#[test]
fn a_check_looks_at_maildirs_and_smtp() {
    let folder = place();
    fs::remove_dir(folder.path().join("Maildir/cur")).unwrap();
    let configuration = fs::read_to_string(folder.path().join("mailtrail.toml")).unwrap();
    let (_, without_domain) = configuration.split_once('\n').unwrap();
    fs::write(folder.path().join("mailtrail.toml"), without_domain).unwrap();
    let output = mailtrail(folder.path(), &["serve", "--check", "--http", "127.0.0.1:0", "--json"]);
    assert_eq!(output.status.code(), Some(65));
    let found: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let wrong = found.iter().filter(|finding| finding["level"] == "wrong");
    let wrong: Vec<&str> = wrong.map(|finding| finding["what"].as_str().unwrap()).collect();
    assert_eq!(wrong, ["smtp", "maildir"]);
}
