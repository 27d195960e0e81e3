//! Why there are no keys, or no others.

use std::io;
use std::path::PathBuf;

/// Why there are no keys, or why they were not changed. The file is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The file can't be read, made or replaced.
    #[error("the keys file {} can't be read or made", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
    /// The file is not what it should be.
    #[error("the keys file {} is not valid: {what}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong; never a secret.
        what: &'static str,
    },
    /// No key has this id: look at those that there are.
    #[error("no key has the id {id}")]
    UnknownId {
        /// The id.
        id: u8,
    },
    /// Without it nothing could be signed: add a key first.
    #[error("key {id} is the last that signs: add another first")]
    LastKey {
        /// The id.
        id: u8,
    },
    /// Every id is taken.
    #[error("there are 256 keys, and there is no id for another")]
    NoIdLeft,
    /// The operating system gives no randomness.
    #[error("no randomness for a new key")]
    Random(#[source] getrandom::Error),
}
