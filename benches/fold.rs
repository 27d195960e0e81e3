//! How fast is the fold, for events that are decoded already?
//!
//! Beside it: counting the same events in a `HashMap`, which knows nothing of statuses.

use std::collections::HashMap;
use std::hint::black_box;

use mailtrail_benches::{Figure, Wanted, best_of, envelopes, history};
use mailtrail_core::fold::ById;
use mailtrail_core::{Evidence, StreamId};

mailtrail_benches::allocator!();

fn main() {
    let wanted = Wanted::from_args();
    if !wanted.has("fold") {
        return;
    }
    let envelopes = envelopes(&history(200_000));
    let decoded: Vec<_> = envelopes
        .iter()
        .filter_map(|e| Some((e.stream, e.event.event_id, e.event.occurred_at, e.fact().ok()?)))
        .collect();
    let events = decoded.len() as f64;
    let fold = best_of(5, || {
        let mut deliveries: HashMap<StreamId, Evidence, ById> = HashMap::default();
        for (stream, id, at, fact) in &decoded {
            deliveries.entry(*stream).or_default().add(*id, *at, fact);
        }
        black_box(deliveries);
    });
    let count = best_of(5, || {
        let mut deliveries: HashMap<StreamId, u64, ById> = HashMap::default();
        for (stream, ..) in &decoded {
            *deliveries.entry(*stream).or_default() += 1;
        }
        black_box(deliveries);
    });
    let rate = |time: std::time::Duration| events / time.as_secs_f64() / 1e6;
    let over_count = rate(fold) / rate(count);
    Figure::new("fold", rate(fold), "M events/s").at_least(5.0).print();
    Figure::new("fold.over_count", over_count, "× a HashMap count of the same events").print();
}
