#![expect(clippy::arithmetic_side_effects, reason = "small numbers of a test")]

use std::collections::BTreeMap;
use std::path::Path;

use data_encoding::HEXLOWER;
use futures_executor::block_on;
use proptest::prelude::*;

use super::head::{Beginning, HEAD};
use super::tail::{Active, Tail};
use super::*;

fn small() -> Bounds {
    Bounds { bytes: 2_000, bodies: 6, ..Bounds::default() }
}

fn open(folder: &Path) -> FolderRaw {
    FolderRaw::bounded(folder.into(), small()).unwrap()
}

fn body(number: usize) -> Bytes {
    format!("the body of number {number}. ").repeat(1 + number % 9).into()
}

fn put(raw: &FolderRaw, bytes: Bytes) -> RawHash {
    block_on(raw.put(bytes)).unwrap()
}

fn read(raw: &FolderRaw, number: usize) -> Option<Bytes> {
    block_on(raw.read(RawHash::of(&body(number)))).unwrap()
}

fn at(nanoseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(nanoseconds)
}

/// Segments with the bodies of these numbers, each put at its number.
fn put_at(folder: &Path, numbers: std::ops::Range<usize>) {
    let shelf = Arc::new(Shelf::new(folder.into()));
    shelf.refresh().unwrap();
    let mut tail = Tail::new(shelf, small());
    for number in numbers {
        let of = [(RawHash::of(&body(number)), body(number))];
        tail.append(&of, i64::try_from(number).unwrap()).unwrap();
    }
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<_> =
        names.filter(|path| path.extension().is_some_and(|of| of == "bodies")).collect();
    names.sort();
    names
}

/// How many files of a folder hold these bytes.
fn holding(folder: &Path, bytes: &[u8]) -> usize {
    let files = fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    files.filter(|file| file.windows(bytes.len()).any(|window| window == bytes)).count()
}

#[test]
fn what_was_put_is_there_when_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    for turn in 0..3 {
        let raw = open(folder.path());
        for number in turn * 10..turn * 10 + 10 {
            put(&raw, body(number));
            assert_eq!(read(&raw, number), Some(body(number)));
        }
    }
    let raw = open(folder.path());
    assert!((0..30).all(|number| read(&raw, number) == Some(body(number))));
    assert_eq!(read(&raw, 30), None);
    // The last that was not full was gone on with.
    assert_eq!(segments(folder.path()).len(), 5);
}

#[test]
fn what_comes_together_is_written_together_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let raw = FolderRaw::open(folder.path()).unwrap();
    let puts = (0..200).map(|number| raw.put(body(number % 50)));
    block_on(futures_util::future::try_join_all(puts)).unwrap();
    block_on(raw.put(body(3))).unwrap();
    assert_eq!(raw.hashes().unwrap().len(), 50);
    assert_eq!(holding(folder.path(), b"number 3. "), 1);
}

#[test]
fn what_is_removed_is_in_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let raw = open(folder.path());
    let large = Bytes::from(vec![b'x'; writer::OWN_FILE + 1]);
    let mut hashes: Vec<_> = (0..20).map(|number| put(&raw, body(number))).collect();
    hashes.push(put(&raw, large.clone()));
    assert_eq!(holding(folder.path(), b"number 4. "), 1);
    let gone = [hashes[4], hashes[19], hashes[20], RawHash::of(b"never put")];
    assert_eq!(block_on(raw.remove(&gone)).unwrap(), 3);
    assert_eq!(block_on(raw.remove(&gone)).unwrap(), 0);
    for (number, hash) in hashes.iter().enumerate() {
        let there = block_on(raw.read(*hash)).unwrap();
        assert_eq!(there.is_none(), gone.contains(hash), "{number}");
    }
    for text in ["number 4. ", "number 19. ", "xxxx"] {
        assert_eq!(holding(folder.path(), text.as_bytes()), 0, "{text}");
    }
    put(&raw, body(4));
    drop(raw);
    assert_eq!(read(&open(folder.path()), 4), Some(body(4)));
}

#[test]
fn what_expires_is_in_no_file_and_takes_its_segment_with_it() {
    let folder = tempfile::tempdir().unwrap();
    put_at(folder.path(), 0..20);
    let before = segments(folder.path()).len();
    let raw = open(folder.path());
    assert_eq!(block_on(raw.expire(at(14))).unwrap(), 14);
    assert_eq!(block_on(raw.expire(at(14))).unwrap(), 0);
    for number in 0..20 {
        assert_eq!(read(&raw, number).is_some(), number >= 14);
        assert_eq!(
            holding(folder.path(), format!("number {number}. ").as_bytes()) > 0,
            number >= 14
        );
    }
    assert_eq!(segments(folder.path()).len(), before - 2, "two were of that age");
    assert_eq!(block_on(raw.expire(at(100))).unwrap(), 6);
    assert!(segments(folder.path()).is_empty());
}

