//! Which next hop is served next, by how many connections: what waits, and nothing that does.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mailtrail_core::DeliveryId;
use tokio::time::Instant;

use super::super::route::{Failure, NextHop};
use super::Limits;

/// A row that waits for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) delivery: DeliveryId,
    /// It was tried before in this run.
    pub(super) again: bool,
}

/// The number of a next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hop(usize);

/// What a worker is to do next.
#[derive(Debug)]
pub(super) enum Turn {
    /// This row, to a next hop of which this is known.
    Row(Waiting, Known),
    /// End, and [leave](Board::leave): nothing waits there, or others wait longer.
    End,
}

/// What is known about a next hop.
#[derive(Debug, Clone)]
pub(in crate::send) enum Known {
    Nothing,
    /// It serves over other connections: if it takes no more of these, that is no row's fault.
    Serves,
    /// It takes nothing at present, and isn't asked.
    Down(Arc<Failure>),
}

/// How a next hop has served a row.
#[derive(Debug)]
pub(super) enum Service {
    Prompt,
    Slow,
    /// It takes nothing at present, until it is asked again.
    Down(Arc<Failure>, Instant),
    /// It takes no more connections than those that it has, until it is asked again.
    Full(Instant),
    /// It wasn't asked.
    Unknown,
}

/// All next hops with what waits for them.
///
/// A hop that hasn't shown that it is prompt gets one worker, and all such together at most half of the
/// connections. One that has said nothing for a while is stuck: what waits for its word takes no
/// connection from others, up to twice as many again. So the sick never hold up the healthy.
#[derive(Debug)]
pub(super) struct Board {
    limits: Limits,
    hops: Vec<State>,
    numbers: HashMap<NextHop, usize>,
    /// Those with workers.
    active: BTreeSet<usize>,
    ready: VecDeque<usize>,
    unproven: VecDeque<usize>,
    waiting: usize,
    workers: Workers,
    stopped: bool,
}

/// How many workers there are, by how their next hop does.
#[derive(Debug, Default)]
struct Workers {
    prompt: usize,
    unproven: usize,
    stuck: usize,
}

/// How a next hop does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Prompt,
    Unproven,
    Stuck,
}

#[derive(Debug)]
struct State {
    rows: VecDeque<Waiting>,
    workers: usize,
    allowed: usize,
    health: Health,
    down: Option<(Arc<Failure>, Instant)>,
    /// How many connections it takes, until then.
    full: Option<(usize, Instant)>,
    /// When it last said something, or was asked.
    news: Instant,
    /// It is in one of the two lines.
    in_line: bool,
}

