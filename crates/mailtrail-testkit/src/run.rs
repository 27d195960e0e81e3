//! A history on its way into a state, watched at each step.

use std::fmt::{self, Debug};

use mailtrail_core::event::Envelope;
use mailtrail_core::projection::ApplyError;
use proptest::test_runner::TestCaseError;

use crate::reproduction;

type Apply<'a, S> = Box<dyn FnMut(&mut S, &Envelope) -> Result<(), ApplyError> + 'a>;

/// What a [`Feeder`](crate::Feeder) brings, on its way into a state.
///
/// A check that fails writes what was brought so far as JSON Lines and names the file: see
/// [`reproduction`](crate::reproduction). proptest shrinks by running the test again, and the last
/// run that fails is the one that it reports; so after shrinking the file holds the least history.
///
/// # Example
/// ```
/// use mailtrail_testkit::Feeder;
/// use mailtrail_testkit::proptest::prelude::*;
/// use mailtrail_testkit::strategy::{Shape, history};
/// # let config = ProptestConfig { cases: 4, failure_persistence: None, ..Default::default() };
/// proptest!(config, |(h in history(Shape::realistic()))| {
///     let counted = || Feeder::new(&h).shuffled().into_fold(0, |count, _| *count += 1);
///     counted().assert_each_step(|before, after| *after == before + 1)?;
///     counted().assert_end(|count| *count == h.events.len())?;
///     prop_assert_eq!(counted().state()?, h.events.len());
/// });
/// ```
pub struct Run<'a, S> {
    start: S,
    envelopes: Vec<Envelope>,
    seed: u64,
    apply: Apply<'a, S>,
}

impl<'a, S> Run<'a, S> {
    pub(crate) fn new(
        start: S,
        envelopes: Vec<Envelope>,
        seed: u64,
        apply: impl FnMut(&mut S, &Envelope) -> Result<(), ApplyError> + 'a,
    ) -> Self {
        reproduction::begin();
        Self { start, envelopes, seed, apply: Box::new(apply) }
    }

    /// What it comes to in the end.
    ///
    /// # Errors
    /// The event that can't be applied.
    pub fn state(mut self) -> Result<S, TestCaseError> {
        for (step, envelope) in self.envelopes.iter().enumerate() {
            let applied = (self.apply)(&mut self.start, envelope);
            applied.map_err(|error| self.failure(step, &error.to_string()))?;
        }
        Ok(self.start)
    }

    /// That this holds between the states before and after every event.
    ///
    /// # Errors
    /// The first step for which it doesn't, or the event that can't be applied.
    pub fn assert_each_step(mut self, holds: impl Fn(&S, &S) -> bool) -> Result<(), TestCaseError>
    where
        S: Clone + Debug,
    {
        let mut before = self.start.clone();
        for (step, envelope) in self.envelopes.iter().enumerate() {
            let mut after = before.clone();
            let applied = (self.apply)(&mut after, envelope);
            applied.map_err(|error| self.failure(step, &error.to_string()))?;
            if !holds(&before, &after) {
                let why = format!("it does not hold between\n  {before:?}\nand\n  {after:?}");
                return Err(self.failure(step, &why));
            }
            before = after;
        }
        Ok(())
    }

    /// That this holds of the state in the end.
    ///
    /// # Errors
    /// The state for which it doesn't, or the event that can't be applied.
    pub fn assert_end(mut self, holds: impl Fn(&S) -> bool) -> Result<(), TestCaseError>
    where
        S: Clone + Debug,
    {
        let mut state = self.start.clone();
        for (step, envelope) in self.envelopes.iter().enumerate() {
            let applied = (self.apply)(&mut state, envelope);
            applied.map_err(|error| self.failure(step, &error.to_string()))?;
        }
        if holds(&state) {
            return Ok(());
        }
        let last = self.envelopes.len().saturating_sub(1);
        Err(self.failure(last, &format!("it does not hold in the end of\n  {state:?}")))
    }

    fn failure(&self, step: usize, why: &str) -> TestCaseError {
        let fed = self.envelopes.get(..=step).unwrap_or(&self.envelopes);
        let what = fed.last().map_or_else(
            || "of nothing".to_owned(),
            |last| format!("{} on {}", last.event.event_type, last.stream),
        );
        let (of, seed) = (self.envelopes.len(), self.seed);
        let kept = reproduction::keep(fed);
        TestCaseError::fail(format!(
            "step {} of {of}, {what}: {why}\nseed {seed}; {kept}",
            step + 1
        ))
    }
}

impl<S: Debug> Debug for Run<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut run = f.debug_struct("Run");
        run.field("start", &self.start).field("envelopes", &self.envelopes.len());
        run.field("seed", &self.seed).finish_non_exhaustive()
    }
}