#[test]
fn what_is_put_again_is_as_old_as_the_last_time() {
    let folder = tempfile::tempdir().unwrap();
    put_at(folder.path(), 0..10);
    let raw = open(folder.path());
    put(&raw, body(3));
    assert_eq!(block_on(raw.expire(at(1_000))).unwrap(), 9);
    assert_eq!(read(&raw, 3), Some(body(3)));
}

#[test]
fn files_of_their_own_are_read_removed_and_expired() {
    let folder = tempfile::tempdir().unwrap();
    let old: Vec<_> = (0..4).map(|number| RawHash::of(&body(number))).collect();
    for (number, hash) in old.iter().enumerate() {
        fs::write(folder.path().join(hash.to_string()), body(number)).unwrap();
    }
    let raw = open(folder.path());
    assert_eq!(read(&raw, 2), Some(body(2)));
    put(&raw, body(2));
    assert!(segments(folder.path()).is_empty(), "it is there");
    assert_eq!(block_on(raw.remove(&old[..2])).unwrap(), 2);
    fs::write(folder.path().join(old[3].to_string()), "something else").unwrap();
    assert!(matches!(block_on(raw.read(old[3])), Err(RawError::Corrupt { .. })));
    assert_eq!(block_on(raw.expire(DateTime::<Utc>::MAX_UTC)).unwrap(), 2);
    assert_eq!(read(&raw, 2), None);
}

#[test]
fn two_at_once_see_what_the_other_put_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (open(folder.path()), open(folder.path()));
    for number in 0..30 {
        put(if number % 2 == 0 { &one } else { &other }, body(number));
    }
    for number in 0..30 {
        assert_eq!(read(&one, number), Some(body(number)));
        assert_eq!(read(&other, number), Some(body(number)));
    }
    let hashes: Vec<_> = (0..30).map(|number| RawHash::of(&body(number))).collect();
    assert_eq!(block_on(one.remove(&hashes[..10])).unwrap(), 10);
    assert_eq!(block_on(other.expire(DateTime::<Utc>::MAX_UTC)).unwrap(), 20);
    assert!((0..30).all(|number| read(&one, number).is_none()));
    put(&other, body(5));
    assert_eq!(read(&one, 5), Some(body(5)));
}

#[test]
fn all_is_copied_to_another_folder() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (raw, copy) = (open(from.path()), open(to.path()));
    let hashes: Vec<_> = (0..15).map(|number| put(&raw, body(number))).collect();
    fs::write(from.path().join(RawHash::of(b"old").to_string()), "old").unwrap();
    block_on(raw.remove(&hashes[..1])).unwrap();
    put(&copy, body(3));
    assert_eq!(block_on(raw.copy_to(&copy)).unwrap(), 15);
    assert_eq!(copy.hashes().unwrap().len(), 15);
    assert!((1..15).all(|number| read(&copy, number) == Some(body(number))));
}

/// The bytes of a segment with four bodies, and where the last begins.
fn four(folder: &Path) -> (PathBuf, Vec<u8>, usize) {
    put_at(folder, 0..4);
    let path = segments(folder).remove(0);
    let bytes = fs::read(&path).unwrap();
    let last = usize::try_from(head::Head::room(u32::try_from(body(3).len()).unwrap())).unwrap();
    let start = bytes.len() - last;
    (path, bytes, start)
}

#[test]
fn what_was_being_written_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let (path, whole, last) = four(folder.path());
    // A power cut leaves a part, or zeros, or a part of a part.
    for end in last..whole.len() {
        for zeros in [false, true] {
            let mut bytes = whole[..end].to_vec();
            bytes.resize(if zeros { whole.len() + 100 } else { end }, 0);
            fs::write(&path, bytes).unwrap();
            let raw = open(folder.path());
            assert!((0..3).all(|number| read(&raw, number) == Some(body(number))), "{end}");
            put(&raw, body(3));
            assert_eq!(read(&raw, 3), Some(body(3)), "{end}");
            drop(raw);
            assert_eq!(read(&open(folder.path()), 3), Some(body(3)), "{end}");
        }
    }
}