impl Board {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            hops: Vec::new(),
            numbers: HashMap::new(),
            active: BTreeSet::new(),
            ready: VecDeque::new(),
            unproven: VecDeque::new(),
            waiting: 0,
            workers: Workers::default(),
            stopped: false,
        }
    }

    /// The number of a next hop, new or old.
    pub(super) fn hop(&mut self, name: NextHop) -> Hop {
        if let Some(number) = self.numbers.get(&name) {
            return Hop(*number);
        }
        let number = self.hops.len();
        self.numbers.insert(name, number);
        self.hops.push(State {
            rows: VecDeque::new(),
            workers: 0,
            allowed: 1,
            health: Health::Unproven,
            down: None,
            full: None,
            news: Instant::now(),
            in_line: false,
        });
        Hop(number)
    }

    /// A row waits.
    pub(super) fn add(&mut self, hop: Hop, row: Waiting) {
        let Some(state) = self.hops.get_mut(hop.0) else { return };
        state.rows.push_back(row);
        self.waiting = self.waiting.saturating_add(1);
        self.line_up(hop.0);
    }

    /// How many rows wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many workers there are.
    pub(super) fn workers(&self) -> usize {
        self.workers.busy().saturating_add(self.workers.stuck)
    }

    /// Whether rows of other next hops than those that are being served could be, if there were any.
    pub(super) fn has_room(&self) -> bool {
        !self.lines_wait() && self.workers.busy() < self.limits.connections
    }

    /// Whether a next hop waits for a worker.
    pub(super) fn lines_wait(&self) -> bool {
        !self.ready.is_empty() || !self.unproven.is_empty()
    }

    /// No worker gets another row.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Sets those aside that have said nothing for so long.
    pub(super) fn set_aside(&mut self, now: Instant, silence: Duration) {
        let most = self.limits.connections.saturating_mul(2);
        let is_silent = |number: &usize| {
            self.hops.get(*number).is_some_and(|state| {
                state.health != Health::Stuck && now.duration_since(state.news) >= silence
            })
        };
        let silent: Vec<_> = self.active.iter().copied().filter(is_silent).collect();
        for number in silent {
            let Some(state) = self.hops.get(number) else { continue };
            if self.workers.stuck.saturating_add(state.workers) <= most {
                self.change(number, |state| (state.health, state.allowed) = (Health::Stuck, 1));
            }
        }
    }

    /// The next hop that gets one more worker now, if any does.
    pub(super) fn start(&mut self, now: Instant) -> Option<Hop> {
        // Those that were set aside may all speak again at once.
        let all = self.workers() >= self.limits.connections.saturating_mul(3);
        if self.stopped || all || self.workers.busy() >= self.limits.connections {
            return None;
        }
        let number = self.first_in_line()?;
        self.active.insert(number);
        self.change(number, |state| {
            state.workers = state.workers.saturating_add(1);
            state.news = now;
        });
        self.line_up(number);
        Some(Hop(number))
    }

    /// The next that may have one more worker. How it does may have changed since it was put in line.
    fn first_in_line(&mut self) -> Option<usize> {
        while let Some(number) = self.ready.pop_front() {
            if self.leaves_line(number, Health::Prompt) {
                return Some(number);
            }
        }
        let half = self.limits.connections.div_ceil(2);
        while self.workers.unproven < half {
            let number = self.unproven.pop_front()?;
            if self.leaves_line(number, Health::Unproven) {
                return Some(number);
            }
        }
        None
    }

    /// Whether a hop that was in a line belongs there still; if not, it is put where it does.
    fn leaves_line(&mut self, number: usize, line: Health) -> bool {
        let Some(state) = self.hops.get_mut(number) else { return false };
        state.in_line = false;
        let useful = !state.rows.is_empty() && state.workers < state.allowed;
        let belongs = (state.health == Health::Prompt) == (line == Health::Prompt);
        if useful && !belongs {
            self.line_up(number);
        }
        useful && belongs
    }

    /// What a worker that has served so many rows is to do next.
    pub(super) fn turn(&mut self, hop: Hop, served: usize, now: Instant) -> Turn {
        let ends = self.stopped || (served >= self.limits.messages && self.lines_wait());
        let Some(state) = self.hops.get_mut(hop.0) else { return Turn::End };
        let row = if ends { None } else { state.rows.pop_front() };
        let Some(row) = row else { return Turn::End };
        self.waiting = self.waiting.saturating_sub(1);
        state.down.take_if(|(_, until)| *until <= now);
        let known = match &state.down {
            Some((failure, _)) => Known::Down(Arc::clone(failure)),
            None if state.health == Health::Prompt && (state.workers > 1 || served > 0) => {
                Known::Serves
            }
            None => Known::Nothing,
        };
        Turn::Row(row, known)
    }

    /// How a row was served there.
    pub(super) fn served(&mut self, hop: Hop, service: Service, now: Instant) {
        let most = self.limits.per_next_hop;
        self.change(hop.0, |state| {
            state.news = now;
            match service {
                Service::Prompt => {
                    (state.health, state.down) = (Health::Prompt, None);
                    state.full.take_if(|(_, until)| *until <= now);
                    let most = state.full.map_or(most, |(most, _)| most);
                    state.allowed = state.allowed.saturating_add(1).min(most);
                }
                Service::Slow => (state.health, state.allowed) = (Health::Unproven, 1),
                Service::Down(failure, until) => {
                    (state.health, state.allowed) = (Health::Unproven, 1);
                    state.down = Some((failure, until));
                }
                Service::Full(until) => {
                    let most = state.workers.saturating_sub(1).max(1);
                    (state.full, state.allowed) = (Some((most, until)), most);
                }
                Service::Unknown if state.health == Health::Stuck => {
                    state.health = Health::Unproven;
                }
                Service::Unknown => {}
            }
        });
        self.line_up(hop.0);
    }

    /// A worker has ended, and its connection with it.
    pub(super) fn leave(&mut self, hop: Hop) {
        self.change(hop.0, |state| state.workers = state.workers.saturating_sub(1));
        if self.hops.get(hop.0).is_some_and(|state| state.workers == 0) {
            self.active.remove(&hop.0);
        }
        self.line_up(hop.0);
    }

    /// Changes a hop, and counts its workers where they belong.
    fn change(&mut self, number: usize, change: impl FnOnce(&mut State)) {
        let Some(state) = self.hops.get_mut(number) else { return };
        let before = self.workers.of(state.health);
        *before = before.saturating_sub(state.workers);
        change(state);
        let after = self.workers.of(state.health);
        *after = after.saturating_add(state.workers);
    }

    /// Puts a hop in line if one more worker would have something to do there, and may be.
    fn line_up(&mut self, number: usize) {
        let Some(state) = self.hops.get_mut(number) else { return };
        let useful = !state.rows.is_empty() && state.workers < state.allowed;
        if useful && !state.in_line {
            state.in_line = true;
            let line = match state.health {
                Health::Prompt => &mut self.ready,
                Health::Unproven | Health::Stuck => &mut self.unproven,
            };
            line.push_back(number);
        }
    }
}

impl Workers {
    /// Those that take a connection from others.
    fn busy(&self) -> usize {
        self.prompt.saturating_add(self.unproven)
    }

    fn of(&mut self, health: Health) -> &mut usize {
        match health {
            Health::Prompt => &mut self.prompt,
            Health::Unproven => &mut self.unproven,
            Health::Stuck => &mut self.stuck,
        }
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of a test")]
mod tests;
