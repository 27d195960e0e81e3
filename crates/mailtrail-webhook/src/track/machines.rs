//! User agents that tell who they are. Data, with a version; each entry says where it is from.

use mailtrail_core::event::Agent;

/// A user agent that alone decides who made a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Machine {
    /// The rule's name.
    pub rule: &'static str,
    /// How it is recognised.
    pub user_agent: Matches,
    /// Who made the hit.
    pub agent: Agent,
    /// Where this is known from.
    pub source: &'static str,
}

/// How a user agent is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Matches {
    /// It is this text.
    Exactly(&'static str),
    /// It has this text in it.
    Holds(&'static str),
}

impl Machine {
    /// Whether a user agent is this machine's.
    pub fn matches(&self, user_agent: &str) -> bool {
        match self.user_agent {
            Matches::Exactly(text) => user_agent == text,
            Matches::Holds(text) => user_agent.contains(text),
        }
    }
}

/// Who has this user agent, and the rule that says so; unknown, by no rule, if none does.
///
/// ```
/// use mailtrail_core::event::Agent;
/// use mailtrail_webhook::track::machines::judge;
/// assert_eq!(judge(Some("Mozilla/5.0")), (Agent::MailboxMachine, Some("apple_mail_privacy")));
/// assert_eq!(judge(Some("Mozilla/5.0 (X11; Linux)")), (Agent::Unknown, None));
/// ```
pub fn judge(user_agent: Option<&str>) -> (Agent, Option<&'static str>) {
    let known = |user_agent: &str| MACHINES.iter().find(|machine| machine.matches(user_agent));
    let machine = user_agent.and_then(known);
    machine.map_or((Agent::Unknown, None), |machine| (machine.agent, Some(machine.rule)))
}

/// The version of the table.
pub const VERSION: &str = "1";

/// The table.
pub const MACHINES: &[Machine] = &[
    Machine {
        rule: "apple_mail_privacy",
        user_agent: Matches::Exactly("Mozilla/5.0"),
        agent: Agent::MailboxMachine,
        source: "Apple Mail Privacy Protection loads remote content when the mail arrives, with this bare user agent",
    },
    Machine {
        rule: "yahoo_mail_proxy",
        user_agent: Matches::Holds("YahooMailProxy"),
        agent: Agent::MailboxMachine,
        source: "Yahoo Mail loads images through its proxy, which names itself",
    },
    Machine {
        rule: "google_image_proxy",
        user_agent: Matches::Holds("GoogleImageProxy"),
        agent: Agent::Unknown,
        source: "Gmail loads images through its proxy, mostly when a person opens the mail: it can't be told apart",
    },
];
