//! Lines of strace, and what is read off them.

use super::lines::{ROOT, folder, hex, made, opened, pwrite, removed, renamed, said, sync, write};
use super::*;

fn read(lines: &[String]) -> Result<Vec<What>, TraceError> {
    let recording = Recording::read(&lines.concat(), ROOT, &["index-shm"])?;
    Ok(recording.operations.into_iter().map(|operation| operation.what).collect())
}

fn writes(lines: &[String]) -> Vec<(u64, Vec<u8>)> {
    let written = |what| match what {
        What::Write { at, bytes, .. } => Some((at, bytes)),
        _ => None,
    };
    read(lines).unwrap().into_iter().filter_map(written).collect()
}

fn path(name: &str) -> String {
    hex(format!("{ROOT}/{name}"))
}

#[test]
fn a_name_a_write_and_a_sync_are_seen() {
    let (root, log) = (FileId(0), FileId(1));
    let lines =
        [made(3, "log"), pwrite(3, "log", 7, b"\x00)\",<"), sync(3, "log"), said("observed 4")];
    assert_eq!(
        read(&lines).unwrap(),
        [
            What::Link { folder: root, name: "log".into(), file: log },
            What::Write { file: log, at: 7, bytes: b"\x00)\",<".into() },
            What::Sync { file: log },
            What::Say(Said::Observed(4)),
        ]
    );
}

#[test]
fn a_call_that_is_interrupted_by_another_is_one() {
    let bytes = hex("one");
    let begun = format!("7 write(3<{}>, \"{bytes}\", 3 <unfinished ...>\n", path("log"));
    let rest = "7 <... write resumed>)     = 3\n".to_owned();
    let lines = [made(3, "log"), begun, said("acknowledged 1"), rest].concat();
    let recording = Recording::read(&lines, ROOT, &[]).unwrap();
    let [_, word, written] = &recording.operations[..] else { panic!("{recording:?}") };
    assert_eq!((word.began, word.ended), (2, 2));
    assert_eq!((written.began, written.ended), (1, 3));
    assert!(matches!(&written.what, What::Write { at: 0, bytes, .. } if bytes == b"one"));
    assert_eq!(written.path, "log");
}

#[test]
fn a_write_goes_to_where_the_last_one_ended() {
    let three = |text: &str| write(3, "log", text.as_bytes());
    let cloned = format!("7 dup(3<{0}>) = 4<{0}>\n", path("log"));
    let moved = format!("7 lseek(4<{}>, 1, SEEK_SET) = 1\n", path("log"));
    let read = format!("7 read(3<{}>, \"{}\", 10) = 2\n", path("log"), hex("ef"));
    let lines =
        [made(3, "log"), three("abc"), cloned, write(4, "log", b"def"), moved, read, three("x")];
    let expected = [(0, b"abc".to_vec()), (3, b"def".to_vec()), (3, b"x".to_vec())];
    assert_eq!(writes(&lines), expected);
}

#[test]
fn an_appending_write_goes_to_the_end() {
    let append = |number| opened(number, "log", "O_WRONLY|O_CREAT|O_APPEND|O_CLOEXEC");
    let lines = [append(3), append(4), write(3, "log", b"abc"), write(4, "log", b"de")];
    assert_eq!(writes(&lines), [(0, b"abc".to_vec()), (3, b"de".to_vec())]);
}

#[test]
fn buffers_are_joined_and_a_short_write_is_short() {
    let (one, two, log) = (hex("ab"), hex("cd"), path("log"));
    let buffers = format!("[{{iov_base=\"{one}\", iov_len=2}}, {{iov_base=\"{two}\", iov_len=2}}]");
    let lines = [
        made(3, "log"),
        format!("7 writev(3<{log}>, {buffers}, 2) = 3\n"),
        format!("7 pwritev2(3<{log}>, {buffers}, 2, 8, RWF_DSYNC) = 4\n"),
    ];
    assert_eq!(writes(&lines), [(0, b"abc".to_vec()), (8, b"abcd".to_vec())]);
    assert!(matches!(read(&lines).unwrap().last(), Some(What::Sync { .. })));
}

