//! The disk's rules on traces of a few lines, and stores that forget a sync.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::fate::Fate;
use super::model::{Image, Model, Node};
use super::*;
use crate::broken::{LogFault, LogStore};
use crate::crash::trace::lines::{
    ROOT, folder, made, opened, pwrite, removed, renamed, said, sync, write,
};

fn model(lines: &[String]) -> Model {
    Model::new(Recording::read(&lines.concat(), ROOT, &["mapped"]).unwrap())
}

/// The end, with these fates by the line of the trace.
fn left(model: &Model, fates: &[(usize, Fate)]) -> Image {
    let end = *model.moments().last().unwrap();
    let operations = &model.recording().operations;
    let at = |line| operations.iter().rposition(|of| of.ended == line).unwrap();
    model.image(end, &fates.iter().map(|(line, fate)| (at(*line), *fate)).collect())
}

fn files(image: &Image) -> Vec<(&str, &[u8])> {
    let nodes = image.0.iter().filter_map(|(path, node)| match node {
        Node::File(bytes) => Some((path.to_str().unwrap(), bytes.as_slice())),
        Node::Folder => None,
    });
    nodes.collect()
}

const SECTORS: [u8; 1_536] = [b'x'; 1_536];

#[test]
fn what_is_synced_is_there_and_nothing_else() {
    let model = model(&[
        made(3, "log"),
        pwrite(3, "log", 0, b"one"),
        sync(3, "log"),
        opened(4, "", "O_RDONLY|O_DIRECTORY"),
        sync(4, ""),
        pwrite(3, "log", 3, b"two"),
        made(5, "other"),
    ]);
    assert_eq!(files(&left(&model, &[])), [("log", &b"one"[..])]);
    assert_eq!(files(&left(&model, &[(5, Fate::Kept)])), [("log", &b"onetwo"[..])]);
    assert_eq!(files(&left(&model, &[(6, Fate::Kept)])), [("log", &b"one"[..]), ("other", b"")]);
    // Before the folder is synced there may be no name, also of a file that is synced.
    let before = model.image(4, &[].into());
    assert_eq!(files(&before), []);
}

#[test]
fn a_sync_brings_what_had_been_written_when_it_began() {
    let write = pwrite(3, "log", 0, b"one");
    let sync = sync(3, "log").replace("7 ", "9 ").replace(") = 0\n", " <unfinished ...>\n");
    let done = "9 <... fdatasync resumed>) = 0\n".to_owned();
    let head = || vec![made(3, "log"), opened(4, "", "O_RDONLY"), synced_name()];
    let crossing = model(&[head(), vec![sync.clone(), write.clone(), done.clone()]].concat());
    assert_eq!(files(&left(&crossing, &[])), [("log", &b""[..])]);
    let after = model(&[head(), vec![write, sync, done]].concat());
    assert_eq!(files(&left(&after, &[])), [("log", &b"one"[..])]);
}

fn synced_name() -> String {
    sync(4, "")
}

/// A file whose name is on the disk.
fn named() -> Vec<String> {
    vec![made(3, "log"), opened(4, "", "O_RDONLY"), sync(4, "")]
}

#[test]
fn a_write_is_torn_at_sectors() {
    let model = model(&[named(), vec![pwrite(3, "log", 0, &SECTORS)]].concat());
    let log = |fate| match files(&left(&model, &[(3, fate)]))[..] {
        [(_, bytes)] => bytes.to_vec(),
        _ => panic!("one file"),
    };
    assert_eq!(log(Fate::Kept), SECTORS);
    assert_eq!(log(Fate::First(1)), [b'x'; 512]);
    assert_eq!(log(Fate::Grown), [0; 1_536]);
    let torn = log(Fate::Some(3));
    assert!(torn.chunks(512).all(|sector| sector == [b'x'; 512] || sector == [0; 512]));
    assert!(torn != SECTORS && torn != [0; 1_536], "this seed keeps some");
}

#[test]
fn a_later_write_to_a_sector_brings_the_earlier_one_with_it() {
    let writes =
        [pwrite(3, "log", 0, b"one"), pwrite(3, "log", 600, b"far"), pwrite(3, "log", 3, b"two")];
    let model = model(&[named(), writes.to_vec()].concat());
    assert_eq!(files(&left(&model, &[(5, Fate::Kept)])), [("log", &b"onetwo"[..])]);
}

#[test]
fn a_file_is_cut_off_before_it_is_written_anew() {
    let lines = [
        named(),
        vec![
            pwrite(3, "log", 0, b"old contents"),
            sync(3, "log"),
            opened(5, "log", "O_WRONLY|O_TRUNC"),
            write(5, "log", b"new"),
        ],
    ];
    let model = model(&lines.concat());
    assert_eq!(files(&left(&model, &[])), [("log", &b"old contents"[..])]);
    assert_eq!(files(&left(&model, &[(5, Fate::Kept)])), [("log", &b""[..])]);
    assert_eq!(files(&left(&model, &[(6, Fate::Kept)])), [("log", &b"new"[..])]);
}

#[test]
fn a_rename_is_there_or_not() {
    let head = [
        named(),
        vec![
            folder("in"),
            made(5, "in/new"),
            sync(4, ""),
            opened(6, "in", "O_RDONLY"),
            sync(6, "in"),
        ],
        vec![renamed("in/new", "log")],
    ];
    let before = model(&head.concat());
    assert_eq!(files(&left(&before, &[])), [("in/new", &b""[..]), ("log", b"")]);
    assert_eq!(files(&left(&before, &[(8, Fate::Kept)])), [("log", &b""[..])]);
    let synced = model(&[head.concat(), vec![sync(6, "in")]].concat());
    assert_eq!(files(&left(&synced, &[])), [("log", &b""[..])]);
}

