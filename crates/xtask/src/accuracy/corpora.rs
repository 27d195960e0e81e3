//! The corpora and their scorer, which lie beside the project.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::process;
use crate::project::Project;

/// What this version reads.
const FILES: [&str; 8] = [
    "sisimai-mails.jsonl",
    "sisimai-mails-line-ends.jsonl",
    "sisimai-replies.jsonl",
    "kumomta-iana.jsonl",
    "mail-auth-arf.jsonl",
    "anymail-webhooks.jsonl",
    "webhook-signatures.jsonl",
    "provider-payloads.jsonl",
];

/// How many samples are right, and of how many: by kind and source, as in `report/sisimai`.
pub(crate) type Right = BTreeMap<String, (u64, u64)>;

/// A folder with corpora.
#[derive(Debug)]
pub(crate) struct Corpora {
    folder: PathBuf,
    answers: PathBuf,
    /// All samples, in their order.
    pub(crate) samples: Vec<Value>,
}

impl Corpora {
    /// The corpora, if they are there.
    pub(crate) fn find(project: &Project) -> Result<Option<Self>> {
        let folder = project.root().join("../shared/corpora");
        if !folder.join("score.py").is_file() {
            return Ok(None);
        }
        let mut samples = Vec::new();
        for file in FILES {
            let text = fs::read_to_string(folder.join(file))
                .with_context(|| format!("{file} is missing"))?;
            for line in text.lines() {
                samples
                    .push(serde_json::from_str(line).with_context(|| format!("{file} is broken"))?);
            }
        }
        fs::create_dir_all(project.target("accuracy"))?;
        Ok(Some(Self { folder, answers: project.target("accuracy/answers.jsonl"), samples }))
    }

    /// What a program may see of each sample.
    pub(crate) fn inputs(&self) -> String {
        let of = |sample: &Value| {
            let mut input = sample.clone();
            if let Some(fields) = input.as_object_mut() {
                fields.retain(|name, _| ["id", "kind", "esp", "input"].contains(&name.as_str()));
            }
            format!("{input}\n")
        };
        self.samples.iter().map(of).collect()
    }

    /// Scores answers by the corpora's own scorer.
    pub(crate) fn score(&self, project: &Project, answers: &[u8]) -> Result<Right> {
        let text = self.run(project, answers, &["--json"])?;
        let table: BTreeMap<String, BTreeMap<String, (u64, u64)>> =
            serde_json::from_str(&text).context("score.py printed no table")?;
        let right = table
            .into_iter()
            .filter_map(|(source, figures)| figures.get("right").map(|right| (source, *right)));
        Ok(right.collect())
    }

    /// The scorer's own table, with every mismatch.
    pub(crate) fn table(&self, project: &Project, answers: &[u8]) -> Result<String> {
        self.run(project, answers, &["--list", "1000"])
    }

    fn run(&self, project: &Project, answers: &[u8], options: &[&str]) -> Result<String> {
        fs::File::create(&self.answers)?.write_all(answers)?;
        let mut command = process::command(project, "python3");
        command.arg(self.folder.join("score.py")).arg(&self.answers);
        command.args(FILES.map(|file| self.folder.join(file))).args(options);
        process::capture(command)
    }
}
