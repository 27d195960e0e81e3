//! Dependencies point one way, and the core knows no runtime, network or store.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use crate::metadata::Metadata;
use crate::project::Project;
use crate::{output, process};

/// What each crate of ours may build upon.
const TABLE: &[(&str, &[&str])] = &[
    ("mailtrail-core", &[]),
    ("mailtrail-memory", &["mailtrail-core"]),
    ("mailtrail-folder", &["mailtrail-core"]),
    ("mailtrail-sled", &["mailtrail-core", "mailtrail-folder"]),
    ("mailtrail-fjall", &["mailtrail-core", "mailtrail-folder"]),
    ("mailtrail-remote", &["mailtrail-core"]),
    ("mailtrail-classify", &["mailtrail-core"]),
    ("mailtrail-report", &["mailtrail-core"]),
    ("mailtrail-testkit", &["mailtrail-core", "mailtrail-memory", "mailtrail-webhook"]),
    ("mailtrail-bounce", &["mailtrail-core", "mailtrail-classify"]),
    ("mailtrail-maillog", &["mailtrail-core", "mailtrail-classify"]),
    ("mailtrail-webhook", &["mailtrail-core", "mailtrail-classify"]),
    ("mailtrail-smtp", &["mailtrail-core", "mailtrail-classify", "mailtrail-bounce"]),
    (
        "mailtrail",
        &[
            "mailtrail-core",
            "mailtrail-memory",
            "mailtrail-sled",
            "mailtrail-fjall",
            "mailtrail-remote",
            "mailtrail-classify",
            "mailtrail-report",
            "mailtrail-bounce",
            "mailtrail-maillog",
            "mailtrail-webhook",
            "mailtrail-smtp",
        ],
    ),
    ("mailtrail-cli", &["mailtrail"]),
];

/// Unpublished crates that may depend on anything; nothing may depend on them, but for each other.
const FREE: &[&str] = &["xtask", "mailtrail-benches"];

/// What every crate's tests may use besides.
const FOR_TESTS: &[&str] = &[
    "mailtrail-core",
    "mailtrail-memory",
    "mailtrail-sled",
    "mailtrail-fjall",
    "mailtrail-testkit",
];

/// Runtimes, network and stores: never below the core.
const NOT_IN_CORE: &[&str] = &[
    "actix-rt",
    "async-io",
    "async-std",
    "axum",
    "embassy-executor",
    "fjall",
    "futures-executor",
    "glommio",
    "h2",
    "heed",
    "hickory-resolver",
    "hyper",
    "lettre",
    "libsqlite3-sys",
    "lmdb",
    "mail-send",
    "mio",
    "native-tls",
    "nix",
    "openssl",
    "polling",
    "postgres",
    "quinn",
    "redb",
    "reqwest",
    "rocksdb",
    "rusqlite",
    "rustls",
    "sled",
    "smol",
    "socket2",
    "sqlx",
    "tokio",
    "tokio-postgres",
    "tower",
    "ureq",
];

/// Checks both promises and prints what breaks them.
pub(crate) fn run(project: &Project) -> Result<bool> {
    let metadata = Metadata::read(project)?;
    let mut broken = wrong_edges(&metadata);
    let tree = process::capture(process::cargo(
        project,
        ["tree", "--package", "mailtrail-core", "--edges", "normal", "--all-features"]
            .into_iter()
            .chain(["--prefix", "none", "--format", "{p}"]),
    ))?;
    broken.extend(not_in_core(&tree)?);
    for fault in &broken {
        output::line(fault);
    }
    if broken.is_empty() {
        output::line(&format!("{} crates, every edge as designed", metadata.packages.len()));
    }
    Ok(broken.is_empty())
}

/// The edges between our crates that the table does not allow.
fn wrong_edges(metadata: &Metadata) -> Vec<String> {
    let mut broken = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        if FREE.contains(&name) {
            continue;
        }
        let Some(allowed) = allowed(name) else {
            broken.push(format!(
                "{name} is not in the table of crates: add it to crates/xtask/src/deps.rs"
            ));
            continue;
        };
        for dependency in
            package.dependencies.iter().filter(|edge| metadata.package(&edge.name).is_some())
        {
            let to = dependency.name.as_str();
            let for_tests = dependency.is_dev() && (FOR_TESTS.contains(&to) || reaches(name, to));
            if !allowed.contains(&to) && !for_tests {
                let kind = dependency.kind.as_deref().unwrap_or("normal");
                broken.push(format!("{name} must not depend on {to} ({kind})"));
            }
            if dependency.is_dev() && reaches(to, name) && dependency.req != "*" {
                broken.push(format!(
                    "{name} depends on {to} for its tests, and {to} on {name}: name no version, so that \
                     packaging can drop the cycle"
                ));
            }
        }
    }
    broken
}

