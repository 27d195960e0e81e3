//! Rules that can never decide, as earlier ones of the same file hold wherever they do.

use crate::rules::{AnyCode, Over, Rule, RulesError, RulesFile};

/// A rule of a user's own that can never decide.
///
/// ```
/// use mailtrail_classify::Shadowed;
/// let shadowed = Shadowed::find(r#"
///     version = "1"
///     [[rule]]
///     name = "any-quota"
///     text = ["quota"]
///     reason = "mailbox_full"
///     source = "seen"
///     [[rule]]
///     name = "disk"
///     text = ["disk quota"]
///     reason = "system_full"
///     source = "seen"
/// "#)?;
/// assert_eq!((&*shadowed[0].rule, &*shadowed[0].by[0]), ("disk", "any-quota"));
/// # Ok::<(), mailtrail_classify::RulesError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shadowed {
    /// The rule.
    pub rule: String,
    /// The earlier rules that decide instead.
    pub by: Vec<String>,
}

impl Shadowed {
    /// The rules of a file that can never decide, in their order. In doubt a rule is not listed.
    ///
    /// # Errors
    /// [`RulesError`] names the rule that is wrong.
    pub fn find(text: &str) -> Result<Vec<Self>, RulesError> {
        let rules = RulesFile::parse(text)?.rule;
        let shadowed = rules.iter().enumerate().filter_map(|(index, rule)| {
            let earlier = rules.get(..index)?;
            let mut by: Vec<String> = Vec::new();
            // A rule without texts has one way to hold, any other one a text.
            let ways: Vec<Option<&String>> = if rule.text.is_empty() {
                vec![None]
            } else {
                rule.text.iter().map(Some).collect()
            };
            for way in ways {
                let decides = earlier.iter().find(|before| goes_before(before, rule, way))?;
                if !by.contains(&decides.name) {
                    by.push(decides.name.clone());
                }
            }
            Some(Self { rule: rule.name.clone(), by })
        });
        Ok(shadowed.collect())
    }
}

/// Whether the earlier rule decides wherever the later one holds by this text.
fn goes_before(before: &Rule, rule: &Rule, text: Option<&String>) -> bool {
    let text_holds = match text {
        Some(text) => before.text.is_empty() || contains_any(text, &before.text),
        None => before.text.is_empty(),
    };
    let and_holds = before.and.is_empty()
        || (!rule.and.is_empty() && rule.and.iter().all(|own| contains_any(own, &before.and)));
    let not_holds = before.not.iter().all(|not| contains_any(not, &rule.not));
    let code_holds = before.code.is_empty()
        || (!rule.code.is_empty() && rule.code.iter().all(|own| before.code.contains(own)));
    let host_holds = before.host.is_empty()
        || (!rule.host.is_empty()
            && rule.host.iter().all(|own| {
                before.host.iter().any(|host| {
                    own.strip_suffix(host.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                })
            }));
    text_holds && and_holds && not_holds && code_holds && host_holds && outranks(before, rule)
}

/// Whether the earlier rule goes over the code at least where the later one does.
fn outranks(before: &Rule, rule: &Rule) -> bool {
    match &before.over {
        // As of every own rule that says no more.
        None | Some(Over::Any(AnyCode::Code)) => true,
        Some(Over::Codes(_)) => before.over == rule.over,
    }
}

fn contains_any(text: &str, fragments: &[String]) -> bool {
    fragments.iter().any(|fragment| text.contains(fragment.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rules: &[&str]) -> Vec<String> {
        let head = "version = \"1\"\n".to_owned();
        let file = rules.iter().enumerate().fold(head, |file, (index, rule)| {
            format!("{file}[[rule]]\nname = \"r{index}\"\n{rule}\nreason = \"expired\"\nsource = \"s\"\n")
        });
        Shadowed::find(&file).unwrap().into_iter().map(|shadowed| shadowed.rule).collect()
    }

    #[test]
    fn only_what_can_never_decide_is_listed() {
        let quota = r#"text = ["quota"]"#;
        assert_eq!(found(&[quota, r#"text = ["disk quota", "quota exceeded"]"#]), ["r1"]);
        assert_eq!(found(&[quota, r#"text = ["disk quota", "full"]"#]), [""; 0], "full decides");
        assert_eq!(found(&[quota, "text = [\"full\"]", "text = [\"quota\", \"full\"]"]), ["r2"]);
        assert_eq!(found(&["text = [\"quota\"]\nover = [\"5.1.1\"]", quota]), [""; 0]);
        assert_eq!(found(&[quota, "text = [\"quota\"]\ncode = [\"5.2.2\"]"]), ["r1"]);
        let at = "text = [\"quota\"]\nhost = [\"a.example\"]";
        assert_eq!(found(&[at, "text = [\"quota\"]\nhost = [\"mx.a.example\"]"]), ["r1"]);
        assert_eq!(found(&[at, quota]), [""; 0], "elsewhere it decides");
        assert_eq!(found(&["text = [\"quota\"]\nnot = [\"disk\"]", quota]), [""; 0]);
        assert_eq!(found(&["text = [\"quota\"]\nand = [\"disk\"]", quota]), [""; 0]);
        assert_eq!(found(&["code = [\"5.2.2\"]", "text = [\"x\"]\ncode = [\"5.2.2\"]"]), ["r1"]);
    }
}
