//! `cargo xtask accuracy`: how much of the corpora is read as their sources say.
//!
//! The corpora lie in `../shared/corpora`, which is not part of the project. `accuracy.json` beside
//! this crate's manifest records what was reached: no figure may fall below it.

mod ablation;
mod answers;
mod corpora;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use mailtrail_bounce::Phrases;
use mailtrail_classify::Classifier;
use serde_json::Value;

use crate::output::line;
use crate::project::Project;
use corpora::{Corpora, Right};

/// What to do.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Read inputs from standard input, one JSON object a line, and write answers to standard output
    Answers,
}

/// Runs it. False if a figure has fallen.
pub(crate) fn run(project: &Project, options: &Options) -> Result<bool> {
    let classifier = Classifier::builtin()?;
    if let Some(What::Answers) = options.what {
        let (inputs, answers) = (io::stdin().lock(), io::stdout().lock());
        answers::write(inputs, answers, &classifier, Phrases::builtin())?;
        return Ok(true);
    }
    let Some(corpora) = Corpora::find(project)? else {
        line("skipped (optional): accuracy: ../shared/corpora is not there");
        return Ok(true);
    };
    let inputs = corpora.inputs();
    let answers = read(&inputs, &classifier, Phrases::builtin())?;
    for text in corpora.table(project, &answers)?.lines() {
        line(text);
    }
    let right = corpora.score(project, &answers)?;
    let kept = of_one_family(project, &corpora, &answers, &right)?;
    Ok(kept & not_fallen(project, &right)?)
}

fn read(inputs: &str, classifier: &Classifier, phrases: &Phrases) -> Result<Vec<u8>> {
    let mut answers = Vec::new();
    answers::write(inputs.as_bytes(), &mut answers, classifier, phrases)?;
    Ok(answers)
}

/// Which mails are right only through a fragment that fires in one family of samples.
fn of_one_family(
    project: &Project,
    corpora: &Corpora,
    answers: &[u8],
    right: &Right,
) -> Result<bool> {
    let parsed: Vec<Value> =
        serde_json::Deserializer::from_slice(answers).into_iter().collect::<Result<_, _>>()?;
    let ablated = ablation::ablated(&corpora.samples, &parsed)?;
    let again = read(&corpora.inputs(), &ablated.classifier, &ablated.phrases)?;
    let (before, after) = (corpora.table(project, answers)?, corpora.table(project, &again)?);
    let wrong_before: BTreeSet<_> = wrong(&before).collect();
    let lost: Vec<&str> = wrong(&after).filter(|id| !wrong_before.contains(id)).collect();
    let (_, of) = right.get(MAILS).copied().unwrap_or_default();
    let count = lost.len() as u64;
    line(&format!(
        "{MAILS}: {count} of {of} ({}) are right only through one of {} fragments that fire in one family alone; at most {MOST_OF_ONE_FAMILY} %: {}",
        percent(count, of),
        ablated.fragments,
        lost.join(", "),
    ));
    Ok(count * 100 <= of * MOST_OF_ONE_FAMILY)
}

/// The mails of the first corpus that the scorer's table lists as wrong.
fn wrong(table: &str) -> impl Iterator<Item = &str> {
    let of_mails = table.lines().skip_while(|line| !line.starts_with("report    sisimai"));
    let listed = of_mails.skip(1).take_while(|line| line.starts_with(' '));
    listed.filter_map(|line| line.trim().split_once(": ")).map(|(id, _)| id)
}

/// Compares with what was reached before.
fn not_fallen(project: &Project, right: &Right) -> Result<bool> {
    let file = project.root().join("crates/xtask/accuracy.json");
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let reached: BTreeMap<String, u64> = serde_json::from_str(&text)?;
    let mut kept = true;
    for (source, least) in reached {
        let (good, of) = right.get(&source).copied().unwrap_or_default();
        let fallen = good < least;
        kept &= !fallen;
        let verdict = if fallen { "FALLEN" } else { "ok" };
        line(&format!(
            "{source}: {good} of {of} right ({}), {least} reached before: {verdict}",
            percent(good, of)
        ));
    }
    Ok(kept)
}

fn percent(part: u64, of: u64) -> String {
    let tenths = (part * 1_000).checked_div(of).unwrap_or_default();
    format!("{}.{} %", tenths / 10, tenths % 10)
}

const MAILS: &str = "report/sisimai";
/// Knowledge of one sample is no knowledge.
const MOST_OF_ONE_FAMILY: u64 = 2;