fn allowed(name: &str) -> Option<&'static [&'static str]> {
    TABLE.iter().find(|(from, _)| *from == name).map(|(_, to)| *to)
}

/// Whether the table leads from one crate to the other.
fn reaches(from: &str, to: &str) -> bool {
    allowed(from).is_some_and(|next| next.iter().any(|next| *next == to || reaches(next, to)))
}

/// What the core's tree (one `name version` a line) holds and must not.
fn not_in_core(tree: &str) -> Result<Vec<String>> {
    let names: BTreeSet<&str> =
        tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    ensure!(names.contains("mailtrail-core"), "`cargo tree` does not show mailtrail-core");
    Ok(NOT_IN_CORE
        .iter()
        .filter(|name| names.contains(*name))
        .map(|name| format!("mailtrail-core must stay free of I/O, and its tree holds {name}"))
        .collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn broken(packages: &Value) -> Vec<String> {
        wrong_edges(&serde_json::from_value(json!({ "packages": packages })).unwrap())
    }

    fn crates() -> Vec<Value> {
        vec![
            json!({ "name": "mailtrail-core", "dependencies": [
                { "name": "serde", "kind": null, "req": "^1" },
                { "name": "mailtrail-memory", "kind": "dev", "req": "*" },
            ]}),
            json!({ "name": "mailtrail-memory", "dependencies": [
                { "name": "mailtrail-core", "kind": null, "req": "^0.1.0" },
                { "name": "mailtrail-testkit", "kind": "dev", "req": "*" },
            ]}),
            json!({ "name": "mailtrail-testkit", "dependencies": [
                { "name": "mailtrail-core", "kind": null, "req": "^0.1.0" },
            ]}),
            json!({ "name": "xtask", "dependencies": [
                { "name": "mailtrail-memory", "kind": null, "req": "^0.1.0" },
            ]}),
        ]
    }

    #[test]
    fn the_designed_edges_pass() {
        assert_eq!(broken(&json!(crates())), Vec::<String>::new());
    }

    #[test]
    fn an_edge_against_the_direction_is_named() {
        let mut packages = crates();
        packages[0]["dependencies"][1]["kind"] = Value::Null;
        assert_eq!(
            broken(&json!(packages)),
            ["mailtrail-core must not depend on mailtrail-memory (normal)"]
        );
        packages[0]["dependencies"][1]["kind"] = json!("build");
        assert_eq!(
            broken(&json!(packages)),
            ["mailtrail-core must not depend on mailtrail-memory (build)"]
        );
    }

    #[test]
    fn the_test_kit_is_for_tests_only() {
        let mut packages = crates();
        packages[1]["dependencies"][1]["kind"] = Value::Null;
        assert_eq!(
            broken(&json!(packages)),
            ["mailtrail-memory must not depend on mailtrail-testkit (normal)"]
        );
    }

    #[test]
    fn nothing_depends_on_what_is_unpublished() {
        let mut packages = crates();
        packages[2]["dependencies"][0] = json!({ "name": "xtask", "kind": "dev", "req": "*" });
        assert_eq!(broken(&json!(packages)), ["mailtrail-testkit must not depend on xtask (dev)"]);
    }

    #[test]
    fn a_cycle_for_tests_names_no_version() {
        let mut packages = crates();
        packages[0]["dependencies"][1]["req"] = json!("^0.1.0");
        let broken = broken(&json!(packages));
        assert_eq!(broken.len(), 1);
        assert!(broken[0].contains("name no version"), "{broken:?}");
    }

    #[test]
    fn an_unknown_crate_has_to_be_placed() {
        assert!(
            broken(&json!([{ "name": "mailtrail-new" }]))[0]
                .starts_with("mailtrail-new is not in the table")
        );
    }

    #[test]
    fn the_table_has_no_cycle_and_knows_its_names() {
        for (from, to) in TABLE {
            assert!(!reaches(from, from), "{from}");
            assert!(to.iter().all(|to| allowed(to).is_some()), "{from}");
        }
        assert!(reaches("mailtrail-cli", "mailtrail-classify"));
        assert!(!reaches("mailtrail-cli", "mailtrail-testkit"));
    }

    #[test]
    fn a_runtime_below_the_core_is_named() {
        let clean = "mailtrail-core v0.1.0 (/x)\nserde v1.0.0\nfutures-channel v0.3.0\n";
        assert_eq!(not_in_core(clean).unwrap(), Vec::<String>::new());
        let found = not_in_core(&format!("{clean}tokio v1.0.0\n")).unwrap();
        assert_eq!(found, ["mailtrail-core must stay free of I/O, and its tree holds tokio"]);
        assert!(not_in_core("").is_err(), "an empty tree proves nothing");
    }
}
