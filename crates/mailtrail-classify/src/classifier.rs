//! Texts and codes to a reason: which goes before which, and who is to blame.

use std::borrow::Cow;

use mailtrail_core::diagnosis::{Diagnosis, Fault};
use mailtrail_core::reason::{Group, Reason};
use sha2::{Digest, Sha256};

use crate::code;
use crate::example::Example;
use crate::fragments::Fragments;
use crate::normal::normal;
use crate::reply::Reply;
use crate::rules::{AnyCode, CodePattern, Over, Rule, RulesError, RulesFile};

/// Reads replies by rules. Building it compiles all fragments into one matcher; share it.
///
/// # Which goes before which?
/// 1. A rule for a host or for a code, or whose text is marked to go over the code.
/// 2. The enhanced code, where it says more than that there was some problem.
/// 3. A rule for a text.
/// 4. The reply code.
///
/// Among rules of the same rank the first decides. Users' rules stand before all of this: who writes
/// one wants it to decide, unless it names the codes that it goes [over](Self::with_own).
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
    matcher: Fragments,
    rules: Vec<Compiled>,
    /// The rule of each fragment, and what the fragment is to it.
    fragments: Vec<(usize, Role)>,
    /// Rules that need no text.
    textless: Vec<usize>,
    version: Box<str>,
    sequence: u64,
    digest: Box<str>,
    examples: Vec<Example>,
}

#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    name: Box<str>,
    reason: Reason,
    fault: Option<Fault>,
    needs_and: bool,
    code: Vec<CodePattern>,
    host: Vec<String>,
    over: Option<Over>,
    pub(crate) source: Box<str>,
}

