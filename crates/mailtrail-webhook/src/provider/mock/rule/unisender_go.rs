//! Unisender Go: an MD5 of the body with the key in the place where that MD5 then stands.

use data_encoding::HEXLOWER;
use md5::{Digest as _, Md5};

use super::{NONE, OF_ALL, OTHER_BODY, OTHER_KEY, OWN_KEY, Posted, Rule, Signing};
use crate::provider::mock::Spoil;
use crate::provider::mock::document::{Document, flip, put};
use crate::provider::{Account, KeyError, Refused};

/// Signs in the member `auth`.
#[derive(Debug)]
pub(super) struct UnisenderGo;

impl Rule for UnisenderGo {
    fn trust(&self, account: Account) -> Result<Account, KeyError> {
        account.signing_key(&String::from_utf8_lossy(OWN_KEY))
    }

    fn refusals(&self) -> Vec<(Spoil, Refused)> {
        OF_ALL.to_vec()
    }

    fn sign(&self, document: &Document, signing: &Signing<'_>) -> Posted {
        let secret = if signing.is(Spoil::WrongKey) { OTHER_KEY } else { OWN_KEY };
        let with = |auth: &str| {
            let mut document = document.clone();
            put(&mut document.value, "auth", auth.into());
            document
        };
        let signed = with(&String::from_utf8_lossy(secret)).bytes();
        let signed = if signing.is(Spoil::Borrowed) { OTHER_BODY } else { &signed };
        let digest = HEXLOWER.encode(&Md5::digest(signed));
        let mut posted = Posted::new(&match signing.spoil {
            Some(Spoil::Unsigned) => with(""),
            Some(Spoil::Malformed) => with(NONE),
            _ => with(&digest),
        });
        if signing.is(Spoil::Changed) {
            flip(&mut posted.body);
        }
        posted
    }
}
