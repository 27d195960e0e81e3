//! Machines that make hits, and how they give themselves away. Data, with a version; each entry says where it is
//! known from.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use aho_corasick::AhoCorasick;
use chrono::TimeDelta;
use data_encoding::HEXLOWER;
use ipnet::IpNet;
use mailtrail_core::event::{Agent, HitKind};
use ring::digest::{SHA256, digest};
use serde::Deserialize;

/// A table of machines.
///
/// ```
/// use mailtrail_core::event::{Agent, HitKind};
/// use mailtrail_webhook::track::Machines;
/// let machines = Machines::builtin();
/// let apple = machines.find(HitKind::Pixel, Some("Mozilla/5.0"), None).unwrap();
/// assert_eq!((&*apple.rule, apple.agent), ("apple_mail_privacy", Agent::MailboxMachine));
/// assert!(machines.find(HitKind::Pixel, Some("Mozilla/5.0 (X11; Linux)"), None).is_none());
/// ```
/// # Which is newer?
/// That of the higher [`sequence`](Self::sequence); the [`version`](Self::version) is its name for people.
#[derive(Debug, Clone)]
pub struct Machines {
    version: Box<str>,
    sequence: u64,
    digest: Box<str>,
    timing: Timing,
    conduct: BTreeMap<Box<str>, Box<str>>,
    entries: Vec<Machine>,
    /// All that any entry looks for inside of a user agent: most agents hold none of it.
    parts: AhoCorasick,
}

/// A machine: it is recognised by all that its entry names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Machine {
    /// The rule's name.
    pub rule: Box<str>,
    /// Who makes its hits.
    pub agent: Agent,
    /// What it hits: both, if it says nothing.
    pub on: Option<HitKind>,
    /// The whole user agent.
    pub is: Option<Box<str>>,
    /// How its user agent may begin.
    #[serde(default)]
    pub begins: Vec<Box<str>>,
    /// One of these is in its user agent.
    #[serde(default)]
    pub holds: Vec<Box<str>>,
    /// Its networks.
    #[serde(default)]
    pub networks: Vec<IpNet>,
    /// Where this is known from.
    pub source: Box<str>,
}

/// How fast no person is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Timing {
    pub(super) links_at_once: usize,
    at_once_milliseconds: u16,
    beside_seconds: u16,
    same_program_seconds: u16,
    reading_seconds: u16,
}

impl Timing {
    pub(super) fn at_once(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.at_once_milliseconds.into())
    }

    pub(super) fn beside(&self) -> TimeDelta {
        TimeDelta::seconds(self.beside_seconds.into())
    }

    pub(super) fn same_program(&self) -> TimeDelta {
        TimeDelta::seconds(self.same_program_seconds.into())
    }

    pub(super) fn reading(&self) -> TimeDelta {
        TimeDelta::seconds(self.reading_seconds.into())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Box<str>,
    sequence: u64,
    timing: Timing,
    conduct: BTreeMap<Box<str>, Box<str>>,
    #[serde(rename = "machine", default)]
    machines: Vec<Machine>,
}

impl Machines {
    /// The table of this version.
    pub fn builtin() -> Arc<Self> {
        Arc::clone(&BUILTIN)
    }

    /// A table from a file of the form of ours, `machines/machines.toml`.
    ///
    /// # Errors
    /// [`MachinesError`] says what is wrong with it.
    pub fn from_toml(text: &str) -> Result<Self, MachinesError> {
        let File { version, sequence, timing, conduct, machines } = toml::from_str(text)?;
        for machine in &machines {
            let named = machine.is.is_some() || !machine.networks.is_empty();
            if !named && machine.begins.is_empty() && machine.holds.is_empty() {
                return Err(MachinesError::Anyone { rule: machine.rule.clone() });
            }
        }
        if timing.links_at_once < LEAST_LINKS {
            return Err(MachinesError::TooFewLinks { links: timing.links_at_once });
        }
        let digest = HEXLOWER.encode(digest(&SHA256, text.as_bytes()).as_ref()).into();
        let parts = AhoCorasick::new(
            machines.iter().flat_map(|machine| &machine.holds).map(|part| &**part),
        )?;
        Ok(Self { version, sequence, digest, timing, conduct, entries: machines, parts })
    }

    /// The machine that makes such a hit.
    pub fn find(
        &self,
        hit: HitKind,
        user_agent: Option<&str>,
        ip: Option<IpAddr>,
    ) -> Option<&Machine> {
        let holds_none = user_agent.is_none_or(|text| !self.parts.is_match(text));
        let may_be = |machine: &&Machine| !(holds_none && machine.is_held_only());
        self.entries.iter().filter(may_be).find(|machine| machine.makes(hit, user_agent, ip))
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Grows with every release of the table.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The digest of the file.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Its entries, in order.
    pub fn entries(&self) -> &[Machine] {
        &self.entries
    }

    /// What a rule goes by: where its machine is known from, or the conduct that it is.
    ///
    /// ```
    /// # use mailtrail_webhook::track::Machines;
    /// let why = Machines::builtin().why("trap_link").map(str::to_owned);
    /// assert_eq!(why.as_deref(), Some("followed the hidden link that no person sees"));
    /// ```
    pub fn why(&self, rule: &str) -> Option<&str> {
        let machine = self.entries.iter().find(|machine| *machine.rule == *rule);
        machine.map(|machine| &*machine.source).or_else(|| self.conduct.get(rule).map(|why| &**why))
    }

    pub(super) fn timing(&self) -> Timing {
        self.timing
    }
}

impl Machine {
    /// Whether it makes such hits.
    pub fn makes(&self, hit: HitKind, user_agent: Option<&str>, ip: Option<IpAddr>) -> bool {
        self.on.is_none_or(|on| on == hit)
            && (self.names_no_agent() || user_agent.is_some_and(|text| self.has_agent(text)))
            && (self.networks.is_empty() || ip.is_some_and(|ip| self.has_address(ip)))
    }

