//! `rules`: whether a file of own rules does what it is to do, and why a text is read as it is.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use mailtrail::classify::{Classifier, Example, Ground, Reply, Shadowed, Verdict};
use mailtrail::core::diagnosis::Fault;
use mailtrail::report::render::safe;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output;
use crate::setup::{Setup, own_rules, rules_text};

/// What is to be done with rules.
#[derive(Debug, Subcommand)]
pub(crate) enum Rules {
    /// Check a file of own rules, and try each `[[test]]` of it. Exit code 1 if one is read otherwise.
    Test(Test),
    /// Tell which rule decides how a reply is read, and which would have next.
    Explain(ExplainText),
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The file.
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainText {
    /// What a server said, such as `550 5.1.1 user unknown`. Its codes are read from it.
    text: String,
    /// The server.
    #[arg(long)]
    host: Option<String>,
}

impl Rules {
    pub(crate) fn run(self, setup: &Setup) -> Result<(), Failure> {
        match self {
            Self::Test(test) => test.run(setup.json),
            Self::Explain(explain) => explain.run(&setup.classifier()?, setup.json),
        }
    }
}

impl Test {
    fn run(&self, as_json: bool) -> Result<(), Failure> {
        let classifier = own_rules(&self.file)?;
        let shadowed = shadowed(&self.file)?;
        let tried = classifier.examples().iter().map(|test| (test, test.try_on(&classifier)));
        let failed: Vec<_> = tried.filter(|(test, verdict)| !test.is_met(verdict)).collect();
        let (tests, rules) = (classifier.examples().len(), own_count(&classifier));
        if as_json {
            let failures: Vec<Value> =
                failed.iter().map(|(test, got)| as_value(test, got)).collect();
            let shadowed: Vec<Value> = shadowed
                .iter()
                .map(|shadowed| json!({ "rule": shadowed.rule, "by": shadowed.by }))
                .collect();
            output::json(&json!({
                "rules": rules, "tests": tests, "failures": failures, "shadowed": shadowed,
            }))?;
        } else {
            for (test, got) in &failed {
                output::line(sentence(test, got))?;
            }
            for Shadowed { rule, by, .. } in &shadowed {
                output::line(format!(
                    "warning: rule {rule} can never decide: {} always does before it",
                    by.join(" or ")
                ))?;
            }
            let met = tests - failed.len();
            output::line(format!("{rules} rules; {met} of {tests} tests as expected"))?;
        }
        match failed.len() {
            0 => Ok(()),
            count => Err(Failure::other(format!("{count} of {tests} tests are read otherwise"))),
        }
    }
}

impl ExplainText {
    fn run(self, classifier: &Classifier, as_json: bool) -> Result<(), Failure> {
        let mut reply = Reply::parse(&self.text);
        reply.host = self.host;
        let grounds = classifier.explain(&reply);
        if as_json {
            let grounds: Vec<Value> = grounds.iter().map(ground).collect();
            return Ok(output::json(&json!({
                "reply_code": reply.reply_code,
                "enhanced_code": reply.enhanced_code,
                "rules_version": classifier.version(),
                "grounds": grounds,
            }))?);
        }
        let Some((first, next)) = grounds.split_first() else { return Ok(()) };
        let Verdict { reason, fault, rule, .. } = &first.verdict;
        output::line(format!("{reason}: {}", reason.sentence()))?;
        output::line(format!("  by rule {rule}, rules version {}", classifier.version()))?;
        output::line(format!("  given up for this it is {}", reason.final_status()))?;
        output::line(format!("  fault: {}", name(*fault)))?;
        if let Some(source) = &first.source {
            output::line(format!("  known from: {}", safe(source)))?;
        }
        for Ground { verdict: Verdict { reason, rule, .. }, .. } in next {
            output::line(format!("otherwise by rule {rule}: {reason}"))?;
        }
        Ok(())
    }
}

fn shadowed(file: &Path) -> Result<Vec<Shadowed>, Failure> {
    let found = Shadowed::find(&rules_text(file)?);
    found.map_err(|error| Failure::data(format!("{}: {error}", file.display())))
}

fn own_count(classifier: &Classifier) -> usize {
    classifier.rules().filter(|rule| rule.starts_with("own/")).count()
}

/// A test that is read otherwise.
fn sentence(test: &Example, got: &Verdict) -> String {
    let by = test.rule.as_ref().map_or_else(String::new, |rule| format!(" by rule {rule}"));
    format!(
        "“{}”: expected {}{by}, got {} by rule {}",
        safe(&test.text),
        test.reason,
        got.reason,
        got.rule
    )
}

fn as_value(test: &Example, got: &Verdict) -> Value {
    json!({
        "text": test.text,
        "host": test.host,
        "expected": { "reason": test.reason, "rule": test.rule },
        "got": { "reason": got.reason, "rule": got.rule },
    })
}

fn ground(ground: &Ground) -> Value {
    let Verdict { reason, fault, rule, .. } = &ground.verdict;
    json!({ "rule": rule, "reason": reason, "fault": fault, "source": ground.source })
}

fn name(fault: Fault) -> &'static str {
    match fault {
        Fault::Recipient => "the address or mailbox",
        Fault::RecipientSystem => "the recipient's server or provider",
        Fault::SenderSystem => "our own system",
        _ => "nobody can tell whose",
    }
}
