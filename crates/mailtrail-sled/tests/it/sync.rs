//! The sync witness: between the write of a record and its acknowledgement, the kernel is told to
//! bring the database file to the disk.

use std::io::Write;

use crate::child;

fn strace() -> Option<String> {
    if let Some(path) = std::env::var_os("MAILTRAIL_STRACE") {
        return path.into_string().ok();
    }
    let found = std::process::Command::new("strace").arg("-V").output();
    found.is_ok_and(|output| output.status.success()).then(|| "strace".to_owned())
}

/// Says that a test did not run, where the summary counts it.
pub(crate) fn skipped(test: &str, why: &str) {
    let line = format!("skipped: {test}: {why}\n");
    print!("{line}");
    if let Some(list) = std::env::var_os("MAILTRAIL_SKIPS") {
        let mut list = std::fs::OpenOptions::new().append(true).create(true).open(list).unwrap();
        list.write_all(line.as_bytes()).unwrap();
    }
}

#[test]
fn an_acknowledgement_comes_after_fdatasync_of_the_database() {
    let Some(strace) = strace() else {
        return skipped(
            "an_acknowledgement_comes_after_fdatasync_of_the_database",
            "strace is not there",
        );
    };
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let store = folder.path().join("trail");
    let calls = "--trace=write,pwrite64,fsync,fdatasync";
    let wrapper: Vec<String> =
        [&strace, "-f", "-y", calls, "-o", trace.to_str().unwrap()].map(str::to_owned).into();
    let (mut process, mut output) = child::start(&store, 0, 20, &wrapper);
    let mut acknowledged = 0;
    while child::acknowledged(&mut output).is_some() {
        acknowledged += 1;
    }
    process.wait().unwrap();
    assert_eq!(acknowledged, 20);

    let trace = std::fs::read_to_string(trace).unwrap();
    let database = format!("{}/log/db>", store.display());
    let (mut written, mut synced, mut witnessed) = (false, false, 0);
    for line in trace.lines() {
        if line.contains(&database) && line.contains("write") {
            (written, synced) = (true, false);
        } else if line.contains(&database) && line.contains("fdatasync") {
            synced = true;
        } else if line.contains("acknowledged ") {
            assert!(written && synced, "acknowledged before it was synced:\n{line}");
            witnessed += 1;
            written = false;
        }
    }
    assert_eq!(witnessed, 20, "every acknowledgement was seen");
}
