//! Those who are told of changes.

use std::sync::Arc;

use mailtrail::outbound::{Outbound, SubscriberFolder};
use mailtrail::projection::Live;
use mailtrail::report::EmailLog;

use super::ports::Watched;
use crate::failure::Failure;
use crate::setup::{Opened, Setup};
use crate::subscriber::{SubscriberText, twice};

/// All who are told of changes.
pub(super) struct Subscribers(pub(super) Vec<Outbound>);

impl Subscribers {
    pub(super) async fn start(
        setup: &Setup,
        configured: &[SubscriberText],
        opened: &Opened,
        log: &Arc<Live<EmailLog>>,
    ) -> Result<Self, Failure> {
        if let Some(name) = twice(configured).first() {
            return Err(Failure::data(format!("two subscribers are called {name}")));
        }
        let mut started = Vec::new();
        for subscriber in configured {
            let named = |failure: Failure| {
                Failure::data(format!("subscriber {}: {}", subscriber.name, failure.text()))
            };
            let folder = SubscriberFolder::open(setup.outbound_folder()?, &subscriber.name)?;
            let ready = subscriber.open(opened.tracker.clock()).map_err(named)?;
            started.push(Outbound::start(ready, &opened.tracker, Arc::clone(log), folder).await?);
        }
        Ok(Self(started))
    }

    pub(super) fn watched(&self) -> Vec<Watched> {
        let watched = |one: &Outbound| (one.name().to_owned(), Box::new(one.watch()) as Box<_>);
        self.0.iter().map(watched).collect()
    }

    /// All at the same time: dropping them waits for each.
    pub(super) fn stop(&mut self) {
        self.0.iter_mut().for_each(Outbound::stop);
    }
}
