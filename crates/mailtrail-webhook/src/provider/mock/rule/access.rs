//! A secret that the provider was given: it proves nothing of the body.

use data_encoding::BASE64;

use super::{Posted, Rule, Signing};
use crate::Secret;
use crate::provider::mock::Spoil;
use crate::provider::mock::document::Document;
use crate::provider::{Access, Account, KeyError, Refused};

/// Where the secret is shown.
#[derive(Debug)]
pub(super) enum Shown {
    /// As the user and password of the URL.
    AsBasic,
    /// As a parameter of its query.
    InQuery,
}

impl Rule for Shown {
    fn access(&self) -> Access {
        match self {
            Self::AsBasic => Access::new().credential(Secret::basic(USER, PASSWORD)),
            Self::InQuery => Access::new().query(PARAMETER, Secret::new(PASSWORD)),
        }
    }

    fn trust(&self, account: Account) -> Result<Account, KeyError> {
        Ok(account)
    }

    fn refusals(&self) -> Vec<(Spoil, Refused)> {
        let malformed = match self {
            Self::AsBasic => Some((Spoil::Malformed, Refused::MissingCredentials)),
            Self::InQuery => None,
        };
        let all = [
            (Spoil::Unsigned, Refused::MissingCredentials),
            (Spoil::WrongKey, Refused::WrongCredentials),
        ];
        all.into_iter().chain(malformed).collect()
    }

    fn sign(&self, document: &Document, signing: &Signing<'_>) -> Posted {
        let posted = Posted::new(document);
        let password = if signing.is(Spoil::WrongKey) { OTHER_PASSWORD } else { PASSWORD };
        match self {
            _ if signing.is(Spoil::Unsigned) => posted,
            Self::AsBasic if signing.is(Spoil::Malformed) => {
                posted.with(AUTHORIZATION, format!("Basic {}", super::NONE))
            }
            Self::AsBasic => {
                let shown = BASE64.encode(format!("{USER}:{password}").as_bytes());
                posted.with(AUTHORIZATION, format!("Basic {shown}"))
            }
            Self::InQuery => Posted { query: Some(format!("{PARAMETER}={password}")), ..posted },
        }
    }
}

const AUTHORIZATION: &str = "Authorization";
const PARAMETER: &str = "code";
const USER: &str = "mail";
const PASSWORD: &str = "trail";
const OTHER_PASSWORD: &str = "guessed";
