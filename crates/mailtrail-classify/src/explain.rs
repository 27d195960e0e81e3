//! Why a reply is read as it is: what decides, and what would have next.

use mailtrail_core::reason::Reason;

use crate::classifier::{Classifier, Compiled, Verdict};
use crate::code;
use crate::reply::Reply;

/// All that speaks for a reading of a reply, in the order of trust: the first decides.
///
/// ```
/// use mailtrail_classify::{Classifier, Reply};
/// let classifier = Classifier::builtin()?;
/// let reasoning = classifier.explain(&Reply::parse("550 5.1.1 too many messages per hour"));
/// let rules: Vec<_> = reasoning.iter().map(|ground| &*ground.verdict.rule).collect();
/// assert_eq!(rules, ["text/rate", "enhanced_code"]);
/// assert!(reasoning[0].source.as_deref().unwrap().contains("Gmail"));
/// # Ok::<(), mailtrail_classify::RulesError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ground {
    /// What it says.
    pub verdict: Verdict,
    /// Where servers are known to say so, in the words of the rule's author; none of a code.
    pub source: Option<Box<str>>,
}

impl Classifier {
    /// What speaks for a reading: the first is what [`classify`](Self::classify) gives.
    pub fn explain(&self, reply: &Reply) -> Vec<Ground> {
        let reply = &*self.heard(reply);
        let holding = self.holding(reply);
        let rules = holding.iter().filter_map(|index| self.rule(*index));
        let (over, plain): (Vec<_>, Vec<_>) = rules.partition(|rule| rule.goes_over_code(reply));
        let enhanced = reply.enhanced_code.and_then(code::enhanced);
        let by_code =
            |reason: Reason, rule| Ground { verdict: Verdict::by_code(reason, rule), source: None };
        let by_enhanced = enhanced.map(|reason| by_code(reason, "enhanced_code"));
        let is_vague = enhanced.is_some_and(|reason| code::is_vague(reason, reply));
        let (before, after) = if is_vague { (None, by_enhanced) } else { (by_enhanced, None) };
        let by_reply = reply.reply_code.and_then(code::reply);
        let mut grounds: Vec<Ground> = over.into_iter().map(Ground::of).collect();
        grounds.extend(before);
        grounds.extend(plain.into_iter().map(Ground::of));
        grounds.extend(after);
        grounds.extend(by_reply.map(|reason| by_code(reason, "reply_code")));
        if grounds.is_empty() {
            grounds.push(by_code(Reason::Unknown, "none"));
        }
        for ground in &mut grounds {
            ground.verdict.soften(reply);
        }
        grounds
    }
}

impl Ground {
    fn of(rule: &Compiled) -> Self {
        Self { verdict: rule.verdict(), source: Some(rule.source.clone()) }
    }
}
