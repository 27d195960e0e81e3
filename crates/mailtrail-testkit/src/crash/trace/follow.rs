//! Follows names and descriptors through the calls, so that each operation is on a file, whatever it is called by then.

use std::collections::{HashMap, HashSet};

use super::call::{Argument, Call};
use super::names::{Names, ROOT};
use super::{FileId, Operation, Recording, TraceError, What};
use crate::crash::child::Said;

/// What is known while the trace is read.
#[derive(Debug)]
pub(super) struct Follower {
    names: Names,
    mappable: Vec<String>,
    /// By file: its size.
    sizes: Vec<u64>,
    /// By number: which of the openings it stands for.
    descriptors: HashMap<u64, usize>,
    openings: Vec<Opening>,
    operations: Vec<Operation>,
    folders: HashSet<FileId>,
    mapped: Vec<FileId>,
}

/// A file that was opened; descriptors may share it.
#[derive(Debug, Clone, Copy)]
struct Opening {
    file: FileId,
    offset: u64,
    appends: bool,
    /// Each write is a sync, too.
    syncs: bool,
}

impl Follower {
    pub(super) fn new(root: &str, mapped: &[&str]) -> Self {
        Self {
            names: Names::within(root),
            mappable: mapped.iter().map(|name| (*name).to_owned()).collect(),
            sizes: vec![0],
            descriptors: HashMap::new(),
            openings: Vec::new(),
            operations: Vec::new(),
            folders: HashSet::from([ROOT]),
            mapped: Vec::new(),
        }
    }

    pub(super) fn finish(self) -> Recording {
        Recording { operations: self.operations, folders: self.folders, mapped: self.mapped }
    }

    /// Takes the next call.
    pub(super) fn call(&mut self, call: Call) -> Result<(), TraceError> {
        match call.name.as_str() {
            "open" | "openat" => self.open(&call),
            "read" | "readv" => self.has_read(&call),
            "lseek" => self.seek(&call),
            "dup" | "dup2" | "dup3" | "fcntl" => self.duplicate(&call),
            "write" | "writev" | "pwrite64" | "pwritev" | "pwritev2" => self.write(call),
            "ftruncate" | "fallocate" => self.resize(&call),
            "rename" | "renameat" | "renameat2" => self.rename(&call),
            "unlink" | "unlinkat" | "rmdir" => self.unlink(&call),
            "mkdir" | "mkdirat" => self.make_folder(&call),
            "mmap" => self.map(&call),
            "fsync" | "fdatasync" => self.sync(&call),
            "sync" | "syncfs" => {
                self.note(&call, What::SyncAll);
                Ok(())
            }
            // What it writes later is in no trace, wherever it goes to.
            "io_setup" | "io_uring_setup" => Err(unknown(&call, "any file")),
            _ => self.refuse(&call),
        }
    }

    /// Any call that names something in the folder.
    fn refuse(&self, call: &Call) -> Result<(), TraceError> {
        if call.name == "ioctl" && call.word(1).is_some_and(|what| what.starts_with("TCGETS")) {
            return Ok(());
        }
        for argument in &call.arguments {
            let path = match argument {
                Argument::Text(path) => String::from_utf8_lossy(path).into_owned(),
                Argument::Descriptor { path, .. } => path.clone(),
                _ => continue,
            };
            if self.names.below(&path).is_some() {
                return Err(unknown(call, &path));
            }
        }
        Ok(())
    }

    fn open(&mut self, call: &Call) -> Result<(), TraceError> {
        let Some(path) = self.names.path(call, 0) else { return Ok(()) };
        let flags = call.arguments.iter().find_map(|argument| match argument {
            Argument::Word(flags) if flags.starts_with("O_") => Some(flags.split('|')),
            _ => None,
        });
        let flags: Vec<&str> = flags.into_iter().flatten().collect();
        let has = |flag| flags.contains(&flag);
        if has("O_TMPFILE") {
            return Err(unknown(call, &path));
        }
        let file = match self.names.find(&path) {
            Some(file) => file,
            None if has("O_CREAT") => self.link(call, &path)?,
            None => return Err(unknown(call, &path)),
        };
        if has("O_TRUNC") && self.sizes[file.0] > 0 {
            self.set_size(call, file, 0);
        }
        let (appends, syncs) = (has("O_APPEND"), has("O_SYNC") || has("O_DSYNC"));
        self.openings.push(Opening { file, offset: 0, appends, syncs });
        if let Argument::Descriptor { number: Some(number), .. } = call.result {
            self.descriptors.insert(number, self.openings.len() - 1);
        }
        Ok(())
    }

