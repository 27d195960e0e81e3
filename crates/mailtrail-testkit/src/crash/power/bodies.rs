//! Power cuts while raw bodies are kept, put again, removed and expired.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_executor::block_on;
use futures_util::future::try_join_all;
use mailtrail_core::event::RawHash;
use mailtrail_core::store::{OpenError, RawError, RawStore};

use super::look::{Broken, Class, exit_code};
use crate::crash::child::{Said, say};

/// The body of a number. Some are larger than what is written at once, and one has a file of its own.
fn body(number: u64) -> Bytes {
    let repeats: usize = match number % 20 {
        7 => 3_000,
        13 => 50_000,
        other => usize::try_from(1 + other * 7).unwrap_or_default(),
    };
    format!("{}body {number}. ", format!("{number},").repeat(repeats)).into()
}

/// What no other body holds.
fn mark(number: u64) -> String {
    format!(",body {number}. ")
}

/// Opens it several times; puts one by one and many at once, and takes some away.
pub(in crate::crash) fn work<R: RawStore>(
    open: &impl Fn(&Path) -> Result<R, OpenError>,
    folder: &Path,
) {
    for opening in 0..OPENINGS {
        let raw = match open(folder) {
            Ok(raw) => raw,
            Err(error) => failed("the folder does not open", error),
        };
        let first = opening * EACH;
        for number in first..first + ALONE {
            put(&raw, &[number]);
        }
        for numbers in (first + ALONE..first + EACH).collect::<Vec<_>>().chunks(6) {
            put(&raw, numbers);
        }
        // Again: also what was there before.
        put(&raw, &[first / 2, first + 1]);
        let gone = erased(opening);
        let hashes: Vec<_> = gone.iter().map(|number| RawHash::of(&body(*number))).collect();
        block_on(raw.remove(&hashes)).unwrap_or_else(|error| failed("they are not removed", error));
        for number in gone {
            say("erased", number);
        }
        if opening + 1 == OPENINGS {
            let all = block_on(raw.expire(DateTime::<Utc>::MAX_UTC));
            all.unwrap_or_else(|error| failed("they do not expire", error));
            for number in 0..OPENINGS * EACH {
                say("erased", number);
            }
        }
    }
}

/// What is removed in each time that it is open.
fn erased(opening: u64) -> Vec<u64> {
    let first = opening * EACH;
    vec![first + 2, first + ALONE + 3, first + EACH - 1, first + 13]
}

fn put(raw: &impl RawStore, numbers: &[u64]) {
    let put = block_on(try_join_all(numbers.iter().map(|number| raw.put(body(*number)))));
    put.unwrap_or_else(|error| failed("bodies are not put", error));
    for number in numbers {
        say("acknowledged", *number);
    }
}

#[expect(clippy::panic, reason = "a test, whose exit code the parent looks at")]
fn failed<T>(what: &str, error: impl std::error::Error) -> T {
    panic!("{what}: {error}");
}

/// Opens what a cut left: what was put is there, what was erased is nowhere, and it goes on.
pub(in crate::crash) fn survey<R: RawStore>(
    open: &impl Fn(&Path) -> Result<R, OpenError>,
    folder: &Path,
    words: &[Said],
) -> i32 {
    exit_code(surveyed(open, folder, words))
}

fn surveyed<R: RawStore>(
    open: &impl Fn(&Path) -> Result<R, OpenError>,
    folder: &Path,
    words: &[Said],
) -> Result<(), Broken> {
    let said = |wanted: fn(&Said) -> bool| -> BTreeSet<u64> {
        words.iter().filter(|word| wanted(word)).map(|word| word.number()).collect()
    };
    let gone = said(|word| matches!(word, Said::Erased(_)));
    let put = said(|word| matches!(word, Said::Acknowledged(_)));
    let opened = || open(folder).map_err(|error| Broken::of("it is opened", error));
    let raw = opened()?;
    let (mut being_erased, mut there) = (BTreeSet::new(), BTreeSet::new());
    for number in 0..OPENINGS * EACH {
        // What was not said yet may be under way.
        let may_go =
            expires(&put) || (0..OPENINGS).any(|opening| erased(opening).contains(&number));
        match block_on(raw.read(RawHash::of(&body(number)))) {
            Ok(Some(found)) if found != body(number) => {
                return Err(Broken::because(Class::Wrong, format!("body {number} is another")));
            }
            Ok(Some(_)) if gone.contains(&number) => {
                let how = format!("body {number} is there, and was erased");
                return Err(Broken::because(Class::Lost, how));
            }
            Ok(Some(_)) => drop(there.insert(number)),
            Ok(None) if put.contains(&number) && !may_go => {
                return Err(Broken::because(Class::Lost, format!("body {number} is not there")));
            }
            Ok(None) => {}
            Err(RawError::Corrupt { .. }) if may_go && !gone.contains(&number) => {
                being_erased.insert(number);
            }
            // Nobody was told of it: put again it is there.
            Err(RawError::Corrupt { .. }) if !put.contains(&number) => {}
            Err(error) => return Err(Broken::of("a read", error)),
        }
    }
    nowhere(folder, &gone)?;
    let hashes = |numbers: &BTreeSet<u64>| -> Vec<_> {
        numbers.iter().map(|number| RawHash::of(&body(*number))).collect()
    };
    let removed = block_on(raw.remove(&hashes(&being_erased)));
    removed.map_err(|error| Broken::of("a removal", error))?;
    nowhere(folder, &being_erased)?;
    for number in put.iter().chain(&[1_000_000, 1_000_013]) {
        block_on(raw.put(body(*number))).map_err(|error| Broken::of("a put", error))?;
        there.insert(*number);
    }
    drop(raw);
    let raw = opened()?;
    for number in there {
        let found = block_on(raw.read(RawHash::of(&body(number))));
        if found.map_err(|error| Broken::of("a read", error))? != Some(body(number)) {
            let how = format!("body {number} is not there when opened again");
            return Err(Broken::because(Class::Wrong, how));
        }
    }
    Ok(())
}

/// Whether all may be expiring: the last was put.
fn expires(put: &BTreeSet<u64>) -> bool {
    put.contains(&(OPENINGS * EACH - 1))
}

/// Whether no file holds a body of these.
fn nowhere(folder: &Path, gone: &BTreeSet<u64>) -> Result<(), Broken> {
    let read = |error| Broken::of("a file", error);
    for entry in fs::read_dir(folder).map_err(read)? {
        let bytes = fs::read(entry.map_err(read)?.path()).map_err(read)?;
        let text = String::from_utf8_lossy(&bytes);
        if let Some(number) = gone.iter().find(|number| text.contains(&mark(**number))) {
            let how = format!("body {number} is on the disk, and was erased");
            return Err(Broken::because(Class::Lost, how));
        }
    }
    Ok(())
}

/// How often it is opened, how many are put each time, and how many of these one by one.
const OPENINGS: u64 = 3;
const EACH: u64 = 40;
const ALONE: u64 = 10;
