//! Providers that are files: each reads its own examples, and files that are wrong say what is.

use mailtrail_webhook::provider::{Account, Mapping};

use super::classifier;

#[test]
fn every_file_reads_its_own_examples() {
    for text in Mapping::BUILTIN {
        let mapping = Mapping::from_toml(text).unwrap();
        assert!(Account::providers().contains(&mapping.name().to_owned()));
        assert!(mapping.samples().len() >= 3, "{} has too few examples", mapping.name());
        for sample in mapping.samples() {
            let differences = sample.differences(&mapping, classifier());
            assert!(differences.is_empty(), "{}: {}: {differences:?}", mapping.name(), sample.body);
        }
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let head = "name = \"own\"\nsource = \"us\"\n[fields]\nevent = \"e\"\n";
    let of = |rest: &str| Mapping::from_toml(&format!("{head}{rest}")).unwrap_err().to_string();
    for (rest, told) in [
        ("[[event]]\nwhen = [\"a\"]\nis = \"explodes\"", "unknown variant `explodes`"),
        ("[[event]]\nwhen = [\"a\"]\nis = \"bounced\"\nhint = \"user_unknwon\"", "does not exist"),
        ("[[event]]\nwhen = [\"a\"]\nis = \"bounced\"\nfault = \"recipent\"", "does not exist"),
        ("[[event]]\nwhen = [\"a\"]\nis = \"bounced\"\nclass = \"none\"", "class none"),
        (
            "[[event]]\nwhen = [\"a\"]\nis = \"bounced\"\n[[event]]\nwhen = [\"b\", \"a\"]\nis = \"delivered\"",
            "never read",
        ),
        (
            "[signature]\nalgorithm = \"hmac-sha256\"\nheader = \"x\"\nsigned = \"{time}\"\n[[event]]\nwhen = [\"a\"]\nis = \"bounced\"",
            "{time}",
        ),
        (
            "[signature]\nalgorithm = \"hmac-sha256\"\nheader = \"x\"\nsigned = \"{id}{body}\"\n[[event]]\nwhen = [\"a\"]\nis = \"bounced\"",
            "{id}",
        ),
    ] {
        assert!(of(rest).contains(told), "{}", of(rest));
    }
    let name = Mapping::from_toml("name = \"My Mail\"\nsource = \"\"\nevent = []\n[fields]\n")
        .unwrap_err();
    assert!(name.to_string().contains("small letters"), "{name}");
}

#[test]
fn the_file_in_the_documentation_reads_its_own_example() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/providers.md");
    let text = std::fs::read_to_string(path).unwrap();
    let blocks = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let file = blocks.into_iter().find(|block| block.starts_with("name = ")).unwrap();
    let mapping = Mapping::from_toml(file).unwrap();
    assert_eq!(mapping.samples()[0].differences(&mapping, classifier()), Vec::<String>::new());
}
