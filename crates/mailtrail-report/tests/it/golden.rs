//! The words that people see: kept, so that every change of them is seen.

use std::fs;
use std::path::PathBuf;

use mailtrail_core::Status;
use mailtrail_core::reason::Reason;

#[test]
fn every_status_and_reason_has_its_sentence() {
    let statuses =
        Status::ALL.map(|s| format!("{} | {} | {}\n", s.code(), s.label(), s.sentence()));
    let reasons = Reason::ALL.iter().map(|r| {
        format!("{} | {} | {} | {}\n", r.name(), r.final_status(), r.sentence(), r.advice())
    });
    let words: String = statuses.into_iter().chain(reasons).collect();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/words.txt");
    if std::env::var_os("MAILTRAIL_BLESS").is_some() {
        fs::write(&path, &words).unwrap();
    }
    assert_eq!(
        words,
        fs::read_to_string(&path).unwrap(),
        "run with MAILTRAIL_BLESS=1 and read the change"
    );
}
