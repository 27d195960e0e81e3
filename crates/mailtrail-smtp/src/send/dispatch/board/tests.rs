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
        let mut workers: Vec<Hop> = Vec::new();
        let turn = |board: &mut Board, workers: &mut Vec<Hop>, at: usize,
                        seen: &mut std::collections::HashSet<DeliveryId>| {
            match board.turn(workers[at], 0, now) {
                Turn::Row(row, _) => assert!(seen.insert(row.delivery), "twice"),
                Turn::End => board.leave(workers.swap_remove(at)),
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
                    board.served(workers[n % workers.len()], service, now);
                }
                Step::SetAside => board.set_aside(now, Duration::ZERO),
                Step::Turn(_) | Step::Served(..) => {}
            }
            prop_assert!(workers.len() <= connections * 3);
            prop_assert_eq!(board.workers(), workers.len());
            prop_assert_eq!(board.waiting(), added - seen.len());
            for hop in &workers {
                let there = workers.iter().filter(|other| *other == hop).count();
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
    assert!(board.start(now).is_some_and(|hop| hop == prompt));
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
