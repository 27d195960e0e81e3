//! Rules as data: read once, checked, and compiled into one matcher.

use mailtrail_core::diagnosis::Fault;
use mailtrail_core::reason::Reason;
use serde::Deserialize;

/// A file of rules.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RulesFile {
    pub(crate) version: String,
    pub(crate) sequence: u64,
    pub(crate) rule: Vec<Rule>,
}

/// One rule: any of its fragments in the text gives its reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) text: Vec<String>,
    pub(crate) reason: Reason,
    pub(crate) fault: Option<Fault>,
    pub(crate) over: Option<Over>,
    /// Where servers are known to say so: for people.
    #[serde(rename = "source")]
    _source: String,
}

/// What a text goes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Over {
    /// The enhanced code.
    Code,
}

impl RulesFile {
    pub(crate) fn parse(text: &str) -> Result<Self, RulesError> {
        let rules: Self = toml::from_str(text).map_err(RulesError::Syntax)?;
        for rule in &rules.rule {
            let name = || rule.name.clone();
            if rule.reason == Reason::Foreign {
                return Err(RulesError::UnknownReason { rule: name() });
            }
            let normal = |text: &String| crate::classifier::normalise(text) == *text;
            if rule.text.is_empty() || !rule.text.iter().all(normal) {
                return Err(RulesError::Fragment { rule: name() });
            }
        }
        Ok(rules)
    }
}

/// Why a file of rules can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// It is not TOML of the right shape.
    #[error("the rules are not valid")]
    Syntax(#[source] toml::de::Error),
    /// A reason has no such name.
    #[error("rule {rule} names a reason that does not exist")]
    UnknownReason {
        /// The rule.
        rule: String,
    },
    /// A fragment could never match.
    #[error("rule {rule} has no fragments, or one that is not in lower case with single spaces")]
    Fragment {
        /// The rule.
        rule: String,
    },
    /// The fragments are too many for one matcher.
    #[error("the rules are too many for one matcher")]
    Matcher(#[source] aho_corasick::BuildError),
}
