//! What mails came, and what came of them.

use std::fmt;
use std::sync::Arc;

use mailtrail_smtp::intake::{Intake, Standing};
use mailtrail_smtp::server::Connections;
use prometheus_client::registry::Registry;

use super::metrics::{Counters, Gauges, add};

/// What is asked again whenever it is to be shown.
type Asked<T> = Box<dyn Fn() -> T + Send + Sync>;

/// The sources of mails, each by its name.
#[derive(Default)]
pub(super) struct Mails {
    pub(super) intakes: Vec<(Box<str>, Arc<Intake>)>,
    pub(super) listeners: Vec<(Box<str>, Asked<Connections>)>,
    pub(super) maildirs: Vec<(Box<str>, Asked<Standing>)>,
}

impl Mails {
    pub(super) fn put(&self, registry: &mut Registry) {
        if self.intakes.is_empty() {
            return;
        }
        let [mails, events, refused, connections] = [(); 4].map(|()| Counters::default());
        let stuck = Gauges::default();
        for (source, intake) in &self.intakes {
            let counts = intake.counts();
            for (outcome, count) in counts.outcomes() {
                add(&mails, [("source", source), ("outcome", outcome)], count);
            }
            for (outcome, count) in [("new", counts.new_events), ("known", counts.known_events)] {
                add(&events, [("source", source), ("outcome", outcome)], count);
            }
            for (cause, count) in counts.refused_recipients {
                add(&refused, [("source", source), ("cause", cause)], count);
            }
        }
        for (source, read) in &self.listeners {
            for (outcome, count) in ends(&read()) {
                add(&connections, [("source", source), ("outcome", outcome)], count);
            }
        }
        for (source, standing) in &self.maildirs {
            let labels = vec![("source", String::from(&**source))];
            stuck.get_or_create(&labels).set(u64::from(standing().stuck.is_some()));
        }
        registry.register("mails", "Mails that came", mails);
        registry.register("mail_events", "Events in mails that came", events);
        registry.register("refused_recipients", "Recipients refused at RCPT", refused);
        registry.register("mail_connections", "Connections of who brings mails", connections);
        registry.register("maildir_stuck", "Whether mails wait that can't be taken", stuck);
    }
}

fn ends(connections: &Connections) -> [(&'static str, u64); 5] {
    [
        ("served", connections.served),
        ("too_many", connections.too_many),
        ("too_many_of_peer", connections.too_many_of_peer),
        ("too_slow", connections.too_slow),
        ("cut_off", connections.cut_off),
    ]
}

impl fmt::Debug for Mails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mails").finish_non_exhaustive()
    }
}
