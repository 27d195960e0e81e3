//! How fast are mails that came back read, beside the mail parser alone and beside flufl.bounce?
//!
//! The mails are those of `../shared/corpora` where they are there, else our own.

use std::fs;
use std::hint::black_box;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use mail_parser::MessageParser;
use mailtrail_benches::{Figure, Wanted, best_of};
use mailtrail_bounce::Reader;
use mailtrail_classify::Classifier;
use mailtrail_core::token::{Key, Keys};
use serde_json::Value;

mailtrail_benches::allocator!();

fn main() {
    let wanted = Wanted::from_args();
    let mails = mails();
    let (classifier, keys) = (Classifier::builtin().unwrap(), Keys::new(Key::new(1, [7; 32])));
    let reader = Reader::new(&classifier, &keys);
    if wanted.has("bounce.parse") {
        let parser = MessageParser::new();
        // In turn, so that a slow moment of the machine falls on both.
        let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
        for _ in 0..ROUNDS {
            ours = ours.min(timed(&mails, |mail| _ = black_box(reader.read(mail, None, now()))));
            theirs = theirs.min(timed(&mails, |mail| _ = black_box(parser.parse(mail))));
        }
        let rate = |time: Duration| mails.len() as f64 / time.as_secs_f64();
        Figure::new("bounce.parse", rate(ours), "mails/s")
            .against("mail-parser", rate(theirs))
            .at_least(0.4)
            .print();
    }
    if wanted.has("bounce.large") {
        let mail = large();
        let time = best_of(3, || _ = black_box(reader.read(&mail, None, now())));
        Figure::new("bounce.large", time.as_secs_f64() * 1_000.0, "ms for a mail of 25 MiB")
            .at_most(500.0)
            .print();
    }
    if wanted.has("bounce.flufl") {
        flufl(&mails, &reader);
    }
}

fn flufl(mails: &[Vec<u8>], reader: &Reader<'_>) {
    let Some(python) = python() else {
        eprintln!("skipped: bounce.flufl: no Python with flufl.bounce (pip install flufl.bounce)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for (index, mail) in mails.iter().enumerate() {
        fs::write(folder.path().join(format!("{index}.eml")), mail).unwrap();
    }
    let script = folder.path().join("time.py");
    fs::File::create(&script).unwrap().write_all(SCRIPT.as_bytes()).unwrap();
    let printed = Command::new(python).arg(&script).arg(folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&printed.stdout).into_owned();
    let theirs: f64 = text.trim().parse().unwrap_or_else(|_| {
        panic!("flufl.bounce printed {text:?}: {}", String::from_utf8_lossy(&printed.stderr))
    });
    // The best of many rounds, as there: other programs disturb some.
    let round = || timed(mails, |mail| _ = black_box(reader.read(mail, None, now())));
    let ours = (0..ROUNDS).map(|_| round()).min().unwrap_or_default();
    Figure::new("bounce.flufl", mails.len() as f64 / ours.as_secs_f64(), "mails/s")
        .against("flufl.bounce, parsing included as with us", theirs)
        .at_least(20.0)
        .print();
}

/// Mails a second, of the best of ten rounds.
const SCRIPT: &str = r"
import email, glob, sys, time
from email import policy
from flufl.bounce import scan_message
mails = [open(name, 'rb').read() for name in glob.glob(sys.argv[1] + '/*.eml')]
best = None
for _ in range(10):
    start = time.perf_counter()
    for mail in mails:
        try:
            scan_message(email.message_from_bytes(mail))
        except Exception:
            pass
    took = time.perf_counter() - start
    best = took if best is None else min(best, took)
print(len(mails) / best)
";

fn python() -> Option<&'static str> {
    ["python3", "python"].into_iter().find(|python| {
        let import = Command::new(python).args(["-c", "import flufl.bounce"]).output();
        import.is_ok_and(|output| output.status.success())
    })
}

fn timed(mails: &[Vec<u8>], mut each: impl FnMut(&[u8])) -> Duration {
    let start = Instant::now();
    for mail in mails {
        each(mail);
    }
    start.elapsed()
}

fn mails() -> Vec<Vec<u8>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let corpus = fs::read_to_string(root.join("../shared/corpora/sisimai-mails.jsonl"));
    let mails: Vec<Vec<u8>> = match corpus {
        Ok(text) => text.lines().filter_map(mail_of).collect(),
        Err(_) => own(&root.join("crates/mailtrail-bounce/tests/golden/postfix")),
    };
    let bytes: usize = mails.iter().map(Vec::len).sum();
    eprintln!("{} mails of {} bytes on average", mails.len(), bytes / mails.len());
    mails
}

/// Mails that are no text are left out: there are three.
fn mail_of(line: &str) -> Option<Vec<u8>> {
    let sample: Value = serde_json::from_str(line).unwrap();
    sample["input"]["mail"]["text"].as_str().map(|text| text.as_bytes().to_vec())
}

fn own(folder: &Path) -> Vec<Vec<u8>> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mails = paths.filter(|path| path.extension().is_some_and(|extension| extension == "eml"));
    mails.map(|path| fs::read(path).unwrap()).collect()
}

/// A report that returns a large message, as with `RET=FULL` (RFC 3461 §4.3).
fn large() -> Vec<u8> {
    let head = "From: MAILER-DAEMON@mx.example\r\nTo: b@school.example\r\nSubject: Undelivered Mail\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\nYour message could not be delivered.\r\n\
        --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n\
        Final-Recipient: rfc822; ann@parents.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n\
        --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: pictures\r\nMessage-ID: <1@school.example>\r\n\
        Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    let mut mail = head.as_bytes().to_vec();
    let line = [&[b'Q'; 76][..], b"\r\n"].concat();
    while mail.len() < 25 << 20 {
        mail.extend_from_slice(&line);
    }
    mail.extend_from_slice(b"--b--\r\n");
    mail
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

const ROUNDS: usize = 30;
