//! The one recorder: what a process did to the files of a folder, read off a trace of its system calls, and what it said
//! meanwhile.
//!
//! It sees each call that may change a file. One that it doesn't know, and a shared writable mapping, whose writes are no
//! calls, make the recording fail: it never leaves out what it can't tell.

mod call;
mod follow;
mod names;

#[cfg(test)]
pub(super) mod lines;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use super::child::Said;
use call::calls;
use follow::Follower;

/// What was done, in order, and to which files.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) operations: Vec<Operation>,
    /// Which of them are folders.
    pub(super) folders: HashSet<FileId>,
    /// The files that were mapped, as is stated: nobody knows what is in them.
    pub(super) mapped: Vec<FileId>,
}

/// A file or a folder, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FileId(pub(super) usize);

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation {
    /// When it began: the line of the trace.
    pub(super) began: usize,
    /// When it had ended.
    pub(super) ended: usize,
    /// The path of what it was done to, for people; empty for none.
    pub(super) path: String,
    pub(super) what: What,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// Bytes were written to a file.
    Write { file: FileId, at: u64, bytes: Vec<u8> },
    /// A file was cut off, or made longer by zeros.
    Resize { file: FileId, size: u64 },
    /// A file or a folder was made.
    Link { folder: FileId, name: String, file: FileId },
    /// A file or a folder was removed.
    Unlink { folder: FileId, name: String, file: FileId },
    /// A file or a folder got another name, in the place of what had it.
    Rename { from: (FileId, String), to: (FileId, String), file: FileId },
    /// `fsync` or `fdatasync` of a file or a folder.
    Sync { file: FileId },
    /// `sync`: everything.
    SyncAll,
    /// A word of the process.
    Say(Said),
}

/// Why a recording says nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TraceError {
    #[error("line {line} of the trace can't be read: {text}")]
    Unreadable { line: usize, text: String },
    #[error("the recorder doesn't know what this does to {path}: {call}")]
    Unknown { call: String, path: String },
    #[error("{path} is mapped shared and writable: its writes can't be seen")]
    Mapped { path: String },
}

/// The calls that are traced: all that may change a file, or the place where the next write goes to.
const CALLS: &str = "--trace=open,openat,openat2,creat,read,readv,write,writev,pwrite64,pwritev,pwritev2,lseek,\
     truncate,ftruncate,fallocate,copy_file_range,sendfile,splice,ioctl,rename,renameat,renameat2,link,linkat,symlink,\
     symlinkat,mknod,mknodat,unlink,unlinkat,mkdir,mkdirat,rmdir,mmap,fsync,fdatasync,sync,syncfs,dup,dup2,dup3,fcntl,\
     io_setup,io_uring_setup";

/// The strace command and its arguments, which come before those of the program: it writes into a file.
pub(super) fn wrapper(strace: &str, trace: &Path) -> Vec<String> {
    let trace = trace.to_string_lossy();
    [strace, "-f", "-yy", "-xx", "-s", "268435456", "--seccomp-bpf", CALLS, "-o", &trace]
        .map(str::to_owned)
        .into()
}

impl Recording {
    /// Reads the trace of a process that worked in a folder, which was empty. Files of these names may be mapped.
    pub(super) fn read(trace: &str, root: &str, mapped: &[&str]) -> Result<Self, TraceError> {
        let mut follower = Follower::new(root, mapped);
        for call in calls(trace)? {
            follower.call(call)?;
        }
        Ok(follower.finish())
    }
}

/// The strace that may be used; none where there is none.
pub(super) fn strace() -> Option<String> {
    if let Some(path) = std::env::var_os("MAILTRAIL_STRACE") {
        return path.into_string().ok();
    }
    let found = Command::new("strace").arg("-V").output();
    found.is_ok_and(|output| output.status.success()).then(|| "strace".to_owned())
}