/// What a fragment is to its rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Text,
    And,
    Not,
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
    /// The rules that come with this crate, in their file.
    pub const BUILTIN: &'static str = include_str!("../rules/texts.toml");

    /// By the rules that come with this crate.
    ///
    /// # Errors
    /// None in practice: the rules are tested.
    pub fn builtin() -> Result<Self, RulesError> {
        Self::from_toml(Self::BUILTIN)
    }

    /// By rules in the form of `rules/texts.toml`, and no others.
    ///
    /// # Errors
    /// [`RulesError`] names the rule that is wrong.
    pub fn from_toml(text: &str) -> Result<Self, RulesError> {
        Self::compile(&[(text, "text")])
    }

    /// By a user's own rules, in the same form, and where they don't hold by those of this crate.
    /// A verdict of theirs has the name of its rule after `own/`. An own rule goes over any code and over
    /// our rules; with `over = ["5.1.1"]` over that code only.
    ///
    /// ```
    /// use mailtrail_classify::{Classifier, Reply};
    /// use mailtrail_core::reason::Reason;
    /// let classifier = Classifier::with_own(r#"
    ///     version = "7"
    ///     [[rule]]
    ///     name = "campus-quota"
    ///     text = ["postbox has no space"]
    ///     host = ["mail.campus.example"]
    ///     reason = "mailbox_full"
    ///     source = "seen on 2026-11-03"
    /// "#)?;
    /// let mut reply = Reply::parse("550 5.1.1 Postbox has no space");
    /// reply.host = Some("mx1.mail.campus.example".to_owned());
    /// let verdict = classifier.classify(&reply);
    /// assert_eq!((verdict.reason, &*verdict.rule), (Reason::MailboxFull, "own/campus-quota"));
    /// # Ok::<(), mailtrail_classify::RulesError>(())
    /// ```
    ///
    /// # Errors
    /// [`RulesError`] names the rule that is wrong.
    pub fn with_own(text: &str) -> Result<Self, RulesError> {
        Self::compile(&[(text, OWN), (Self::BUILTIN, "text")])
    }

    fn compile(files: &[(&str, &str)]) -> Result<Self, RulesError> {
        let (mut patterns, mut fragments, mut rules) = (Vec::new(), Vec::new(), Vec::new());
        let (mut textless, mut versions, mut sequence) = (Vec::new(), Vec::new(), 0_u64);
        let (mut digest, mut own, mut examples) = (Sha256::new(), String::new(), Vec::new());
        for (text, prefix) in files {
            let file = RulesFile::parse(text)?;
            for rule in file.rule {
                let index = rules.len();
                for (role, texts) in
                    [(Role::Text, &rule.text), (Role::And, &rule.and), (Role::Not, &rule.not)]
                {
                    patterns.extend(texts.iter().cloned());
                    fragments.resize(patterns.len(), (index, role));
                }
                if rule.text.is_empty() {
                    textless.push(index);
                }
                rules.push(Compiled::of(rule, prefix));
            }
            examples.extend(file.test);
            if *prefix == OWN {
                own = rank(&file.version);
            }
            versions.push(file.version);
            sequence = file.sequence;
            digest.update(text.as_bytes());
        }
        Ok(Self {
            matcher: Fragments::new(patterns.iter().map(String::as_str))
                .map_err(RulesError::Matcher)?,
            rules,
            fragments,
            textless,
            version: versions.join("+").into(),
            sequence,
            digest: (own + &data_encoding::HEXLOWER.encode(&digest.finalize())).into(),
            examples,
        })
    }

    /// Reads a reply.
    pub fn classify(&self, reply: &Reply) -> Verdict {
        let reply = self.heard(reply);
        let mut verdict = self.decide(&reply);
        verdict.soften(&reply);
        verdict
    }

    /// The server's own words, without those of a relay that gave up after them, if they say why.
    pub(crate) fn heard<'r>(&self, reply: &'r Reply) -> Cow<'r, Reply> {
        match reply.before_expiry() {
            Some(own) if self.decide(&own).reason.is_known() => Cow::Owned(own),
            Some(_) | None => Cow::Borrowed(reply),
        }
    }

    fn decide(&self, reply: &Reply) -> Verdict {
        let holding = self.holding(reply);
        let rules = || holding.iter().filter_map(|index| self.rules.get(*index));
        if let Some(rule) = rules().find(|rule| rule.goes_over_code(reply)) {
            return rule.verdict();
        }
        let by_text = rules().next();
        let by_enhanced = reply.enhanced_code.and_then(code::enhanced);
        let by_reply = reply.reply_code.and_then(code::reply);
        if let Some(reason) = by_enhanced {
            return match by_text {
                Some(rule) if code::is_vague(reason, reply) => rule.verdict(),
                Some(_) | None => Verdict::by_code(reason, "enhanced_code"),
            };
        }
        match (by_text, by_reply) {
            (Some(rule), _) => rule.verdict(),
            (None, Some(reason)) => Verdict::by_code(reason, "reply_code"),
            (None, None) => Verdict::by_code(Reason::Unknown, "none"),
        }
    }

    /// Reads the reply that a diagnosis was made of into it.
    pub fn fill(&self, diagnosis: &mut Diagnosis, text: &str) {
        let mut reply = Reply::new(diagnosis.reply_code, diagnosis.enhanced_code, text);
        let host = diagnosis.remote_host.as_deref().or(diagnosis.reporting_host.as_deref());
        reply.host = host.map(str::to_owned);
        let verdict = self.classify(&reply);
        diagnosis.reason = verdict.reason;
        diagnosis.fault = verdict.fault;
        diagnosis.rule = Some(verdict.rule);
        diagnosis.rules_version = Some(self.version.clone());
    }

    /// The version of the rules: the user's and ours, joined by a plus sign.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Grows with every release of our rules; users' rules add nothing to it.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Names the rules: their SHA-256. With own rules their version stands before it: of two readings by
    /// rules of one [sequence](Self::sequence) that with the higher digest counts, and so that of the
    /// newer own rules, if their versions are numbers or dates.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The names of all rules, in their order.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| &*rule.name)
    }

    /// The examples that the rules' own files give.
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    pub(crate) fn rule(&self, index: usize) -> Option<&Compiled> {
        self.rules.get(index)
    }

    /// The rules that hold, in the order of the table: one pass over the text.
    pub(crate) fn holding(&self, reply: &Reply) -> Vec<usize> {
        let text = normal(&reply.text);
        let found = self.matcher.find(&text);
        let mut hits: Vec<(usize, Role)> =
            found.filter_map(|hit| self.fragments.get(hit.fragment).copied()).collect();
        hits.extend(self.textless.iter().map(|index| (*index, Role::Text)));
        hits.sort_unstable();
        hits.dedup();
        let hit = |index, role| hits.binary_search(&(index, role)).is_ok();
        let holds = |index: &usize| {
            let Some(rule) = self.rules.get(*index) else { return false };
            (!rule.needs_and || hit(*index, Role::And))
                && !hit(*index, Role::Not)
                && rule.is_of(reply)
        };
        let named = hits.iter().filter(|(_, role)| *role == Role::Text).map(|(index, _)| *index);
        named.filter(holds).collect()
    }
}

