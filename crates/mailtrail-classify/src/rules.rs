//! Rules as data: read once, checked, and compiled into one matcher.

use mailtrail_core::diagnosis::{EnhancedCode, Fault, ReplyCode};
use mailtrail_core::reason::Reason;
use serde::Deserialize;

use crate::example::Example;
use crate::fragments::FragmentsError;
use crate::normal::normal;

/// A file of rules.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RulesFile {
    pub(crate) version: String,
    /// Of ours it grows with every release; users' rules have none.
    #[serde(default)]
    pub(crate) sequence: u64,
    pub(crate) rule: Vec<Rule>,
    /// How texts are to be read: tried by `mailtrail rules test`.
    #[serde(default)]
    pub(crate) test: Vec<Example>,
}

/// A file that holds examples only.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExamplesFile {
    test: Vec<Example>,
}

pub(crate) fn examples(text: &str) -> Result<Vec<Example>, RulesError> {
    let file: ExamplesFile = toml::from_str(text).map_err(RulesError::Syntax)?;
    checked(&file.test)?;
    Ok(file.test)
}

fn checked(examples: &[Example]) -> Result<(), RulesError> {
    match examples.iter().find(|example| example.reason == Reason::Foreign) {
        Some(example) => Err(RulesError::UnknownReasonInTest { text: example.text.clone() }),
        None => Ok(()),
    }
}

/// One rule: where all of its conditions hold it gives its reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) text: Vec<String>,
    #[serde(default)]
    pub(crate) and: Vec<String>,
    #[serde(default)]
    pub(crate) not: Vec<String>,
    #[serde(default)]
    pub(crate) code: Vec<CodePattern>,
    #[serde(default)]
    pub(crate) host: Vec<String>,
    pub(crate) reason: Reason,
    pub(crate) fault: Option<Fault>,
    pub(crate) over: Option<Over>,
    /// Where servers are known to say so: for people.
    pub(crate) source: String,
}

/// What a text goes before.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Over {
    /// Any code.
    Any(AnyCode),
    /// These codes.
    Codes(Vec<CodePattern>),
}

/// The word for any code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AnyCode {
    Code,
}

/// A code of which parts may be anything: `5.1.1`, `x.7.x`, `550`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum CodePattern {
    Reply(ReplyCode),
    Enhanced([Option<u16>; 3]),
}

impl CodePattern {
    /// Whether one of a reply's codes is such a code.
    pub(crate) fn matches(self, reply: Option<ReplyCode>, enhanced: Option<EnhancedCode>) -> bool {
        match self {
            Self::Reply(code) => reply == Some(code),
            Self::Enhanced(parts) => enhanced.is_some_and(|code| {
                let own = [u16::from(code.class()), code.subject(), code.detail()];
                parts.iter().zip(own).all(|(part, own)| part.is_none_or(|part| part == own))
            }),
        }
    }
}

impl TryFrom<String> for CodePattern {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let reply = text.parse().ok().and_then(ReplyCode::new);
        if let Some(code) = reply {
            return Ok(Self::Reply(code));
        }
        let part = |part: &str| match part {
            "x" => Some(None),
            digits => digits.parse().ok().map(Some),
        };
        let parts: Option<Vec<Option<u16>>> = text.split('.').map(part).collect();
        let parts = parts.and_then(|parts| <[Option<u16>; 3]>::try_from(parts).ok());
        parts.map(Self::Enhanced).ok_or_else(|| {
            format!("{text} is no code: write 550, 5.1.1, or x for a part that may be anything")
        })
    }
}

impl RulesFile {
    pub(crate) fn parse(text: &str) -> Result<Self, RulesError> {
        let rules: Self = toml::from_str(text).map_err(RulesError::Syntax)?;
        for rule in &rules.rule {
            let name = || rule.name.clone();
            if rule.reason == Reason::Foreign {
                return Err(RulesError::UnknownReason { rule: name() });
            }
            if rule.fault == Some(Fault::Unknown) {
                return Err(RulesError::UnknownFault { rule: name() });
            }
            let normal = |text: &String| normal(text) == *text && !text.is_empty();
            if !rule.text.iter().chain(&rule.and).chain(&rule.not).chain(&rule.host).all(normal) {
                return Err(RulesError::Fragment { rule: name() });
            }
            if rule.text.is_empty() && rule.code.is_empty() && rule.host.is_empty() {
                return Err(RulesError::NoCondition { rule: name() });
            }
            if rules.rule.iter().filter(|other| other.name == rule.name).count() > 1 {
                return Err(RulesError::Repeated { rule: name() });
            }
        }
        checked(&rules.test)?;
        Ok(rules)
    }
}

/// Why a file of rules can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// It is not TOML of the right shape.
    #[error("the rules are not valid: {0}")]
    Syntax(#[source] toml::de::Error),
    /// A reason has no such name.
    #[error("rule {rule} names a reason that does not exist: docs/statuses.md lists them")]
    UnknownReason {
        /// The rule.
        rule: String,
    },
    /// A reason that a test expects has no such name.
    #[error(
        "the test of “{text}” expects a reason that does not exist: docs/statuses.md lists them"
    )]
    UnknownReasonInTest {
        /// The text of the test.
        text: String,
    },
    /// A fault has no such name.
    #[error(
        "rule {rule} names a fault that does not exist: there are recipient, recipient_system, \
         sender_system"
    )]
    UnknownFault {
        /// The rule.
        rule: String,
    },
    /// A fragment could never match.
    #[error("rule {rule} has a fragment or host that is not in lower case with single spaces")]
    Fragment {
        /// The rule.
        rule: String,
    },
    /// A rule would hold for everything.
    #[error("rule {rule} has no condition: give it text, code or host")]
    NoCondition {
        /// The rule.
        rule: String,
    },
    /// Two rules have one name.
    #[error("rule {rule} is there twice: names say which rule decided")]
    Repeated {
        /// The rule.
        rule: String,
    },
    /// The fragments are too many for one matcher.
    #[error("the rules are too many for one matcher")]
    Matcher(#[source] FragmentsError),
}
