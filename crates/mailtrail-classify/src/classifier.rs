//! Texts and codes to a reason: which goes before which, and who is to blame.

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};
use mailtrail_core::diagnosis::{Diagnosis, Fault};
use mailtrail_core::reason::{Group, Reason};
use sha2::{Digest, Sha256};

use crate::code;
use crate::reply::Reply;
use crate::rules::{Over, Rule, RulesError, RulesFile};

/// Reads replies by rules. Building it compiles all fragments into one matcher; share it.
///
/// # Which goes before which?
/// A text rule that is marked to go over codes; the enhanced code; any text rule; the reply code.
///
/// # Example
/// ```
/// use mailtrail_classify::{Classifier, Reply};
/// use mailtrail_core::reason::Reason;
/// let classifier = Classifier::builtin()?;
/// // 5.1.1 says that there is no such user, but this server says something else.
/// let reply = Reply::parse("550 5.1.1 too many messages per hour");
/// assert_eq!(classifier.classify(&reply).reason, Reason::RateLimited);
/// # Ok::<(), mailtrail_classify::RulesError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Classifier {
    matcher: AhoCorasick,
    /// The rule of each fragment.
    rules: Vec<Compiled>,
    of_fragment: Vec<usize>,
    version: Box<str>,
    sequence: u64,
    digest: Box<str>,
}

#[derive(Debug, Clone)]
struct Compiled {
    name: Box<str>,
    reason: Reason,
    fault: Option<Fault>,
    over_code: bool,
}

/// What a reply means, and by which rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// The reason.
    pub reason: Reason,
    /// Whose fault it is.
    pub fault: Fault,
    /// The rule: `text/…`, `enhanced_code`, `reply_code`, or `none`.
    pub rule: Box<str>,
}

impl Classifier {
    /// By the rules that come with this crate.
    ///
    /// # Errors
    /// None in practice: the rules are tested.
    pub fn builtin() -> Result<Self, RulesError> {
        Self::from_toml(include_str!("../rules/texts.toml"))
    }

    /// By rules in the form of `rules/texts.toml`.
    ///
    /// # Errors
    /// [`RulesError`] names the rule that is wrong.
    pub fn from_toml(text: &str) -> Result<Self, RulesError> {
        let file = RulesFile::parse(text)?;
        let mut fragments = Vec::new();
        let mut of_fragment = Vec::new();
        for (index, rule) in file.rule.iter().enumerate() {
            fragments.extend(rule.text.iter().cloned());
            of_fragment.resize(fragments.len(), index);
        }
        let matcher = AhoCorasickBuilder::new()
            .match_kind(MatchKind::Standard)
            .build(&fragments)
            .map_err(RulesError::Matcher)?;
        let digest = Sha256::digest(text.as_bytes());
        Ok(Self {
            matcher,
            rules: file.rule.iter().map(Compiled::of).collect(),
            of_fragment,
            version: file.version.into(),
            sequence: file.sequence,
            digest: data_encoding::HEXLOWER.encode(&digest).into(),
        })
    }

    /// Reads a reply.
    pub fn classify(&self, reply: &Reply) -> Verdict {
        let text = normalise(&reply.text);
        let found = self.first_rule(&text, |_| true);
        let over_code = self.first_rule(&text, |rule| rule.over_code);
        let by_enhanced = reply.enhanced_code.and_then(code::enhanced);
        let by_reply = reply.reply_code.and_then(code::reply);
        if let Some(rule) = over_code {
            return rule.verdict();
        }
        if let Some(reason) = by_enhanced {
            // A code for any policy says less than a text that names it; and servers give a domain
            // that does not exist the code of one that can't be looked up (Postfix: 5.4.4).
            let final_code = reply.enhanced_code.is_some_and(|code| code.class() == 5);
            let vague = matches!(reason, Reason::PolicyRejected | Reason::SystemError)
                || (reason == Reason::DnsError && final_code);
            return match found {
                Some(rule) if vague => rule.verdict(),
                Some(_) | None => Verdict::by_code(reason, "enhanced_code"),
            };
        }
        match (found, by_reply) {
            (Some(rule), _) => rule.verdict(),
            (None, Some(reason)) => Verdict::by_code(reason, "reply_code"),
            (None, None) => Verdict::by_code(Reason::Unknown, "none"),
        }
    }

    /// Reads the reply that a diagnosis was made of into it.
    pub fn fill(&self, diagnosis: &mut Diagnosis, text: &str) {
        let reply = Reply::new(diagnosis.reply_code, diagnosis.enhanced_code, text);
        let verdict = self.classify(&reply);
        diagnosis.reason = verdict.reason;
        diagnosis.fault = verdict.fault;
        diagnosis.rule = Some(verdict.rule);
        diagnosis.rules_version = Some(self.version.clone());
    }

    /// The version of the rules.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Grows with every release of the rules.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// SHA-256 of the rules.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The first rule of the table, of those with a fragment in the text: one pass.
    fn first_rule(&self, text: &str, counts: impl Fn(&Compiled) -> bool) -> Option<&Compiled> {
        let found = self.matcher.find_overlapping_iter(text);
        let rules = found.filter_map(|m| self.of_fragment.get(m.pattern().as_usize()).copied());
        let counted = rules.filter(|index| self.rules.get(*index).is_some_and(&counts));
        counted.min().and_then(|index| self.rules.get(index))
    }
}

impl Compiled {
    fn of(rule: &Rule) -> Self {
        Self {
            name: format!("text/{}", rule.name).into(),
            reason: rule.reason,
            fault: rule.fault,
            over_code: rule.over == Some(Over::Code),
        }
    }

    fn verdict(&self) -> Verdict {
        let fault = self.fault.unwrap_or_else(|| fault(self.reason));
        Verdict { reason: self.reason, fault, rule: self.name.clone() }
    }
}

impl Verdict {
    fn by_code(reason: Reason, rule: &str) -> Self {
        Self { reason, fault: fault(reason), rule: rule.into() }
    }
}

/// Whose fault a reason is, where nobody says more.
fn fault(reason: Reason) -> Fault {
    match (reason.group(), reason) {
        (_, Reason::SenderRejected | Reason::AuthenticationFailed | Reason::ReputationBlocked) => {
            Fault::SenderSystem
        }
        (Group::Address | Group::Mailbox, _) => Fault::Recipient,
        (Group::Policy | Group::Network, _) => Fault::RecipientSystem,
        (Group::Content, _) => Fault::SenderSystem,
        _ => Fault::Unknown,
    }
}

/// Lower case, with single spaces.
pub(crate) fn normalise(text: &str) -> String {
    let lower = text.to_lowercase();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}
