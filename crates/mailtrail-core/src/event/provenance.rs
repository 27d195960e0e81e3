//! How far a fact is trusted, and who read it.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::token::SeenIn;

/// How a fact was authenticated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Authenticity {
    /// We saw it ourselves.
    Observed,
    /// By a signature over the request.
    Signed {
        /// The key that verified it.
        key_id: Arc<str>,
    },
    /// By a token of ours.
    Token {
        /// The key that verified it.
        key_id: u8,
        /// Where the token was.
        seen_in: SeenIn,
    },
    /// By a secret that the request carried.
    SharedSecret,
    /// By the address that it came from.
    Ip,
    /// Not at all.
    #[default]
    None,
}

impl Authenticity {
    /// Whether an automatic block may follow from it: a token that is merely quoted proves nothing.
    pub fn is_authenticated(&self) -> bool {
        match self {
            Self::Observed | Self::Signed { .. } | Self::SharedSecret => true,
            Self::Token { seen_in, .. } => *seen_in != SeenIn::Quoted,
            Self::Ip | Self::None => false,
        }
    }
}

/// Where a fact's credibility comes from: its authenticity, and the rule that read it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Provenance {
    /// How it was authenticated.
    pub authenticity: Authenticity,
    /// The rule that read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Box<str>>,
    /// The version of the rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules_version: Option<Cow<'static, str>>,
}

impl Provenance {
    /// What we saw ourselves.
    pub fn observed() -> Self {
        Self::of(Authenticity::Observed)
    }

    /// Authenticated like this, read by no rule that has a name.
    pub fn of(authenticity: Authenticity) -> Self {
        Self { authenticity, rule: None, rules_version: None }
    }
}
