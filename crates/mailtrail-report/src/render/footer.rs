//! Where a report comes from: the last lines of a table, a file beside CSV and JSON.

use mailtrail_core::store::Head;
use serde::Serialize;

/// Where a report comes from, so that anyone can check it. Beside CSV and JSON Lines it is written as
/// one JSON object.
///
/// ```
/// use mailtrail_core::store::Head;
/// use mailtrail_report::render::Footer;
/// let footer = Footer::new(Head::default(), "now", "mailtrail 0.1.0").versions(Some("7".into()), None);
/// assert!(footer.lines().ends_with("as of now\nmailtrail 0.1.0, rules 7\n"));
/// assert!(serde_json::to_string(&footer)?.starts_with("{\"position\":0,\"chain_head\":\"0000"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Footer {
    /// The last position that is in it.
    pub position: u64,
    /// The chain hash there.
    pub chain_head: String,
    /// The bound: `now` or a time or position.
    pub as_of: String,
    /// The program's version.
    pub program: String,
    /// The version of the rules that read replies and bounces.
    pub rules: Option<String>,
    /// The version of the table of machines that open mail.
    pub machines: Option<String>,
}

impl Footer {
    /// Of a report up to this head.
    pub fn new(head: Head, as_of: impl Into<String>, program: impl Into<String>) -> Self {
        Self {
            position: head.position.get(),
            chain_head: head.hash.to_string(),
            as_of: as_of.into(),
            program: program.into(),
            rules: None,
            machines: None,
        }
    }

    /// With the versions of the rules and of the machine table.
    pub fn versions(mut self, rules: Option<String>, machines: Option<String>) -> Self {
        (self.rules, self.machines) = (rules, machines);
        self
    }

    /// Each part with its name, for formats that keep such pairs.
    #[cfg(feature = "parquet")]
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'static str, String)> {
        let known = [
            ("position", Some(self.position.to_string())),
            ("chain_head", Some(self.chain_head.clone())),
            ("as_of", Some(self.as_of.clone())),
            ("program", Some(self.program.clone())),
            ("rules", self.rules.clone()),
            ("machines", self.machines.clone()),
        ];
        known.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    /// The last lines of a table.
    pub fn lines(&self) -> String {
        let versions = [("rules", &self.rules), ("machines", &self.machines)];
        let named = versions.iter().filter_map(|(name, version)| {
            version.as_ref().map(|version| format!(", {name} {version}"))
        });
        format!(
            "position {}, chain head {}, as of {}\n{}{}\n",
            self.position,
            self.chain_head,
            self.as_of,
            self.program,
            named.collect::<String>()
        )
    }
}