#[test]
fn a_file_is_the_same_whatever_its_name() {
    let gone = format!("7 pwrite64(3<{}>(deleted), \"{}\", 1, 0) = 1\n", path("new"), hex("z"));
    let lines = [
        folder("in"),
        made(3, "in/old"),
        renamed("in/old", "new"),
        removed("new"),
        gone,
        made(4, "in/old"),
    ];
    let [.., unlinked, written, linked] = &read(&lines).unwrap()[..] else { panic!("six") };
    assert!(matches!(unlinked, What::Unlink { file: FileId(2), .. }));
    assert!(matches!(written, What::Write { file: FileId(2), .. }));
    assert!(matches!(linked, What::Link { folder: FileId(1), file: FileId(3), .. }));
}

#[test]
fn a_size_that_is_set_is_seen() {
    let cut = |size: u64| format!("7 ftruncate(3<{}>, {size}) = 0\n", path("log"));
    let room = |mode: &str, from: u64, length: u64| {
        format!("7 fallocate(3<{}>, {mode}, {from}, {length}) = 0\n", path("log"))
    };
    let sizes = |lines: &[String]| {
        let size = |what| match what {
            What::Resize { size, .. } => Some(size),
            _ => None,
        };
        read(lines).map(|all| all.into_iter().filter_map(size).collect::<Vec<_>>())
    };
    let lines = [
        made(3, "log"),
        cut(9),
        room("0", 4, 4),
        room("0", 8, 4),
        room("FALLOC_FL_KEEP_SIZE", 0, 99),
        opened(4, "log", "O_RDWR|O_TRUNC"),
        opened(4, "log", "O_RDWR|O_TRUNC"),
    ];
    assert_eq!(sizes(&lines).unwrap(), [9, 12, 0]);
    let hole = room("FALLOC_FL_KEEP_SIZE|FALLOC_FL_PUNCH_HOLE", 0, 4);
    assert!(matches!(sizes(&[made(3, "log"), hole]), Err(TraceError::Unknown { .. })));
}

#[test]
fn what_is_elsewhere_or_failed_is_nothing() {
    let (there, log) = (hex("/disk2/log"), path("log"));
    let lines = [
        format!(
            "7 openat(AT_FDCWD<{}>, \"{there}\", O_RDWR|O_CREAT, 0644) = 3<{there}>\n",
            hex("/")
        ),
        format!("7 write(3<{there}>, \"{}\", 1) = 1\n", hex("a")),
        format!("7 unlink(\"{log}\") = -1 ENOENT (No such file or directory)\n"),
        format!("7 link(\"{log}\", \"{log}\") = -1 ENOENT (No such file or directory)\n"),
        "7 --- SIGCHLD {si_signo=SIGCHLD} ---\n7 +++ exited with 0 +++\n".to_owned(),
    ];
    assert_eq!(read(&lines), Ok(Vec::new()));
}

#[test]
fn what_the_recorder_does_not_know_fails() {
    let log = path("log");
    let shared = |name: &str| {
        format!(
            "7 mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 3<{}>, 0) = 0x7f00\n",
            path(name)
        )
    };
    let unknown = [
        format!("7 link(\"{log}\", \"{}\") = 0\n", path("log2")),
        format!("7 copy_file_range(3<{log}>, NULL, 4<{log}>, NULL, 9, 0) = 9\n"),
        format!("7 truncate(\"{log}\", 4) = 0\n"),
        format!("7 ioctl(3<{log}>, FICLONE, 4) = 0\n"),
        format!("7 write(9<{log}>, \"{}\", 1) = 1\n", hex("a")),
        "7 io_uring_setup(8, {flags=0}) = 5\n".to_owned(),
    ];
    for line in unknown {
        let error = read(&[made(3, "log"), line.clone()]).unwrap_err();
        assert!(matches!(error, TraceError::Unknown { .. }), "{line}: {error}");
    }
    let mapped = read(&[made(3, "log"), shared("log")]).unwrap_err();
    assert_eq!(mapped, TraceError::Mapped { path: "log".into() });
    assert!(read(&[made(3, "index-shm"), shared("index-shm")]).is_ok(), "as is stated");
    let private = shared("log").replace("MAP_SHARED", "MAP_PRIVATE");
    assert!(read(&[made(3, "log"), private]).is_ok());
    let cut = write(3, "log", b"abc").replace("\", 3)", "\"..., 3)");
    let cut = read(&[made(3, "log"), cut]).unwrap_err();
    assert!(matches!(cut, TraceError::Unreadable { line: 2, .. }), "{cut}");
}
