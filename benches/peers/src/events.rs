//! The same events for all: sealed once, in one log.

use std::collections::HashMap;

use mailtrail_benches::history;
use mailtrail_core::event::{ChainHash, Envelope, Salt};
use mailtrail_core::fold::ById;
use mailtrail_core::{NewEvent, Position, StreamId, Version};

/// About so many deliveries' 4.3 events, each with its place in the log and in its stream.
pub fn events(deliveries: u64) -> Vec<Envelope> {
    let (mut log, mut previous) = (Vec::new(), ChainHash::default());
    let mut versions: HashMap<StreamId, u64, ById> = HashMap::default();
    for (stream, event) in history(deliveries) {
        let version = versions.entry(stream).or_default();
        let place = (Position::new(log.len() as u64 + 1), stream, Version::new(*version));
        *version += 1;
        let sealed = seal(place, event, previous);
        previous = sealed.hash;
        log.push(sealed);
    }
    log
}

fn seal(place: (Position, StreamId, Version), event: NewEvent, previous: ChainHash) -> Envelope {
    let at = event.occurred_at.unwrap_or_default();
    Envelope::seal(place, at, event, Salt::from_bytes([3; 16]), previous)
}
