use mailtrail_core::event::Envelope;
use mailtrail_core::lattice::Distinct;
use mailtrail_core::projection::{ApplyError, Projection};
use mailtrail_core::store::Filter;
use mailtrail_core::EventId;

/// Which confirmations there are.
pub struct Confirmed;

impl Projection for Confirmed {
    type State = Distinct<EventId>;
    fn name(&self) -> &'static str {
        "confirmed"
    }
    fn revision(&self) -> u32 {
        1
    }
    fn filter(&self) -> Filter {
        Filter::all().event_type("delivered")
    }
    fn apply(&self, envelope: &Envelope, state: &mut Self::State) -> Result<(), ApplyError> {
        state.insert(envelope.event.event_id);
        Ok(())
    }
}