#[test]
fn a_removed_file_may_be_there_and_a_name_is_given_once() {
    let model =
        model(&[named(), vec![removed("log"), made(5, "log"), write(5, "log", b"2")]].concat());
    assert_eq!(files(&left(&model, &[(5, Fate::Kept)])), [("log", &b""[..])]);
    assert_eq!(files(&left(&model, &[(3, Fate::Kept)])), []);
    let all = [(3, Fate::Kept), (4, Fate::Kept), (5, Fate::Kept)];
    assert_eq!(files(&left(&model, &all)), [("log", &b"2"[..])]);
}

#[test]
fn a_cut_says_what_was_said_before_it() {
    let model = model(&[said("observed 1"), made(3, "log"), said("acknowledged 1")]);
    let words = |moment| Cut { moment, fates: [].into() }.words(&model);
    assert_eq!(words(2).len(), 1);
    assert_eq!(words(3).len(), 2);
}

proptest! {
    /// With all of it kept, it is the disk as the process saw it.
    #[test]
    fn all_that_was_written_is_what_was_written(
        writes in proptest::collection::vec((0_u64..3_000, 1_usize..900, any::<u8>(), any::<bool>()), 0..20),
    ) {
        let mut lines = named();
        let mut expected = Vec::new();
        for (at, length, byte, synced) in writes {
            let bytes = vec![byte; length];
            lines.push(pwrite(3, "log", at, &bytes));
            let at = usize::try_from(at).unwrap();
            expected.resize(expected.len().max(at + length), 0);
            expected[at..at + length].copy_from_slice(&bytes);
            lines.extend(synced.then(|| sync(3, "log")));
        }
        let model = model(&lines);
        let end = *model.moments().last().unwrap();
        let fates = model.pending(end).into_iter().map(|at| (at, Fate::Kept)).collect();
        let image = model.image(end, &fates);
        prop_assert_eq!(&image.0[&PathBuf::from("log")], &Node::File(expected));
        // What is dropped is no more than what was not synced.
        let Node::File(settled) = &left(&model, &[]).0[&PathBuf::from("log")] else { panic!("a file") };
        let pending = model.pending(end).len();
        prop_assert!(pending > 0 || *settled == expected_of(&image));
    }
}

fn expected_of(image: &Image) -> Vec<u8> {
    files(image)[0].1.to_vec()
}

fn open(
    fault: Option<LogFault>,
) -> impl Fn(&Path) -> Result<LogStore, mailtrail_core::store::OpenError> {
    move |folder| LogStore::open(folder, fault)
}

/// Do nothing unless a test below starts them in processes of their own.
mod children {
    use super::*;

    #[test]
    fn sound() {
        crate::crash::child(open(None));
    }

    #[test]
    fn acknowledges_before_sync() {
        crate::crash::child(open(Some(LogFault::AcknowledgedBeforeSync)));
    }

    #[test]
    fn folder_not_synced() {
        crate::crash::child(open(Some(LogFault::FolderNotSynced)));
    }

    #[test]
    fn torn_group_read() {
        crate::crash::child(open(Some(LogFault::TornGroupRead)));
    }
}

/// What the cuts find of the store that this child opens; nothing where there is no strace.
fn found(child: &str) -> Option<Found> {
    let parent = Parent::of(&format!("{}::children::{child}", module_path!()));
    let Some(strace) = strace() else {
        skipped(&format!("{}::{child}", module_path!()), "strace is not there");
        return None;
    };
    Some(find(&parent, &strace, &Limits::none(), &mut Places::seeded(11)))
}

#[test]
fn a_store_that_syncs_survives_a_power_cut() {
    let Some(found) = found("sound") else { return };
    assert!(found.kinds.is_empty(), "{}", found.scripts);
    assert_eq!(found.opened, 100);
}

#[test]
fn an_acknowledgement_before_the_sync_is_lost_in_a_power_cut() {
    let Some(found) = found("acknowledges_before_sync") else { return };
    assert!(found.kinds.keys().any(|(class, _)| *class == Class::Lost), "{found}");
    // Each group that was dropped is told, and nothing else.
    assert!(found.scripts.contains("bytes written to store/log at"), "{}", found.scripts);
    assert!(found.scripts.contains("is not there"), "{}", found.scripts);
}

#[test]
fn a_name_that_is_not_synced_is_lost_in_a_power_cut() {
    let Some(found) = found("folder_not_synced") else { return };
    assert!(found.kinds.keys().any(|(class, _)| *class == Class::Lost), "{found}");
    assert!(found.scripts.contains("not synced: store/log made: dropped"), "{}", found.scripts);
}

#[test]
fn a_part_of_a_group_is_told_after_a_power_cut() {
    let Some(found) = found("torn_group_read") else { return };
    assert!(found.kinds.keys().any(|(class, _)| *class == Class::Wrong), "{found}");
    // Which it is first depends on how the writers met: of a batch a part, or of a log that is cut once more at its next opening.
    let told = ["of the batch", "it is another log when opened again"];
    assert!(told.iter().any(|told| found.scripts.contains(told)), "{}", found.scripts);
}