    fn has_read(&mut self, call: &Call) -> Result<(), TraceError> {
        if let (Some(opening), Some(read)) = (self.opening(call, 0)?, call.result.number()) {
            self.openings[opening].offset += read;
        }
        Ok(())
    }

    fn seek(&mut self, call: &Call) -> Result<(), TraceError> {
        if let (Some(opening), Some(offset)) = (self.opening(call, 0)?, call.result.number()) {
            self.openings[opening].offset = offset;
        }
        Ok(())
    }

    fn duplicate(&mut self, call: &Call) -> Result<(), TraceError> {
        if call.name == "fcntl" && !call.word(1).is_some_and(|what| what.starts_with("F_DUPFD")) {
            return Ok(());
        }
        let (opening, number) = match (self.opening(call, 0)?, &call.result) {
            (Some(opening), Argument::Descriptor { number: Some(number), .. }) => {
                (opening, *number)
            }
            _ => return Ok(()),
        };
        self.descriptors.insert(number, opening);
        Ok(())
    }

    fn write(&mut self, call: Call) -> Result<(), TraceError> {
        let Some(opening) = self.opening(&call, 0)? else {
            self.say(&call);
            return Ok(());
        };
        let written = call.result.number().unwrap_or(0);
        let (began, ended) = (call.began, call.ended);
        let path = self.names.path(&call, 0).unwrap_or_default();
        let explicit = call.name.starts_with("pwrite").then(|| call.number(3)).flatten();
        let flags = call.word(4).unwrap_or_default().to_owned();
        let mut bytes = match call.arguments.into_iter().nth(1) {
            Some(Argument::Text(bytes)) => bytes,
            Some(Argument::Texts(buffers)) => buffers.concat(),
            _ => Vec::new(),
        };
        bytes.truncate(usize::try_from(written).unwrap_or(usize::MAX));
        let Opening { file, offset, appends, syncs } = self.openings[opening];
        let size = self.sizes[file.0];
        // Linux appends also what is written to an offset.
        let at = if appends { size } else { explicit.unwrap_or(offset) };
        let end = at + written;
        if explicit.is_none() {
            self.openings[opening].offset = end;
        }
        self.sizes[file.0] = size.max(end);
        let what = What::Write { file, at, bytes };
        self.operations.push(Operation { began, ended, path: path.clone(), what });
        if syncs || flags.contains("SYNC") {
            // It follows the write, so that this one is among those that it settles.
            self.operations.push(Operation {
                began: ended,
                ended,
                path,
                what: What::Sync { file },
            });
        }
        Ok(())
    }

    /// What goes to the process's output.
    fn say(&mut self, call: &Call) {
        let to = call.arguments.first();
        if !matches!(to, Some(Argument::Descriptor { number: Some(1), .. })) {
            return;
        }
        let Some(Argument::Text(text)) = call.arguments.get(1) else { return };
        for said in String::from_utf8_lossy(text).lines().filter_map(Said::read) {
            self.note(call, What::Say(said));
        }
    }

    fn resize(&mut self, call: &Call) -> Result<(), TraceError> {
        let Some(opening) = self.opening(call, 0)? else { return Ok(()) };
        let file = self.openings[opening].file;
        if call.name == "ftruncate" {
            let size = call.number(1).unwrap_or(0);
            self.set_size(call, file, size);
            return Ok(());
        }
        let (from, length) = (call.number(2).unwrap_or(0), call.number(3).unwrap_or(0));
        match (call.number(1), call.word(1)) {
            (Some(0), _) if from + length > self.sizes[file.0] => {
                self.set_size(call, file, from + length);
            }
            (Some(0), _) | (_, Some("FALLOC_FL_KEEP_SIZE")) => {}
            _ => return Err(unknown(call, &self.names.path(call, 0).unwrap_or_default())),
        }
        Ok(())
    }

