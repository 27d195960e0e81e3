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
    /// End: nothing waits there, or others wait longer.
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
    name: NextHop,
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
        self.numbers.insert(name.clone(), number);
        self.hops.push(State {
            name,
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
    pub(super) fn start(&mut self, now: Instant) -> Option<(Hop, NextHop)> {
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
        let name = self.hops.get(number)?.name.clone();
        Some((Hop(number), name))
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
        let Some(row) = row else {
            self.leave(hop);
            return Turn::End;
        };
        self.waiting = self.waiting.saturating_sub(1);
        state.down.take_if(|(_, until)| *until <= now);
        let known = match &state.down {
            Some((failure, _)) => Known::Down(Arc::clone(failure)),
            None if state.health == Health::Prompt && state.workers > 1 => Known::Serves,
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

    /// A worker ends.
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
mod tests {
    use mailtrail_core::EmailAddress;
    use mailtrail_core::diagnosis::Diagnosis;
    use mailtrail_core::reason::Reason;
    use proptest::prelude::*;

    use super::super::super::route::Route;
    use super::*;

    fn named(name: &str) -> NextHop {
        NextHop::of(&EmailAddress::parse(&format!("a@{name}.example")).unwrap())
    }

    fn row(n: usize) -> Waiting {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&n.to_be_bytes());
        Waiting { delivery: DeliveryId::from_bytes(id), again: false }
    }

    fn limits(connections: usize, per_next_hop: usize) -> Limits {
        Limits::default().connections(connections).per_next_hop(per_next_hop)
    }

    /// What happens to a board, by numbers that are folded to what is there.
    #[derive(Debug, Clone)]
    enum Step {
        Add(usize),
        Start,
        Turn(usize),
        Served(usize, u8),
        SetAside,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_usize..6).prop_map(Step::Add),
            Just(Step::Start),
            (0_usize..100).prop_map(Step::Turn),
            (0_usize..100, 0_u8..5).prop_map(|(worker, how)| Step::Served(worker, how)),
            Just(Step::SetAside),
        ]
    }

    proptest! {
        #[test]
        fn each_row_gets_one_turn_and_no_limit_is_passed(
            steps in proptest::collection::vec(step(), 1..400),
            connections in 1_usize..8, per_next_hop in 1_usize..4,
        ) {
            let mut board = Board::new(limits(connections, per_next_hop));
            let now = Instant::now();
            let (mut added, mut seen) = (0, std::collections::HashSet::new());
            let mut workers: Vec<(Hop, NextHop)> = Vec::new();
            let turn = |board: &mut Board, workers: &mut Vec<(Hop, NextHop)>, at: usize,
                            seen: &mut std::collections::HashSet<DeliveryId>| {
                match board.turn(workers[at].0, 0, now) {
                    Turn::Row(row, _) => assert!(seen.insert(row.delivery), "twice"),
                    Turn::End => drop(workers.swap_remove(at)),
                }
            };
            for step in steps {
                match step {
                    Step::Add(hop) => {
                        let hop = board.hop(named(&format!("h{hop}")));
                        board.add(hop, row(added));
                        added += 1;
                    }
                    Step::Start => workers.extend(board.start(Instant::now())),
                    Step::Turn(n) if !workers.is_empty() => {
                        let at = n % workers.len();
                        turn(&mut board, &mut workers, at, &mut seen);
                    }
                    Step::Served(n, how) if !workers.is_empty() => {
                        let down = || Arc::from(Failure::passing(Diagnosis::default(), String::new()));
                        let service = match how {
                            0 => Service::Prompt,
                            1 => Service::Slow,
                            2 => Service::Down(down(), now),
                            3 => Service::Full(now),
                            _ => Service::Unknown,
                        };
                        board.served(workers[n % workers.len()].0, service, now);
                    }
                    Step::SetAside => board.set_aside(now, Duration::ZERO),
                    Step::Turn(_) | Step::Served(..) => {}
                }
                prop_assert!(workers.len() <= connections * 3);
                prop_assert_eq!(board.workers(), workers.len());
                prop_assert_eq!(board.waiting(), added - seen.len());
                for (hop, _) in &workers {
                    let there = workers.iter().filter(|(other, _)| other == hop).count();
                    prop_assert!(there <= per_next_hop);
                }
            }
            // Whatever has happened, all that waits is served in the end.
            for _ in 0..10_000 {
                workers.extend(board.start(Instant::now()));
                if workers.is_empty() {
                    break;
                }
                turn(&mut board, &mut workers, 0, &mut seen);
            }
            prop_assert_eq!(seen.len(), added);
        }
    }

    /// So many hops with a row each.
    fn many(board: &mut Board, name: &str, count: usize) {
        for n in 0..count {
            let hop = board.hop(named(&format!("{name}{n}")));
            board.add(hop, row(n));
        }
    }

    #[test]
    fn new_next_hops_leave_half_of_the_connections_to_those_that_are_prompt() {
        let mut board = Board::new(limits(10, 10));
        many(&mut board, "new", 100);
        let now = Instant::now();
        assert_eq!(std::iter::from_fn(|| board.start(now)).count(), 5);
        let prompt = board.hop(named("prompt"));
        board.served(prompt, Service::Prompt, now);
        (0..100).for_each(|n| board.add(prompt, row(1_000 + n)));
        assert!(board.start(now).is_some_and(|(hop, _)| hop == prompt));
    }

    #[test]
    fn those_that_say_nothing_make_room_for_others() {
        let mut board = Board::new(limits(10, 10));
        many(&mut board, "mute", 100);
        let (mut now, silence) = (Instant::now(), Duration::from_secs(1));
        let mut started = 0;
        for _ in 0..10 {
            started += std::iter::from_fn(|| board.start(now)).count();
            board.set_aside(now, silence);
            now += silence;
            board.set_aside(now, silence);
        }
        assert_eq!(started, 25, "half of the connections, and twice as many as there are");
        assert_eq!(board.workers.stuck, 20);
    }

    #[test]
    fn one_that_takes_no_more_connections_keeps_those_that_it_has() {
        let mut board = Board::new(limits(10, 10));
        let (hop, mut now) = (board.hop(named("small")), Instant::now());
        (0..100).for_each(|n| board.add(hop, row(n)));
        for _ in 0..4 {
            board.start(now).unwrap();
            board.served(hop, Service::Prompt, now);
        }
        assert!(matches!(board.turn(hop, 0, now), Turn::Row(_, Known::Serves)));
        let until = now + Duration::from_secs(60);
        board.served(hop, Service::Full(until), now);
        board.leave(hop);
        board.served(hop, Service::Prompt, now);
        assert!(board.start(now).is_none(), "three are enough");
        now = until;
        board.served(hop, Service::Prompt, now);
        assert!(board.start(now).is_some(), "it is asked again");
    }

    #[test]
    fn a_next_hop_that_is_down_is_not_asked_before_its_time() {
        let mut board = Board::new(limits(2, 2));
        let hop = board.hop(named("down"));
        (0..3).for_each(|n| board.add(hop, row(n)));
        let now = Instant::now();
        board.start(now).unwrap();
        assert!(matches!(board.turn(hop, 0, now), Turn::Row(_, Known::Nothing)));
        let failure = Failure::passing(Diagnosis::because(Reason::DnsError), String::new());
        let until = now + Duration::from_secs(60);
        board.served(hop, Service::Down(Arc::from(failure), until), now);
        assert!(matches!(board.turn(hop, 1, now), Turn::Row(_, Known::Down(_))));
        assert!(matches!(board.turn(hop, 2, until), Turn::Row(_, Known::Nothing)));
    }

    #[test]
    fn relays_are_one_next_hop_whatever_the_domain() {
        let relay = Route::relays([]);
        let of = |text: &str| relay.next_hop(&EmailAddress::parse(text).unwrap());
        assert_eq!(of("a@a.example"), of("b@b.example"));
    }
}
