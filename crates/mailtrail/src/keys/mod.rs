//! The keys file: the secrets that sign tokens, beside the configuration, never in the store.

mod error;
mod file;
mod replace;
mod text;

use std::path::Path;

use mailtrail_core::token::Keys;

pub use error::KeysError;
pub use file::{KeyEntry, KeyState, KeysFile};

/// Reads `keys.toml`, or makes it with a fresh key on first use (mode 0600).
///
/// The first key that is not retired signs; all others verify, retired ones links only. [`KeysFile`] adds
/// and retires keys.
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
    KeysFile::at(path.as_ref()).keys()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_new_file_is_for_its_owner_only_and_a_bad_one_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        keys_file(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let bad = "[[key]]\nid = 1\nsecret = \"topsecret\"\n";
        fs::write(&path, bad).unwrap();
        let file = KeysFile::at(&path);
        let results =
            [keys_file(&path).map(|_| ()), file.add().map(|_| ()), file.retire(1).map(|_| ())];
        for result in results {
            let error = result.unwrap_err();
            assert!(!format!("{error} {error:?}").contains("topsecret"));
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), bad);
    }
}