impl Compiled {
    fn of(rule: Rule, prefix: &str) -> Self {
        let by_default = (prefix == OWN).then_some(Over::Any(AnyCode::Code));
        Self {
            name: format!("{prefix}/{}", rule.name).into(),
            reason: rule.reason,
            fault: rule.fault,
            needs_and: !rule.and.is_empty(),
            code: rule.code,
            host: rule.host,
            over: rule.over.or(by_default),
            source: rule.source.into(),
        }
    }

    /// Whether the reply has a code, and is from a host, that the rule asks for.
    fn is_of(&self, reply: &Reply) -> bool {
        let code = |pattern: &CodePattern| pattern.matches(reply.reply_code, reply.enhanced_code);
        let is_host = |host: &String| {
            let own = reply.host.as_deref().unwrap_or_default().trim_end_matches('.');
            own.len()
                .checked_sub(host.len())
                .and_then(|rest| own.split_at_checked(rest))
                .is_some_and(|(rest, end)| {
                    end.eq_ignore_ascii_case(host) && (rest.is_empty() || rest.ends_with('.'))
                })
        };
        (self.code.is_empty() || self.code.iter().any(code))
            && (self.host.is_empty() || self.host.iter().any(is_host))
    }

    pub(crate) fn goes_over_code(&self, reply: &Reply) -> bool {
        match &self.over {
            Some(Over::Any(AnyCode::Code)) => true,
            Some(Over::Codes(codes)) => {
                codes.iter().any(|code| code.matches(reply.reply_code, reply.enhanced_code))
            }
            None => !self.code.is_empty() || !self.host.is_empty(),
        }
    }

    pub(crate) fn verdict(&self) -> Verdict {
        let fault = self.fault.unwrap_or_else(|| fault(self.reason));
        Verdict { reason: self.reason, fault, rule: self.name.clone() }
    }
}

impl Verdict {
    /// Whether a rule of this name is a classifier's: what a port decided by itself, such as that it
    /// was tried for too long, no classifier can read again.
    ///
    /// ```
    /// use mailtrail_classify::Verdict;
    /// assert!(Verdict::is_rule("text/full") && Verdict::is_rule("reply_code"));
    /// assert!(!Verdict::is_rule("provider_class"));
    /// ```
    pub fn is_rule(rule: &str) -> bool {
        Self::is_by_text(rule) || matches!(rule, "enhanced_code" | "reply_code" | "none")
    }

    /// Whether a rule of this name is one of a rules file, and not a code alone.
    pub fn is_by_text(rule: &str) -> bool {
        rule.starts_with("text/") || rule.starts_with("own/")
    }

    pub(crate) fn by_code(reason: Reason, rule: &str) -> Self {
        Self { reason, fault: fault(reason), rule: rule.into() }
    }

    /// What may pass is no proof that a domain does not exist, or takes no mail (RFC 3463 §2).
    pub(crate) fn soften(&mut self, reply: &Reply) {
        let of_domain = matches!(self.reason, Reason::HostUnknown | Reason::DomainAcceptsNoMail);
        if of_domain && reply.is_transient() {
            self.reason = Reason::DnsError;
            self.fault = fault(Reason::DnsError);
        }
    }
}

/// Whose fault a reason is, where nobody says more.
fn fault(reason: Reason) -> Fault {
    let ours = matches!(
        reason,
        Reason::SenderRejected
            | Reason::AuthenticationFailed
            | Reason::ReputationBlocked
            | Reason::RelayDenied
    );
    match reason.group() {
        _ if ours => Fault::SenderSystem,
        Group::Address | Group::Mailbox => Fault::Recipient,
        Group::Policy | Group::Network => Fault::RecipientSystem,
        Group::Content => Fault::SenderSystem,
        _ => Fault::Unknown,
    }
}

/// What stands before the digest of own rules of a version: higher for the newer one, and than none.
fn rank(version: &str) -> String {
    let is_number = version.bytes().all(|byte| byte.is_ascii_digit());
    // As wide as any number of 64 bits; a text that is no number sorts as it is.
    if is_number { format!("{OWN}-{version:0>20}-") } else { format!("{OWN}-{version}-") }
}

/// What stands before the names of users' rules.
const OWN: &str = "own";
