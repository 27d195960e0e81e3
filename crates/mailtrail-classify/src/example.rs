//! Examples of what rules are to say: a rules file brings its own, and they are tried.

use mailtrail_core::reason::Reason;
use serde::Deserialize;

use crate::classifier::{Classifier, Verdict};
use crate::reply::Reply;
use crate::rules::{RulesError, examples};

/// A text, and how it is to be read: a `[[test]]` of a rules file.
///
/// ```
/// use mailtrail_classify::Classifier;
/// let classifier = Classifier::with_own(r#"
///     version = "7"
///     [[rule]]
///     name = "campus-quota"
///     text = ["postbox has no space"]
///     host = ["campus.example"]
///     reason = "mailbox_full"
///     source = "seen on 2026-11-03"
///     [[test]]
///     text = "550 5.1.1 Postbox has no space"
///     host = "mx1.campus.example"
///     reason = "mailbox_full"
///     rule = "campus-quota"
/// "#)?;
/// let [example] = classifier.examples() else { panic!("one example") };
/// assert!(example.is_met(&example.try_on(&classifier)));
/// # Ok::<(), mailtrail_classify::RulesError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Example {
    /// What a server says. Its codes are read from it.
    pub text: String,
    /// The server, where a rule asks for it.
    pub host: Option<String>,
    /// How it is to be read.
    pub reason: Reason,
    /// The rule that is to decide, with or without the `own/` or `text/` before its name; any may
    /// where none is named.
    pub rule: Option<String>,
}

impl Example {
    /// The examples of a text that holds nothing but `[[test]]`s.
    ///
    /// # Errors
    /// [`RulesError`] names what is wrong.
    pub fn read(text: &str) -> Result<Vec<Self>, RulesError> {
        examples(text)
    }

    /// What a classifier makes of it.
    pub fn try_on(&self, classifier: &Classifier) -> Verdict {
        classifier.classify(&self.reply())
    }

    /// Whether a verdict on it is as it is to be.
    pub fn is_met(&self, verdict: &Verdict) -> bool {
        let named = |rule: &str| {
            let (_, bare) = verdict.rule.split_once('/').unwrap_or(("", &verdict.rule));
            rule == &*verdict.rule || rule == bare
        };
        verdict.reason == self.reason && self.rule.as_deref().is_none_or(named)
    }

    /// The text as the ports give it to a classifier.
    pub fn reply(&self) -> Reply {
        let mut reply = Reply::parse(&self.text);
        reply.host.clone_from(&self.host);
        reply
    }
}
