//! Secrets in a configuration: written there, or in files of their own.

use std::path::PathBuf;

use serde::Deserialize;

use crate::failure::Failure;

/// A secret: `"text"`, or `{ file = "/run/secrets/name" }`, whose line ends don't count.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum SecretText {
    Text(String),
    File { file: PathBuf },
}

impl SecretText {
    /// The secret itself.
    pub(crate) fn read(&self) -> Result<String, Failure> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File { file } => {
                let text = std::fs::read_to_string(file).map_err(|error| {
                    Failure::input(format!("the secret in {}: {error}", file.display()))
                })?;
                let text = text.trim_end_matches(['\r', '\n']).to_owned();
                if text.is_empty() {
                    return Err(Failure::data(format!("there is no secret in {}", file.display())));
                }
                Ok(text)
            }
        }
    }
}

impl From<&str> for SecretText {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for SecretText {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}