#[test]
fn what_a_torn_group_left_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    {
        let mut tail = Tail::new(Arc::new(Shelf::new(folder.path().into())), small());
        let of = |number| (RawHash::of(&body(number)), body(number));
        tail.append(&[of(0)], 1).unwrap();
        tail.append(&[of(1), of(2)], 1).unwrap();
    }
    let path = segments(folder.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let first = usize::try_from(head::Head::room(u32::try_from(body(0).len()).unwrap())).unwrap();
    bytes[HEAD + first..HEAD + first + HEAD].fill(0);
    fs::write(&path, bytes).unwrap();
    let raw = open(folder.path());
    put(&raw, body(4));
    assert_eq!(read(&raw, 1), None);
    assert!([0, 2, 4].iter().all(|number| read(&raw, *number) == Some(body(*number))));
    assert_eq!(holding(folder.path(), b"number 1. "), 0);
}

#[test]
fn a_flipped_bit_is_the_same_body_or_damage_or_a_head_that_is_lost() {
    for numbers in [0..4, 0..7] {
        let folder = tempfile::tempdir().unwrap();
        put_at(folder.path(), numbers.clone());
        let path = segments(folder.path()).remove(0);
        let whole = fs::read(&path).unwrap();
        let sealed = numbers.end > 6;
        for byte in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[byte] ^= 1 << (byte % 8);
            fs::write(&path, bytes).unwrap();
            let raw = open(folder.path());
            let mut lost = 0;
            for number in 0..4 {
                match block_on(raw.read(RawHash::of(&body(number)))) {
                    Ok(Some(found)) => assert_eq!(found, body(number)),
                    Ok(None) => lost += 1,
                    Err(RawError::Corrupt { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            let allowed = usize::from(!sealed);
            assert!(lost <= allowed, "{byte}: {lost} are told to be not there");
        }
    }
}

#[test]
fn segments_of_format_1_never_change() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Arc::new(Shelf::new(folder.path().into()));
    let beginning = Beginning { salt: *b"sixteen of salt.", begun: 1_700_000_000_000_000_000 };
    let mut active = Active::create(&shelf, beginning).unwrap();
    for number in 0..3 {
        active.add(RawHash::of(&body(number)), &body(number), beginning.begun + 5).unwrap();
    }
    active.seal(&shelf).unwrap();
    let hex = HEXLOWER.encode(&fs::read(segments(folder.path()).remove(0)).unwrap());
    let golden =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format/1/segment.bodies.hex");
    if !golden.exists() {
        assert!(std::env::var_os("CI").is_none(), "the golden file is missing");
        fs::create_dir_all(golden.parent().unwrap()).unwrap();
        fs::write(&golden, &hex).unwrap();
    }
    assert_eq!(hex, fs::read_to_string(&golden).unwrap(), "it is a stored format");
    assert!((0..3).all(|number| read(&open(folder.path()), number) == Some(body(number))));
}

#[derive(Debug, Clone)]
enum Command {
    Put(usize),
    Remove(Vec<usize>),
    Read(usize),
    Reopen,
    Expire,
}

fn command() -> impl Strategy<Value = Command> {
    let number = 0_usize..12;
    prop_oneof![
        12 => number.clone().prop_map(Command::Put),
        3 => proptest::collection::vec(number.clone(), 0..4).prop_map(Command::Remove),
        4 => number.prop_map(Command::Read),
        2 => Just(Command::Reopen),
        1 => Just(Command::Expire),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_run_of_commands_gives_the_answers_of_a_map(
        commands in proptest::collection::vec((command(), any::<bool>()), 1..60)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut raw = [open(folder.path()), open(folder.path())];
        let mut model: BTreeMap<usize, Bytes> = BTreeMap::new();
        for (command, which) in commands {
            let raw_of = &raw[usize::from(which)];
            match command {
                Command::Put(number) => {
                    put(raw_of, body(number));
                    model.insert(number, body(number));
                }
                Command::Remove(mut numbers) => {
                    numbers.sort_unstable();
                    numbers.dedup();
                    let hashes: Vec<_> = numbers.iter().map(|number| RawHash::of(&body(*number))).collect();
                    let removed = block_on(raw_of.remove(&hashes)).unwrap();
                    let there = numbers.iter().filter(|number| model.remove(number).is_some()).count();
                    prop_assert_eq!(removed, u64::try_from(there).unwrap());
                }
                Command::Read(number) => prop_assert_eq!(read(raw_of, number), model.get(&number).cloned()),
                Command::Reopen => {
                    raw[usize::from(which)] = open(folder.path());
                }
                Command::Expire => {
                    block_on(raw_of.expire(DateTime::<Utc>::MAX_UTC)).unwrap();
                    model.clear();
                }
            }
        }
        for number in 0..12 {
            prop_assert_eq!(read(&raw[0], number), model.get(&number).cloned());
        }
    }
}
