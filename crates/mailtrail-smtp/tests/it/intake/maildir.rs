use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mailtrail_smtp::intake::{Maildir, MaildirError};
use mailtrail_testkit::Double;
use tempfile::TempDir;
use tokio::time::timeout;

use super::{Ill, Place, answer, forged, reply_address, report, return_path};

const PATIENCE: Duration = Duration::from_secs(20);

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for part in ["tmp", "new", "cur"] {
        fs::create_dir(folder.path().join(part)).unwrap();
    }
    folder
}

/// A mail as a delivering agent stores it.
fn delivered(to: &str, mail: &Bytes) -> Vec<u8> {
    let trace = format!("Return-Path: <>\nDelivered-To: {to}\nReceived: by mx.school.example\n");
    [trace.as_bytes(), mail].concat()
}

/// Stores a mail as an agent does: whole at once.
fn deliver(folder: &Path, name: &str, mail: &[u8]) {
    fs::write(folder.join("tmp").join(name), mail).unwrap();
    fs::rename(folder.join("tmp").join(name), folder.join("new").join(name)).unwrap();
}

/// All files but the marks of subfolders, by where they are.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                left.push(path);
            } else if !path.ends_with("maildirfolder") {
                found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

async fn take_all(folder: &Path, place: &Place) {
    let maildir = Maildir::open(folder, Arc::clone(&place.intake)).unwrap();
    maildir.message_bytes(10_000).take_all().await.unwrap();
}

#[tokio::test]
async fn each_mail_goes_where_its_administrator_looks_for_it() {
    let (folder, place) = (folder(), Place::new());
    let folder = folder.path();
    deliver(folder, "1.bounce", &delivered(&return_path(1), &report(1)));
    deliver(folder, "2.answer", &delivered(&reply_address(1), &answer()));
    deliver(folder, "3.stray", &delivered("office@school.example", &answer()));
    deliver(folder, "4.forged", &delivered(&forged(), &report(2)));
    deliver(folder, "5.empty", b"");
    deliver(folder, "6.large", &[b'x'; 10_001]);
    // These are nobody's mails.
    fs::write(folder.join("new/.hidden"), report(3)).unwrap();
    fs::write(folder.join("tmp/half"), b"Subject: ha").unwrap();
    fs::create_dir(folder.join("new/folder")).unwrap();
    fs::write(folder.join("cur/7.seen:2,S"), report(4)).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.join("new/8.link")).unwrap();
    take_all(folder, &place).await;
    let expected = [
        ".NotFeedback/new/2.answer",
        ".NotFeedback/new/3.stray",
        ".Refused/new/4.forged",
        ".Unreadable/new/5.empty",
        ".Unreadable/new/6.large",
        "cur/1.bounce:2,S",
        "cur/7.seen:2,S",
        "new/.hidden",
        "new/8.link",
        "tmp/half",
    ];
    assert_eq!(files(folder), expected);
    // Some are taken at once: whichever is read first comes first.
    let mut types = place.types().await;
    types.sort_unstable();
    assert_eq!(types, ["bounced", "custom"]);
    let counts = place.intake.counts();
    assert_eq!((counts.unreadable, counts.refused["forged"], counts.not_feedback), (2, 1, 1));
    // The raw bytes of what was recorded are kept.
    assert!(place.raw_of_all().await);
}

#[tokio::test]
async fn the_same_mail_again_adds_nothing_and_takes_no_other_mails_place() {
    let (folder, place) = (folder(), Place::new());
    for mail in [report(1), report(1), report(2)] {
        deliver(folder.path(), "1.host", &delivered(&return_path(1), &mail));
        take_all(folder.path(), &place).await;
    }
    assert_eq!(files(folder.path()), ["cur/1.host:2,S", "cur/1.host_1:2,S", "cur/1.host_2:2,S"]);
    assert_eq!(place.types().await, ["bounced", "bounced"]);
}

#[tokio::test]
async fn what_a_mail_client_found_first_is_taken_when_asked_for() {
    let (folder, place) = (folder(), Place::new());
    fs::write(folder.path().join("cur/1.host:2,"), report(1)).unwrap();
    fs::write(folder.path().join("cur/2.host:2,T"), report(2)).unwrap();
    take_all(folder.path(), &place).await;
    assert!(place.types().await.is_empty());
    let maildir = Maildir::open(folder.path(), Arc::clone(&place.intake)).unwrap();
    maildir.and_cur().take_all().await.unwrap();
    assert_eq!(place.types().await, ["bounced"]);
    assert_eq!(files(folder.path()), ["cur/1.host:2,S", "cur/2.host:2,T"]);
}

