//! The names of files in the folder, as the process sees them.

use std::collections::HashMap;

use super::FileId;
use super::call::{Argument, Call};

/// Which file has which name.
#[derive(Debug)]
pub(super) struct Names {
    root: String,
    names: HashMap<(FileId, String), FileId>,
}

/// The folder itself.
pub(super) const ROOT: FileId = FileId(0);

impl Names {
    /// In a folder that is empty.
    pub(super) fn within(root: &str) -> Self {
        Self { root: root.to_owned(), names: HashMap::new() }
    }

    /// Gives a file this name, in the place of what had it.
    pub(super) fn give(&mut self, place: (FileId, String), file: FileId) {
        self.names.insert(place, file);
    }

    /// Takes a name away, and says which file had it.
    pub(super) fn take(&mut self, place: &(FileId, String)) -> Option<FileId> {
        self.names.remove(place)
    }

    /// The file that has this path.
    pub(super) fn find(&self, path: &str) -> Option<FileId> {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let named = |folder, name: &str| self.names.get(&(folder, name.to_owned())).copied();
        parts.try_fold(ROOT, named)
    }

    /// The folder that a path is in, and its name there.
    pub(super) fn place(&self, path: &str) -> Option<(FileId, String)> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        Some((self.find(folder)?, name.to_owned()))
    }

    /// The path in the folder that an argument names, or that argument and the folder before it.
    pub(super) fn path(&self, call: &Call, at: usize) -> Option<String> {
        let (folder, name) = match call.arguments.get(at)? {
            Argument::Text(name) => ("", name),
            Argument::Descriptor { number, path } => match call.arguments.get(at + 1) {
                Some(Argument::Text(name)) if call.takes_folder() => (path.as_str(), name),
                _ => return number.and_then(|_| self.below(path)),
            },
            _ => return None,
        };
        let name = String::from_utf8_lossy(name);
        let is_absolute = name.starts_with('/');
        self.below(&if is_absolute { name.into_owned() } else { format!("{folder}/{name}") })
    }

    /// A path in the folder; the folder's own is empty.
    pub(super) fn below(&self, path: &str) -> Option<String> {
        let mut parts: Vec<&str> = Vec::new();
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        let path = format!("/{}", parts.join("/"));
        let rest = path.strip_prefix(&self.root)?;
        if rest.is_empty() {
            Some(String::new())
        } else {
            rest.strip_prefix('/').map(str::to_owned)
        }
    }
}

impl Call {
    /// Whether its names are relative to a folder that is given, too: `openat`, `renameat2`.
    fn takes_folder(&self) -> bool {
        self.name.ends_with("at") || self.name.ends_with("at2")
    }
}
