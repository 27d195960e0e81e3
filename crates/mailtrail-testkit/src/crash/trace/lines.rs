//! Lines as strace writes them, for tests.

use std::fmt::Write as _;

/// The folder that is watched.
pub(in crate::crash) const ROOT: &str = "/disk";

pub(in crate::crash) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().fold(String::new(), |mut text, byte| {
        write!(text, "\\x{byte:02x}").unwrap();
        text
    })
}

fn path(name: &str) -> String {
    if name.is_empty() { hex(ROOT) } else { hex(format!("{ROOT}/{name}")) }
}

/// A file is made, and opened as this descriptor.
pub(in crate::crash) fn made(descriptor: u32, name: &str) -> String {
    opened(descriptor, name, "O_RDWR|O_CREAT|O_CLOEXEC")
}

pub(in crate::crash) fn opened(descriptor: u32, name: &str, flags: &str) -> String {
    let (path, cwd) = (path(name), hex("/tmp"));
    format!("7 openat(AT_FDCWD<{cwd}>, \"{path}\", {flags}, 0644) = {descriptor}<{path}>\n")
}

pub(in crate::crash) fn pwrite(descriptor: u32, name: &str, at: u64, bytes: &[u8]) -> String {
    let (path, length) = (path(name), bytes.len());
    format!("7 pwrite64({descriptor}<{path}>, \"{}\", {length}, {at}) = {length}\n", hex(bytes))
}

pub(in crate::crash) fn write(descriptor: u32, name: &str, bytes: &[u8]) -> String {
    let (path, length) = (path(name), bytes.len());
    format!("7 write({descriptor}<{path}>, \"{}\", {length}) = {length}\n", hex(bytes))
}

pub(in crate::crash) fn sync(descriptor: u32, name: &str) -> String {
    format!("7 fdatasync({descriptor}<{}>) = 0\n", path(name))
}

pub(in crate::crash) fn renamed(from: &str, to: &str) -> String {
    format!("7 rename(\"{}\", \"{}\") = 0\n", path(from), path(to))
}

pub(in crate::crash) fn removed(name: &str) -> String {
    format!("7 unlink(\"{}\") = 0\n", path(name))
}

pub(in crate::crash) fn folder(name: &str) -> String {
    format!("7 mkdir(\"{}\", 0777) = 0\n", path(name))
}

pub(in crate::crash) fn said(word: &str) -> String {
    let text = format!("\n{word}\n");
    let (pipe, length) = (hex("pipe:[1]"), text.len());
    format!("8  write(1<{pipe}>, \"{}\", {length}) = {length}\n", hex(text))
}
