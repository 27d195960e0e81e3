//! Given these events, when this one comes, then that holds.

use std::fmt::Debug;

use mailtrail_core::event::Envelope;
use mailtrail_core::fold::Fold;
use mailtrail_core::projection::Projection;
use mailtrail_core::{Evidence, Namespace, Status};

use crate::Feeder;
use crate::strategy::History;
use crate::trail::{self, Step};

/// What had happened before.
///
/// ```
/// use mailtrail_core::Status;
/// use mailtrail_core::reason::Reason;
/// use mailtrail_testkit::{given, trail};
/// given([trail::queued(), trail::sent(), trail::delivered()])
///     .when(trail::bounced(Reason::UserUnknown).on_key())
///     .then(|evidence| evidence.contradictions().len() == 1)
///     .then_status(Status::Delivered);
/// ```
pub fn given(steps: impl IntoIterator<Item = Step>) -> Given {
    Given { steps: steps.into_iter().collect() }
}

/// See [`given`].
#[derive(Debug, Clone)]
pub struct Given {
    steps: Vec<Step>,
}

impl Given {
    /// What happens now.
    pub fn when(mut self, step: Step) -> When {
        self.steps.push(step);
        let number = |(place, step): (usize, &Step)| {
            step.event(u8::try_from(place).unwrap_or(u8::MAX).saturating_add(1))
        };
        let events = self.steps.iter().enumerate().map(number).collect();
        let namespace = Namespace::from_random([7; 16]);
        let planned = vec![trail::delivery()];
        When { history: History { namespace, events, planned, seed: 0, repeats: 1..=1 } }
    }
}

/// See [`Given::when`].
#[derive(Debug, Clone)]
pub struct When {
    history: History,
}

impl When {
    /// Then this holds of the delivery's evidence.
    ///
    /// # Panics
    /// If it doesn't, with the trail as a table.
    #[track_caller]
    pub fn then(self, holds: impl FnOnce(&Evidence) -> bool) -> Self {
        let evidence = evidence(&self.envelopes());
        self.check(holds(&evidence), "it does not hold of the evidence");
        self
    }

    /// Then the delivery has this status.
    ///
    /// # Panics
    /// If it has another, with the trail as a table.
    #[track_caller]
    pub fn then_status(self, expected: Status) -> Self {
        let status = evidence(&self.envelopes()).status();
        let what = format!("the status is {}, not {}", status.label(), expected.label());
        self.check(status == expected, &what);
        self
    }

    /// Then this holds of what a projection makes of it.
    ///
    /// # Panics
    /// If it doesn't, or an event can't be applied; with the trail as a table.
    #[track_caller]
    pub fn then_in<P: Projection>(
        self,
        projection: P,
        holds: impl FnOnce(&P::State) -> bool,
    ) -> Self
    where
        P::State: Debug,
    {
        match Feeder::new(&self.history).into(projection).state() {
            Ok(state) => {
                let holds = holds(&state);
                self.check(holds, &format!("it does not hold of {state:?}"));
            }
            Err(error) => self.check(false, &error.to_string()),
        }
        self
    }

    fn envelopes(&self) -> Vec<Envelope> {
        Feeder::new(&self.history).envelopes()
    }

    #[track_caller]
    fn check(&self, holds: bool, what: &str) {
        assert!(holds, "{what}\n{}", table(&self.envelopes()));
    }
}

fn evidence(envelopes: &[Envelope]) -> Evidence {
    let mut fold = Fold::default();
    for envelope in envelopes {
        fold.add(envelope);
    }
    fold.evidence(trail::delivery())
}

fn table(envelopes: &[Envelope]) -> String {
    let line = |[position, stream, event_type, floor, status]: [&str; 5]| {
        format!("{position:>8}  {stream:8}  {event_type:14}  {floor:17}  {status}\n")
    };
    let mut table = line(["position", "stream", "type", "floor", "status after"]);
    for (place, envelope) in envelopes.iter().enumerate() {
        let status = evidence(envelopes.get(..=place).unwrap_or(envelopes)).status();
        let floor = envelope.fact().ok().and_then(|fact| fact.floor());
        table += &line([
            &envelope.position.to_string(),
            envelope.stream.category().as_str(),
            envelope.event.event_type.as_str(),
            floor.map_or("-", Status::label),
            status.label(),
        ]);
    }
    table
}
