//! A projection for each law that breaks it, and one that keeps them all.

use std::sync::atomic::{AtomicU64, Ordering};

use mailtrail_core::Join;
use mailtrail_core::event::Envelope;
use mailtrail_core::projection::{ApplyError, Projection};
use mailtrail_core::store::Filter;
use mailtrail_testkit::law::projection as law;

type Rule = fn(&AtomicU64, &Envelope, &mut Count) -> Result<(), ApplyError>;

/// A state whose clones forget what is marked so.
#[derive(Debug, Default, PartialEq)]
struct Count {
    value: u64,
    forgotten: u64,
}

impl Clone for Count {
    fn clone(&self) -> Self {
        Self { value: self.value, forgotten: 0 }
    }
}

impl Join for Count {
    fn join(&mut self, other: Self) -> bool {
        let before = self.value;
        self.value = self.value.max(other.value);
        self.value > before
    }
}

struct Broken {
    filter: Filter,
    memory: AtomicU64,
    rule: Rule,
}

impl Projection for Broken {
    type State = Count;
    fn name(&self) -> &'static str {
        "broken"
    }
    fn revision(&self) -> u32 {
        1
    }
    fn filter(&self) -> Filter {
        self.filter.clone()
    }
    fn apply(&self, envelope: &Envelope, state: &mut Count) -> Result<(), ApplyError> {
        (self.rule)(&self.memory, envelope, state)
    }
}

fn at(envelope: &Envelope) -> u64 {
    envelope.event.occurred_at.map_or(0, |at| at.timestamp().unsigned_abs())
}

/// The laws that it breaks.
fn broken(filter: &Filter, rule: Rule) -> Vec<&'static str> {
    let new = || Broken { filter: filter.clone(), memory: AtomicU64::new(0), rule };
    let outcomes = [
        ("deterministic", law::examine(|e, _, _| law::deterministic(&new(), e))),
        ("batches", law::examine(|e, n, _| law::batches(new, e, n))),
        ("filter", law::examine(|e, _, _| law::filter(new, e))),
        ("as_of", law::examine(|e, n, _| law::as_of(new, e, n))),
        ("unknown_types", law::examine(|e, _, _| law::unknown_types(&new(), e))),
        ("refusal", law::examine(|e, _, _| law::refusal(&new(), e))),
        ("order_free", law::examine(|e, _, s| law::order_free(new, e, s))),
        ("partitioned", law::examine(|e, n, _| law::partitioned(new, e, n))),
    ];
    let fails = |(name, outcome): (&'static str, Result<(), String>)| {
        outcome.is_err_and(|why| why.contains("law broken")).then_some(name)
    };
    outcomes.into_iter().filter_map(fails).collect()
}

/// The greatest time: a join, so it keeps every law.
#[expect(clippy::unnecessary_wraps, reason = "a rule")]
fn latest(_: &AtomicU64, envelope: &Envelope, state: &mut Count) -> Result<(), ApplyError> {
    state.value = state.value.max(at(envelope));
    Ok(())
}

#[test]
fn a_right_one_breaks_none() {
    assert!(broken(&Filter::all(), latest).is_empty());
}

#[test]
fn a_state_that_is_not_kept_whole_breaks_batches() {
    let laws = broken(&Filter::all(), |_, envelope, state| {
        state.forgotten = state.forgotten.max(at(envelope));
        Ok(())
    });
    // Its join forgets as well.
    assert_eq!(laws, ["batches", "partitioned"]);
}

#[test]
fn a_projection_that_counts_in_itself_is_not_deterministic() {
    let laws = broken(&Filter::all(), |memory, _, state| {
        state.value = memory.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    assert!(laws.contains(&"deterministic"), "{laws:?}");
}

#[test]
fn a_projection_that_remembers_the_future_breaks_as_of() {
    let laws = broken(&Filter::all(), |memory, envelope, state| {
        memory.fetch_max(at(envelope), Ordering::Relaxed);
        state.value = memory.load(Ordering::Relaxed);
        Ok(())
    });
    assert_eq!(laws, ["as_of"]);
}

#[test]
fn a_state_of_positions_breaks_the_filter() {
    let laws = broken(&Filter::all().event_type("delivered"), |_, envelope, state| {
        state.value = state.value.max(envelope.position.get());
        Ok(())
    });
    assert_eq!(laws.first(), Some(&"filter"), "{laws:?}");
    assert!(!laws.contains(&"batches") && !laws.contains(&"as_of"), "{laws:?}");
}

#[test]
fn a_projection_that_refuses_what_it_does_not_know_breaks_unknown_types() {
    let laws =
        broken(&Filter::all(), |_, envelope, state| match envelope.event.event_type.as_str() {
            "from_the_future" => Err(ApplyError::new("what is that?")),
            _ => latest(&AtomicU64::new(0), envelope, state),
        });
    assert_eq!(laws, ["unknown_types"]);
}

#[test]
fn a_refusal_after_the_change_breaks_refusal() {
    let laws = broken(&Filter::all(), |memory, envelope, state| {
        latest(memory, envelope, state)?;
        if envelope.event.event_type.as_str() == "bounced" {
            return Err(ApplyError::new("no bounces here"));
        }
        Ok(())
    });
    assert_eq!(laws, ["refusal"]);
}

#[test]
fn the_last_to_come_breaks_order() {
    let laws = broken(&Filter::all(), |_, envelope, state| {
        state.value = at(envelope);
        Ok(())
    });
    // What depends on the order can't be built in parts either.
    assert_eq!(laws, ["order_free", "partitioned"]);
}

#[test]
fn a_sum_that_is_joined_by_the_greatest_breaks_partition() {
    let laws = broken(&Filter::all(), |_, envelope, state| {
        // A set of bits grows alike in any order; the greatest of two sets is not their union.
        state.value |= 1 << (envelope.stream.id()[0] % 60);
        Ok(())
    });
    assert_eq!(laws, ["partitioned"]);
}

mod latest_keeps_the_laws {
    use super::{AtomicU64, Broken, Filter, latest};
    mailtrail_testkit::projection_laws!(
        Broken { filter: Filter::all(), memory: AtomicU64::new(0), rule: latest },
        join
    );
}
