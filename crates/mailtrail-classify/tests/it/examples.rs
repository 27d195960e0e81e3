//! Every built-in rule has an example that it decides, and what is explained is what decides.

use std::collections::BTreeSet;

use mailtrail_classify::{Classifier, Example, Reply};
use proptest::prelude::*;

const EXAMPLES: &str = include_str!("../../rules/examples.toml");

#[test]
fn every_built_in_rule_decides_an_example() {
    let classifier = Classifier::builtin().unwrap();
    let mut decided = BTreeSet::new();
    for example in Example::read(EXAMPLES).unwrap() {
        let verdict = example.try_on(&classifier);
        assert!(example.is_met(&verdict), "expected {example:?}, got {verdict:?}");
        assert_eq!(classifier.explain(&example.reply())[0].verdict, verdict);
        decided.insert(verdict.rule);
    }
    let without: Vec<_> = classifier.rules().filter(|rule| !decided.contains(*rule)).collect();
    assert!(without.is_empty(), "add a test to rules/examples.toml for {without:?}");
}

#[test]
fn a_newer_version_of_own_rules_has_the_higher_digest_whatever_they_say() {
    let own = |version: &str, fragment: &str| {
        let rules = format!(
            "version = \"{version}\"\n[[rule]]\nname = \"r\"\ntext = [\"{fragment}\"]\n\
             reason = \"expired\"\nsource = \"s\"\n"
        );
        Classifier::with_own(&rules).unwrap().digest().to_owned()
    };
    for fragment in ["a", "b", "c", "d", "e"] {
        assert!(
            own("9", fragment) < own("10", "x") && own("2026-11-03", fragment) > own("10", "x")
        );
        assert!(own("1", fragment).as_str() > Classifier::builtin().unwrap().digest());
    }
}

#[test]
fn an_own_rule_goes_before_ours_and_before_the_code() {
    let own = |over: &str| {
        let rules = format!(
            "version = \"1\"\n[[rule]]\nname = \"r\"\ntext = [\"mailbox full\"]\n{over}\n\
             reason = \"system_full\"\nsource = \"s\"\n"
        );
        let verdict = |text| {
            let classifier = Classifier::with_own(&rules).unwrap();
            classifier.classify(&Reply::parse(text)).rule
        };
        (verdict("550 mailbox full"), verdict("550 5.1.1 mailbox full"))
    };
    assert_eq!(own(""), ("own/r".into(), "own/r".into()));
    assert_eq!(own("over = [\"5.1.1\"]"), ("text/full".into(), "own/r".into()));
}

thread_local! {
    static BUILTIN: Classifier = Classifier::builtin().unwrap();
}

proptest! {
    #[test]
    fn the_first_ground_is_the_verdict(
        code in "(4[0-9]{2}|5[0-9]{2}|)", enhanced in "([245]\\.[0-7]\\.[0-9]{1,2}|)",
        words in proptest::collection::vec("(mailbox full|user unknown|spam|policy|host unknown|dns error|[a-z]{1,6})", 0..4),
    ) {
        let classifier = BUILTIN.with(Clone::clone);
        let reply = Reply::parse(&format!("{code} {enhanced} {}", words.join(" ")));
        let grounds = classifier.explain(&reply);
        prop_assert_eq!(&grounds[0].verdict, &classifier.classify(&reply));
    }
}
