//! The keys file: the secrets that sign tokens, beside the configuration, never in the store.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use mailtrail_core::token::{Key, Keys};
use serde::{Deserialize, Serialize};

/// Reads `keys.toml`, or makes it with a fresh key on first use (mode 0600).
///
/// The first key that is not retired signs; all others verify, retired ones links only.
///
/// # Errors
/// [`KeysError`] says what is wrong with the file. A file that can't be read is never replaced.
///
/// # Example
/// ```
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("keys.toml");
/// let first = mailtrail::keys_file(&path)?;
/// let again = mailtrail::keys_file(&path)?;
/// # use mailtrail::core::{token::Purpose, DeliveryId};
/// let delivery = DeliveryId::from_bytes([1; 16]);
/// let token = first.sign(Purpose::Open, delivery);
/// assert_eq!(again.verify(Purpose::Open, &token)?.delivery, delivery);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn keys_file(path: impl AsRef<Path>) -> Result<Keys, KeysError> {
    let path = path.as_ref();
    match fs::read_to_string(path) {
        Ok(text) => parse(&text, path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path),
        Err(cause) => Err(KeysError::Io { path: path.into(), cause }),
    }
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The file can't be read or made.
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
    /// The operating system gives no randomness.
    #[error("no randomness for a new key")]
    Random(#[source] getrandom::Error),
}

#[derive(Serialize, Deserialize)]
struct File {
    key: Vec<FileKey>,
}

#[derive(Serialize, Deserialize)]
struct FileKey {
    id: u8,
    secret: String,
    #[serde(default)]
    retired: bool,
}

fn parse(text: &str, path: &Path) -> Result<Keys, KeysError> {
    let invalid = |what| KeysError::Invalid { path: path.into(), what };
    // The parser's own message quotes the line, and the line holds the secret.
    let file: File = toml::from_str(text)
        .map_err(|_| invalid("it is not a list of [[key]] with id and secret"))?;
    let mut signing = None;
    let mut others = Vec::new();
    let mut ids = std::collections::HashSet::new();
    for key in file.key {
        let bytes = HEXLOWER.decode(key.secret.as_bytes()).ok();
        let secret: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
        let secret = secret.ok_or_else(|| invalid("a secret is 64 hexadecimal digits"))?;
        if !ids.insert(key.id) {
            return Err(invalid("two keys have the same id"));
        }
        match (key.retired, &signing) {
            (true, _) => others.push(Key::new(key.id, secret).retired()),
            (false, None) => signing = Some(Key::new(key.id, secret)),
            (false, Some(_)) => others.push(Key::new(key.id, secret)),
        }
    }
    let signing = signing.ok_or_else(|| invalid("no key signs: all are retired"))?;
    Ok(others.into_iter().fold(Keys::new(signing), Keys::and))
}

fn create(path: &Path) -> Result<Keys, KeysError> {
    let io = |cause| KeysError::Io { path: path.into(), cause };
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(KeysError::Random)?;
    let text = format!("[[key]]\nid = 1\nsecret = \"{}\"\n", HEXLOWER.encode(&secret));
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if let Err(cause) = written {
        // Half a file would be taken for a damaged one, which is never replaced.
        fs::remove_file(path).ok();
        return Err(io(cause));
    }
    Ok(Keys::new(Key::new(1, secret)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_new_file_is_for_its_owner_only_and_a_bad_one_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        keys_file(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let bad = "[[key]]\nid = 1\nsecret = \"topsecret\"\n";
        fs::write(&path, bad).unwrap();
        let error = keys_file(&path).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("topsecret"));
        assert_eq!(fs::read_to_string(&path).unwrap(), bad);
    }
}
