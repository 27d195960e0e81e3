//! What the hits of a delivery, seen together, say of each.

use std::collections::BTreeSet;
use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use mailtrail_core::EventId;
use mailtrail_core::event::{Agent, Envelope, Hit, HitKind, Private};

use super::link::TRAP_LINK;
use super::machines::{Machine, Machines};

/// A hit, as far as a verdict may look at it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) id: EventId,
    pub(super) recorded_at: DateTime<Utc>,
    /// When it came: a store that was slow records hits of several seconds at once.
    at: DateTime<Utc>,
    kind: HitKind,
    link: Option<Box<str>>,
    user_agent: Option<Box<str>>,
    ip: Option<IpAddr>,
}

/// Who made a hit, and the rule that says so.
pub(super) type Judged = (Agent, Box<str>);

impl Seen {
    pub(super) fn of(envelope: &Envelope, hit: &Hit) -> Self {
        let Private { user_agent, ip, .. } = envelope.private();
        let recorded_at = envelope.recorded_at;
        Self {
            id: envelope.event.event_id,
            recorded_at,
            at: envelope.event.occurred_at.unwrap_or(recorded_at),
            kind: hit.hit,
            link: hit.link.clone(),
            user_agent: user_agent.filter(|text| !text.is_empty()),
            ip: address(ip.as_deref()),
        }
    }

    fn is_near(&self, other: &Self, within: TimeDelta) -> bool {
        self.at.signed_duration_since(other.at).abs() <= within
    }

    /// An address of our own network is that of a proxy before us, and says nothing.
    fn shares_address(&self, other: &Self) -> bool {
        self.ip.is_some_and(|ip| Some(ip) == other.ip && is_public(ip))
    }

    fn shares_agent(&self, other: &Self) -> bool {
        self.user_agent.is_some() && self.user_agent == other.user_agent
    }
}

/// What the hit alone decides: its machine, if that one proves anything, or the trap link.
pub(super) fn at_once(machines: &Machines, hit: &Hit, private: &Private) -> Option<Judged> {
    let (ip, user_agent) = (address(private.ip.as_deref()), private.user_agent.as_deref());
    decided(machines, hit.hit, hit.link.as_deref(), user_agent, ip)
}

fn decided(
    machines: &Machines,
    kind: HitKind,
    link: Option<&str>,
    user_agent: Option<&str>,
    ip: Option<IpAddr>,
) -> Option<Judged> {
    if link == Some(TRAP_LINK) {
        return Some((Agent::Scanner, TRAPPED.into()));
    }
    let machine = machines.find(kind, user_agent, ip)?;
    (machine.agent != Agent::Unknown).then(|| (machine.agent, machine.rule.clone()))
}

/// The hits that a verdict on one of them may look at.
pub(super) struct Scene<'a> {
    machines: &'a Machines,
    /// In the order in which they came; a machine's with the rule that says so.
    hits: Vec<(&'a Seen, Option<Judged>)>,
}