    /// Whether nothing but what its user agent holds tells its agent.
    fn is_held_only(&self) -> bool {
        !self.holds.is_empty() && self.is.is_none() && self.begins.is_empty()
    }

    fn names_no_agent(&self) -> bool {
        self.is.is_none() && self.begins.is_empty() && self.holds.is_empty()
    }

    fn has_agent(&self, text: &str) -> bool {
        self.is.as_deref() == Some(text)
            || self.begins.iter().any(|begin| text.starts_with(&**begin))
            || self.holds.iter().any(|part| text.contains(&**part))
    }

    fn has_address(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.networks.iter().any(|network| network.contains(&ip))
    }
}

/// Why a file is no table of machines.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MachinesError {
    /// It doesn't have the form of one.
    #[error("the table of machines can't be read")]
    Form(#[from] toml::de::Error),
    /// It has more, or longer, texts to look for than can be.
    #[error("the table of machines looks for too many texts")]
    TooMany(#[from] aho_corasick::BuildError),
    /// So few links are followed at once by anyone.
    #[error("{links} links at once are anyone's: say {LEAST_LINKS} or more")]
    TooFewLinks {
        /// How many it says.
        links: usize,
    },
    /// An entry names neither a user agent nor a network: it would be anyone.
    #[error("the entry {rule} names neither a user agent nor a network")]
    Anyone {
        /// The entry's rule.
        rule: Box<str>,
    },
}

/// What the table says of a user agent alone; unknown, by no rule, if nothing. For the opens that a provider reports
/// without saying whose they are.
pub(crate) fn judge(user_agent: Option<&str>) -> (Agent, Option<&'static str>) {
    let machine = BUILTIN.find(HitKind::Pixel, user_agent, None);
    machine.map_or((Agent::Unknown, None), |machine| (machine.agent, Some(&*machine.rule)))
}

/// A person may follow two by a double click.
const LEAST_LINKS: usize = 3;
static BUILTIN: LazyLock<Arc<Machines>> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "it is part of the program, and a test reads it")]
    let machines = Machines::from_toml(BUILTIN_TEXT).expect("the built-in table is one");
    machines.into()
});
const BUILTIN_TEXT: &str = include_str!("../../machines/machines.toml");

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(user_agent: &str, ip: &str) -> Option<String> {
        let machines = Machines::builtin();
        let found = machines.find(HitKind::Link, Some(user_agent), ip.parse().ok());
        found.map(|machine| machine.rule.to_string())
    }

    #[test]
    fn the_built_in_table_is_read_and_every_entry_says_where_it_is_from() {
        let machines = Machines::from_toml(BUILTIN_TEXT).unwrap();
        assert!(machines.entries().len() > 10);
        for machine in machines.entries() {
            assert!(machine.source.len() > 20, "{}", machine.rule);
            assert!(!matches!(machine.agent, Agent::Human | Agent::Foreign), "{}", machine.rule);
        }
        assert_eq!(machines.version(), machines.sequence().to_string());
        assert_eq!(machines.digest(), Machines::builtin().digest());
    }

    #[test]
    fn a_machine_is_known_by_its_agent_or_its_network() {
        let browser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        assert_eq!(rule(browser, "192.0.2.1"), None);
        assert_eq!(rule(browser, "148.163.130.9").as_deref(), Some("proofpoint_network"));
        assert_eq!(rule(browser, "::ffff:148.163.130.9").as_deref(), Some("proofpoint_network"));
        assert_eq!(rule("curl/8.5.0", "").as_deref(), Some("http_client"));
        assert_eq!(rule("Mozilla/5.0 (like curl/8)", ""), None, "only how it begins");
        assert_eq!(rule("Mozilla/5.0", ""), None, "Apple's proxy follows no links");
    }

    #[test]
    fn an_entry_that_would_be_anyone_is_refused() {
        let table = |entry: &str| {
            let (head, _) = BUILTIN_TEXT.split_once("[[machine]]").unwrap();
            let entry =
                format!("[[machine]]\nrule = \"r\"\nagent = \"scanner\"\nsource = \"s\"\n{entry}");
            Machines::from_toml(&format!("{head}{entry}"))
        };
        assert!(table("holds = [\"x\"]").is_ok());
        assert!(matches!(table(""), Err(MachinesError::Anyone { .. })));
        assert!(matches!(table("hodls = [\"x\"]"), Err(MachinesError::Form(_))));
    }
}