#[tokio::test]
async fn a_store_that_takes_nothing_leaves_the_mails_and_gets_them_later() {
    let ill = Arc::new(Double(Ill::default()));
    let (folder, place) = (folder(), Place::at(Arc::clone(&ill) as _));
    ill.is_ill(true);
    for number in 0..20 {
        let mail = delivered(&return_path(1), &report(number));
        deliver(folder.path(), &format!("{number:02}.host"), &mail);
    }
    let maildir = Maildir::open(folder.path(), Arc::clone(&place.intake)).unwrap();
    let watching = maildir.retry(Duration::from_millis(1), Duration::from_millis(10)).watch();
    while watching.standing().failures < 3 {
        ill.was_asked().await;
    }
    let stuck = watching.standing().stuck.unwrap();
    assert!(stuck.contains("no space left"), "{stuck}");
    assert!(files(folder.path()).iter().all(|file| file.starts_with("new/")));
    ill.is_ill(false);
    until(|| files(folder.path()).iter().all(|file| file.starts_with("cur/"))).await;
    watching.stop().await;
    assert_eq!(place.types().await.len(), 20);
}

/// Waits for a change of the file system.
async fn until(mut is_so: impl FnMut() -> bool) {
    let so = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, so).await.expect("it comes to be so");
}

#[tokio::test]
async fn it_is_woken_by_what_comes_while_others_take_mails_away() {
    let (folder, place) = (folder(), Place::new());
    let maildir = Maildir::open(folder.path(), Arc::clone(&place.intake)).unwrap();
    // It never looks by itself in this test.
    let watching = maildir.look_every(PATIENCE * 100).watch();
    for number in 0..100 {
        let name = format!("{number:03}.host");
        deliver(folder.path(), &name, &delivered(&return_path(1), &report(number)));
        if number % 3 == 0 {
            fs::remove_file(folder.path().join("new").join(&name)).ok();
        }
        tokio::task::yield_now().await;
    }
    deliver(folder.path(), "last", &delivered(&return_path(1), &report(1000)));
    if cfg!(target_os = "linux") {
        until(|| !files(folder.path()).iter().any(|file| file.starts_with("new/"))).await;
        assert!(place.types().await.len() > 66);
    }
    assert_eq!(watching.standing().stuck, None);
    timeout(PATIENCE, watching.stop()).await.expect("it stops");
}

#[tokio::test]
async fn what_no_event_tells_of_is_found_now_and_then() {
    let (folder, place) = (folder(), Place::new());
    let maildir = Maildir::open(folder.path(), Arc::clone(&place.intake)).unwrap();
    let watching = maildir.look_every(Duration::from_millis(20)).watch();
    until(|| watching.standing().looks > 0).await;
    // The folder is put in the place of another one: the watch is on the old one.
    fs::rename(folder.path().join("new"), folder.path().join("old")).unwrap();
    fs::create_dir(folder.path().join("new")).unwrap();
    deliver(folder.path(), "1.host", &delivered(&return_path(1), &report(1)));
    until(|| files(folder.path()) == ["cur/1.host:2,S"]).await;
    // Gone for a while, it is stuck; then it goes on.
    fs::remove_dir(folder.path().join("new")).unwrap();
    until(|| watching.standing().stuck.is_some()).await;
    fs::create_dir(folder.path().join("new")).unwrap();
    until(|| watching.standing().stuck.is_none()).await;
}

#[tokio::test]
async fn dropped_it_stops_too() {
    let (folder, place) = (folder(), Place::new());
    let watching = Maildir::open(folder.path(), Arc::clone(&place.intake)).unwrap().watch();
    let standing = watching.watch();
    until(|| standing().looks > 0).await;
    drop(watching);
    // The intake is given back: nobody looks any more.
    until(|| Arc::strong_count(&place.intake) == 1).await;
}

#[tokio::test]
async fn a_folder_that_is_none_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let opened = Maildir::open(folder.path(), Place::new().intake);
    let Err(MaildirError::NotAMaildir { part, .. }) = opened else { panic!("{opened:?}") };
    assert_eq!(part, "new");
}