    fn set_size(&mut self, call: &Call, file: FileId, size: u64) {
        self.sizes[file.0] = size;
        self.note(call, What::Resize { file, size });
    }

    fn rename(&mut self, call: &Call) -> Result<(), TraceError> {
        let second = if call.name == "rename" { 1 } else { 2 };
        let (from, to) = match (self.names.path(call, 0), self.names.path(call, second)) {
            (Some(from), Some(to)) => (from, to),
            (None, None) => return Ok(()),
            (from, to) => return Err(unknown(call, &from.or(to).unwrap_or_default())),
        };
        let swaps = call.arguments.iter().any(
            |argument| matches!(argument, Argument::Word(word) if word.contains("RENAME_EXCHANGE")),
        );
        let (Some(file), false) = (self.names.find(&from), swaps) else {
            return Err(unknown(call, &from));
        };
        let (from, to) = (self.place(call, &from)?, self.place(call, &to)?);
        self.names.take(&from);
        self.names.give(to.clone(), file);
        self.note(call, What::Rename { from, to, file });
        Ok(())
    }

    fn unlink(&mut self, call: &Call) -> Result<(), TraceError> {
        let Some(path) = self.names.path(call, 0) else { return Ok(()) };
        let (folder, name) = self.place(call, &path)?;
        let removed = self.names.take(&(folder, name.clone()));
        let file = removed.ok_or_else(|| unknown(call, &path))?;
        self.note(call, What::Unlink { folder, name, file });
        Ok(())
    }

    fn make_folder(&mut self, call: &Call) -> Result<(), TraceError> {
        if let Some(path) = self.names.path(call, 0) {
            let folder = self.link(call, &path)?;
            self.folders.insert(folder);
        }
        Ok(())
    }

    fn map(&mut self, call: &Call) -> Result<(), TraceError> {
        let has = |at, flag| call.word(at).is_some_and(|flags| flags.contains(flag));
        if !(has(2, "PROT_WRITE") && has(3, "MAP_SHARED")) {
            return Ok(());
        }
        let Some(opening) = self.opening(call, 4)? else { return Ok(()) };
        let file = self.openings[opening].file;
        let path = self.names.path(call, 4).unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default();
        if !self.mappable.iter().any(|mappable| mappable == name) {
            return Err(TraceError::Mapped { path });
        }
        self.mapped.push(file);
        Ok(())
    }

    fn sync(&mut self, call: &Call) -> Result<(), TraceError> {
        if let Some(opening) = self.opening(call, 0)? {
            let file = self.openings[opening].file;
            self.note(call, What::Sync { file });
        }
        Ok(())
    }

    /// Gives a new file or folder its name.
    fn link(&mut self, call: &Call, path: &str) -> Result<FileId, TraceError> {
        let (folder, name) = self.place(call, path)?;
        let file = FileId(self.sizes.len());
        self.sizes.push(0);
        self.names.give((folder, name.clone()), file);
        self.note(call, What::Link { folder, name, file });
        Ok(file)
    }

    fn note(&mut self, call: &Call, what: What) {
        let path = self.names.path(call, 0).unwrap_or_default();
        self.operations.push(Operation { began: call.began, ended: call.ended, path, what });
    }

    fn place(&self, call: &Call, path: &str) -> Result<(FileId, String), TraceError> {
        self.names.place(path).ok_or_else(|| unknown(call, path))
    }

    /// What a descriptor stands for; none if it is no file of the folder.
    fn opening(&self, call: &Call, at: usize) -> Result<Option<usize>, TraceError> {
        let Some(Argument::Descriptor { number: Some(number), path }) = call.arguments.get(at)
        else {
            return Ok(None);
        };
        if self.names.below(path).is_none() {
            return Ok(None);
        }
        let opening = self.descriptors.get(number).copied();
        opening.map(Some).ok_or_else(|| unknown(call, path))
    }
}

fn unknown(call: &Call, path: &str) -> TraceError {
    TraceError::Unknown { call: call.name.clone(), path: path.to_owned() }
}