impl<'a> Scene<'a> {
    /// Of hits of one delivery, in any order, once each.
    pub(super) fn new(machines: &'a Machines, hits: impl Iterator<Item = &'a Seen>) -> Self {
        let alone = |hit: &'a Seen| {
            let (link, user_agent) = (hit.link.as_deref(), hit.user_agent.as_deref());
            (hit, decided(machines, hit.kind, link, user_agent, hit.ip))
        };
        let mut alone: Vec<_> = hits.map(alone).collect();
        alone.sort_by_key(|(hit, _)| (hit.at, hit.id));
        let mut scene = Self { machines, hits: alone };
        let fast = scene.too_fast();
        let conduct = |(hit, alone): &(&'a Seen, Option<Judged>)| {
            let by_conduct = || scene.beside(hit).or(fast.contains(&hit.id).then_some(AT_ONCE));
            let judged = alone.clone();
            (*hit, judged.or_else(|| by_conduct().map(|rule| (Agent::Scanner, rule.into()))))
        };
        scene.hits = scene.hits.iter().map(conduct).collect();
        scene
    }

    /// Who made this hit.
    pub(super) fn verdict(&self, hit: &Seen) -> Judged {
        let machine = self.hits.iter().find(|(seen, _)| seen.id == hit.id);
        if let Some((_, Some(judged))) = machine {
            return judged.clone();
        }
        let mut others = self.hits.iter().filter(|(_, judged)| judged.is_none());
        if others.any(|(other, _)| self.is_reading(hit, other) || self.is_reading(other, hit)) {
            return (Agent::Human, READING.into());
        }
        let stands_for_someone = self.machine(hit).map(|machine| machine.rule.clone());
        (Agent::Unknown, stands_for_someone.unwrap_or_else(|| UNDECIDED.into()))
    }

    /// Whether it is a scanner's by what was hit beside it.
    fn beside(&self, hit: &Seen) -> Option<&'static str> {
        let timing = self.machines.timing();
        let near = |other: &Seen| hit.is_near(other, timing.beside());
        let same_program = |other: &Seen| {
            let within = timing.same_program();
            hit.is_near(other, within) && hit.shares_address(other) && hit.shares_agent(other)
        };
        let trap = |(other, judged): &(&Seen, Option<Judged>)| {
            let trapped = judged.as_ref().is_some_and(|(_, rule)| **rule == *TRAPPED);
            let shares = hit.shares_address(other) || hit.shares_agent(other);
            trapped && (near(other) && shares || same_program(other))
        };
        let scanner = |(other, judged): &(&Seen, Option<Judged>)| {
            let scans = matches!(judged, Some((Agent::Scanner, _)));
            scans && near(other) && hit.shares_address(other)
        };
        let trapped = self.hits.iter().any(trap).then_some(BESIDE_TRAP);
        trapped.or_else(|| self.hits.iter().any(scanner).then_some(BESIDE))
    }

    /// Links that are followed faster than a hand can, and the pixel if it was fetched with them. From
    /// how many addresses does not matter: a gateway has many.
    fn too_fast(&self) -> BTreeSet<EventId> {
        let timing = self.machines.timing();
        let within = timing.at_once();
        let mut fast = BTreeSet::new();
        for (first, _) in &self.hits {
            let since = |hit: &Seen| hit.at.signed_duration_since(first.at);
            let together: Vec<&Seen> = self
                .hits
                .iter()
                .map(|(hit, _)| *hit)
                .filter(|hit| (TimeDelta::zero()..=within).contains(&since(hit)))
                .collect();
            let links: BTreeSet<_> =
                together.iter().filter_map(|hit| hit.link.as_deref()).collect();
            if links.len() >= timing.links_at_once {
                let followed = |hit: &Seen| {
                    let with = |other: &&Seen| hit.shares_address(other) || hit.shares_agent(other);
                    hit.link.is_some()
                        || together.iter().any(|other| other.link.is_some() && with(other))
                };
                fast.extend(together.iter().filter(|hit| followed(hit)).map(|hit| hit.id));
            }
        }
        fast
    }

    /// Whether a person opened the mail, read in it, and followed a link: neither is a machine's.
    fn is_reading(&self, open: &Seen, click: &Seen) -> bool {
        let timing = self.machines.timing();
        let took = click.at.signed_duration_since(open.at);
        let browser = click.user_agent.as_deref().is_some_and(|text| text.starts_with(BROWSER));
        let same_reader = open.shares_agent(click) || self.machine(open).is_some();
        let around = timing.beside();
        let links = || {
            let near = self.hits.iter().filter(|(hit, _)| hit.is_near(click, around));
            near.filter_map(|(hit, _)| hit.link.as_deref()).collect::<BTreeSet<_>>().len()
        };
        open.kind == HitKind::Pixel
            && click.kind == HitKind::Link
            && took >= timing.reading()
            && browser
            && same_reader
            && links() < timing.links_at_once
    }

    fn machine(&self, hit: &Seen) -> Option<&Machine> {
        self.machines.find(hit.kind, hit.user_agent.as_deref(), hit.ip)
    }
}

fn address(text: Option<&str>) -> Option<IpAddr> {
    text?.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_private() && !ip.is_link_local(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unique_local() && !ip.is_unicast_link_local(),
    }
}

/// The rule of a verdict when nothing says who it was: counts as a person, and says so.
const UNDECIDED: &str = "undecided";
const TRAPPED: &str = "trap_link";
const BESIDE_TRAP: &str = "beside_trap_link";
const BESIDE: &str = "beside_scanner";
const AT_ONCE: &str = "links_at_once";
const READING: &str = "read_then_clicked";
/// How the user agents of all browsers begin that people use.
const BROWSER: &str = "Mozilla/5.0 (";
