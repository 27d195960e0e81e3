//! postgres-es on a PostgreSQL of its own.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use ::postgres_es::{PostgresEventRepository, default_postgress_pool};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::{PersistedEventRepository, QueryReplay, SerializedEvent};
use cqrs_es::{Aggregate, DomainEvent, EventEnvelope, Query};
use mailtrail_benches::postgres::Postgres;
use mailtrail_core::event::Envelope;
use mailtrail_core::evidence::Evidence;
use mailtrail_core::{EventId, Fact};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::peer::{Counts, Peer, count};

/// A repository, and the runtime that it needs.
pub struct PostgresEs {
    url: String,
    repository: PostgresEventRepository,
    runtime: Runtime,
}

impl PostgresEs {
    /// With an empty table of events.
    pub fn open(server: &Postgres) -> Self {
        server.run(TABLE);
        let (url, runtime) = (server.url(), Runtime::new().unwrap());
        let pool = runtime.block_on(default_postgress_pool(&url));
        Self { url, repository: PostgresEventRepository::new(pool), runtime }
    }
}

impl Peer for PostgresEs {
    type Ready = SerializedEvent;

    fn ready(event: &Envelope) -> SerializedEvent {
        let parsed = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap();
        let stored = Stored {
            id: event.event.event_id,
            name: event.event.event_type.to_string(),
            at: event.event.occurred_at,
            data: parsed(&event.event.data),
            private: event.event.private.as_deref().map(parsed),
        };
        SerializedEvent::new(
            event.stream.to_string(),
            usize::try_from(event.version.get()).unwrap() + 1,
            Delivery::TYPE.to_owned(),
            stored.name.clone(),
            stored.event_version(),
            serde_json::to_value(stored).unwrap(),
            Value::Object(serde_json::Map::new()),
        )
    }

    fn append(&mut self, batch: Vec<SerializedEvent>) {
        self.runtime.block_on(self.repository.persist::<Delivery>(&batch, None)).unwrap();
    }

    /// By its own means for that: all events to a query.
    fn replay(&self) -> Counts {
        let folded = Folded::default();
        self.runtime.block_on(async {
            let repository = PostgresEventRepository::new(default_postgress_pool(&self.url).await);
            QueryReplay::new(repository, folded.clone()).replay_all().await.unwrap();
        });
        let deliveries = folded.0.lock().unwrap();
        count(deliveries.values().map(Evidence::status))
    }
}

/// An event as it sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    id: EventId,
    name: String,
    at: Option<DateTime<Utc>>,
    data: Value,
    private: Option<Value>,
}

impl DomainEvent for Stored {
    fn event_type(&self) -> String {
        self.name.clone()
    }

    fn event_version(&self) -> String {
        Fact::SCHEMA.to_string()
    }
}

/// The aggregate; nobody sends it commands here.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Delivery;

impl Aggregate for Delivery {
    const TYPE: &'static str = "delivery";
    type Command = ();
    type Event = Stored;
    type Error = Infallible;
    type Services = ();

    async fn handle(&mut self, (): (), (): &(), _: &EventSink<Self>) -> Result<(), Infallible> {
        Ok(())
    }

    fn apply(&mut self, _: Stored) {}
}

/// The evidence of every delivery.
#[derive(Clone, Default)]
struct Folded(Arc<Mutex<HashMap<String, Evidence>>>);

#[async_trait]
impl Query<Delivery> for Folded {
    async fn dispatch(&self, delivery: &str, events: &[EventEnvelope<Delivery>]) {
        let mut deliveries = self.0.lock().unwrap();
        for event in events {
            let stored = &event.payload;
            let data = stored.data.to_string();
            let name = stored.name.as_str().into();
            let fact = Fact::decode(&name, Fact::SCHEMA, data.as_bytes()).unwrap();
            let evidence = match deliveries.get_mut(delivery) {
                Some(evidence) => evidence,
                None => deliveries.entry(delivery.to_owned()).or_default(),
            };
            evidence.add(stored.id, stored.at, &fact);
        }
    }
}

/// The columns and the key that its queries expect.
const TABLE: &str = "DROP TABLE IF EXISTS events;
    CREATE TABLE events (
        aggregate_type text NOT NULL, aggregate_id text NOT NULL, sequence bigint NOT NULL,
        event_type text NOT NULL, event_version text NOT NULL,
        payload json NOT NULL, metadata json NOT NULL,
        PRIMARY KEY (aggregate_type, aggregate_id, sequence)
    );";
