//! No event is without a mock: whatever a dialect reads, some mock posts.
//!
//! A dialect in Rust has no table of its words: they are the texts in its source. So each of these is put
//! in the place of each other in each body, and whatever is read as an event has to be shown by a mock
//! too, as that event by that word. A mapping's file has a table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use mailtrail_core::Feedback;
use mailtrail_webhook::Request;
use mailtrail_webhook::provider::mock::{About, Mock};
use mailtrail_webhook::provider::{Mapping, Reader, receive};

use crate::golden;
use crate::{classifier, endpoint, keys, now, open};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

/// The providers in Rust.
fn dialects() -> Vec<String> {
    let name = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let files = entries(&folder("src/provider/dialects"));
    files.iter().map(name).filter(|name| name != "mod").collect()
}

/// The files with bodies of a provider.
fn bodies(provider: &str) -> Vec<PathBuf> {
    let folders = entries(&folder("mocks").join(provider)).into_iter().filter(|path| path.is_dir());
    folders.flat_map(|folder| entries(&folder)).collect()
}

/// The texts in a dialect's source that may be words.
fn words(provider: &str) -> BTreeSet<String> {
    let path = folder("src/provider/dialects").join(format!("{provider}.rs"));
    let source = fs::read_to_string(path).unwrap();
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let texts = code.flat_map(|line| line.split('"').skip(1).step_by(2));
    let is_word = |text: &&str| text.len() > 1 && !text.contains(['/', '{', '\\']);
    texts.filter(is_word).map(ToOwned::to_owned).collect()
}

/// Where a word is a value, or the end of one, in a body; large letters are small ones, as some read them.
fn places(body: &str, word: &str) -> Vec<usize> {
    let is_value = |at: &usize| {
        let (before, behind) = (&body[..*at], &body[at + word.len()..]);
        let ends = behind.starts_with(['"', '\\', '\n']);
        let is_name = behind.trim_start_matches(['"', '\\']).trim_start().starts_with(':');
        before.ends_with(['"', '=', '.']) && ends && !is_name
    };
    let (small, word) = (body.to_ascii_lowercase(), word.to_ascii_lowercase());
    small.match_indices(&*word).map(|(at, _)| at).filter(is_value).collect()
}

/// What is read, but nobody posts: in Mailgun's legacy forms its own codes come with `dropped`.
const NEVER_POSTED: [&str; 1] = ["mailgun: bounced as suppressed"];

/// The provider's word, and the event that it is read as.
type Shown = BTreeSet<(String, String)>;

fn shown(provider: &str, path: &Path, body: String) -> Shown {
    let (keys, classifier, body) = (keys(), classifier(), golden::posted(provider, path, body));
    let reader = Reader::new(&keys, classifier);
    // What belongs to another URL is no event.
    let read = receive(&*open(provider), &Request::new(&body, now()), &reader, None);
    let feedback = read.unwrap_or_default();
    let events = feedback.iter().filter(|one| one.fact.event.type_name() != "custom");
    let pair = |one: &Feedback| {
        let rule = one.provenance.rule.as_deref().unwrap_or_default();
        let word = rule.split('/').nth(1).unwrap_or_default();
        (word.to_owned(), one.fact.event.type_name().to_owned())
    };
    // A class in several words makes no name: the word itself is read with other classes too.
    events.map(pair).filter(|(word, _)| word != "unnamed").collect()
}

/// All that a dialect reads, as far as its own words tell, in these bodies.
fn read_by(provider: &str, bodies: &[(PathBuf, String)]) -> Shown {
    let (words, mut all) = (words(provider), Shown::new());
    for (path, body) in bodies {
        for old in &words {
            for at in places(body, old) {
                for new in &words {
                    let body = [&body[..at], new, &body[at + old.len()..]].concat();
                    all.extend(shown(provider, path, body));
                }
            }
        }
    }
    all
}

/// Of the bodies that show the same, one.
fn kinds(provider: &str) -> BTreeMap<Shown, (PathBuf, String)> {
    let body = |path: PathBuf| {
        let body = fs::read_to_string(&path).unwrap();
        (shown(provider, &path, body.clone()), (path, body))
    };
    bodies(provider).into_iter().map(body).collect()
}

#[test]
fn every_event_that_a_dialect_reads_has_a_mock() {
    let mut missing = BTreeSet::new();
    for provider in dialects() {
        let kinds = kinds(&provider);
        let shown: Shown = kinds.keys().flatten().cloned().collect();
        assert!(!shown.is_empty(), "{provider}");
        let bodies: Vec<_> = kinds.into_values().collect();
        for (word, event) in read_by(&provider, &bodies).difference(&shown) {
            missing.insert(format!("{provider}: {word} as {event}"));
        }
    }
    assert_eq!(missing.iter().map(String::as_str).collect::<Vec<_>>(), NEVER_POSTED);
}

#[test]
fn a_mock_that_is_gone_is_missed() {
    for (provider, word, event) in [
        ("sendgrid", "open", "opened"),
        ("mailersend", "opened_unique", "opened"),
        ("azure", "Microsoft.Communication.EmailDeliveryReportReceived", "suppressed"),
        ("ses", "Click", "clicked"),
        ("mailgun", "complained", "complained"),
    ] {
        let gone = (word.to_owned(), event.to_owned());
        let mut kinds = kinds(provider);
        kinds.retain(|shown, _| !shown.contains(&gone));
        let bodies: Vec<_> = kinds.into_values().collect();
        assert!(read_by(provider, &bodies).contains(&gone), "{provider} {word}");
    }
}

#[test]
fn every_word_of_a_mappings_file_has_a_mock() {
    for text in Mapping::BUILTIN {
        let file: toml::Table = toml::from_str(text).unwrap();
        let name = file["name"].as_str().unwrap();
        let about = About::new("ann@a.example", now());
        let mock = Mock::new(endpoint(name), name).unwrap();
        let names: Vec<_> = mock.requests(&about).into_iter().map(|one| one.name).collect();
        for event in file["event"].as_array().unwrap() {
            for word in event["when"].as_array().unwrap() {
                let word = word.as_str().unwrap();
                let has = names.iter().any(|name| **name == *word);
                assert!(has || event["is"].as_str() == Some("custom"), "{name}: {word}");
            }
        }
    }
}

/// What is in the folder is also in the program: files that are new need the latter to be built again.
#[test]
fn every_file_is_posted() {
    let about = About::new("ann@a.example", now());
    for provider in dialects() {
        let mock = Mock::new(endpoint(&provider), &provider).unwrap();
        let event =
            |path: &Path| path.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        let files: Vec<_> = bodies(&provider)
            .iter()
            .map(|path| (event(path), path.file_stem().unwrap().to_str().unwrap().to_owned()))
            .collect();
        let requests = mock.requests(&about).into_iter();
        let posted: Vec<_> =
            requests.map(|one| (one.events().join(" "), one.name.into_string())).collect();
        assert_eq!(files, posted, "{provider}: touch src/provider/mock/body.rs");
    }
}
