//! Which samples are right only through knowledge of their own family: by reading them again
//! without all that fires in one family alone.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use mailtrail_bounce::Phrases;
use mailtrail_classify::Classifier;
use serde_json::Value;
use toml::Table;

/// The rules without the fragments that fire in one family alone, and how many those are.
pub(crate) struct Ablated {
    pub(crate) classifier: Classifier,
    pub(crate) phrases: Phrases,
    pub(crate) fragments: usize,
}

/// Takes out of our tables what fires in one family alone.
pub(crate) fn ablated(samples: &[Value], answers: &[Value]) -> Result<Ablated> {
    let texts = texts(samples, answers);
    let (rules, of_rules) = without(Classifier::BUILTIN, "rule", &texts)?;
    let (phrases, of_phrases) = without(Phrases::BUILTIN, "phrase", &texts)?;
    Ok(Ablated {
        classifier: Classifier::from_toml(&rules)?,
        phrases: Phrases::from_toml(&phrases)?,
        fragments: of_rules + of_phrases,
    })
}

/// What each family of samples says, in lower case with single spaces: mails as they are and as they
/// were read.
fn texts(samples: &[Value], answers: &[Value]) -> BTreeMap<String, String> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    let mut add = |id: &Value, text: &str| {
        let words: Vec<_> = text.split_whitespace().map(str::to_lowercase).collect();
        let family = family(id.as_str().unwrap_or_default());
        texts.entry(family).or_default().push_str(&(words.join(" ") + "\n"));
    };
    for sample in samples {
        let input = &sample["input"];
        for text in [&input["text"], &input["mail"]["text"]] {
            add(&sample["id"], text.as_str().unwrap_or_default());
        }
    }
    for answer in answers {
        for recipient in answer["recipients"].as_array().into_iter().flatten() {
            add(&answer["id"], recipient["diagnostic"].as_str().unwrap_or_default());
        }
    }
    texts
}

/// `sisimai/lhost-exim-01` is of the family `lhost-exim`, whatever its line ends.
fn family(id: &str) -> String {
    let name = id.rsplit('/').next().unwrap_or(id);
    name.rsplit_once('-').map_or(name, |(family, _)| family).to_owned()
}

fn without(file: &str, list: &str, texts: &BTreeMap<String, String>) -> Result<(String, usize)> {
    let mut table: Table = file.parse()?;
    let entries = table.get_mut(list).and_then(|rules| rules.as_array_mut());
    let entries = entries.with_context(|| format!("the table has no {list}"))?;
    let mut taken = 0;
    entries.retain_mut(|rule| {
        let conditioned = rule.get("code").is_some() || rule.get("host").is_some();
        let Some(fragments) = rule.get_mut("text").and_then(|text| text.as_array_mut()) else {
            return true;
        };
        let before = fragments.len();
        fragments.retain(|fragment| {
            let fragment = fragment.as_str().unwrap_or_default();
            let families: BTreeSet<_> = texts
                .iter()
                .filter(|(_, text)| text.contains(fragment))
                .map(|(name, _)| name)
                .collect();
            families.len() != 1
        });
        taken += before - fragments.len();
        // Without its text a rule for a code would hold for everything with that code.
        !fragments.is_empty() || (conditioned && before == 0)
    });
    Ok((toml::to_string(&table)?, taken))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_one_family_alone_says_is_taken_out() {
        let mail = |id: &str, text: &str| json!({"id": id, "input": {"mail": {"text": text}}});
        let samples = [
            mail("a/exim-01", "Mailbox\nFULL"),
            mail("a/dos/exim-02", "mailbox full"),
            mail("a/qmail-01", "no such user"),
            mail("a/exim-03", "no such user"),
        ];
        let file = "version = '1'\n[[rule]]\nname = 'full'\ntext = ['mailbox full']\n\
                    [[rule]]\nname = 'gone'\ntext = ['no such user', 'never said']\n";
        let (left, taken) = without(file, "rule", &texts(&samples, &[])).unwrap();
        assert_eq!(taken, 1);
        assert!(!left.contains("mailbox full") && left.contains("never said"), "{left}");
    }
}
