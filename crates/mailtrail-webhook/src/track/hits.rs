//! The pixel, the links and unsubscribing: what is asked of us by whoever reads a message.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use mailtrail_core::clock::Clock;
use mailtrail_core::correlation::Correlation;
use mailtrail_core::event::{HitKind, UnsubscribedHow};
use mailtrail_core::store::EventStoreExt;
use mailtrail_core::token::{Keys, Purpose};
use mailtrail_core::{Event, EventId, EventStore, Feedback};

use super::counters::HitCounts;
use super::hit::{HitRequest, hit, hits_capped};
use super::judge::verdict_at_once;
use super::limit::Admission;
use super::link::{TRAP_LINK, location};
use super::machines::Machines;
use super::pending::{LostHit, Pending, Shared, Whose};
use super::pixel::token_of;
use super::unsubscribe::{Unsubscribing, unsubscribed};
use super::visit::Visit;

/// Takes hits into a store.
///
/// # Guarantees
/// Whoever asks for a pixel or a link never waits for the store: the answer is there at once, and the hit is stored
/// by running what comes with it. At most [`MOST_WAITING`] wait for the store; what is lost is counted, and
/// [`last_loss`](Self::last_loss) says why. Unsubscribing is answered only after it is durable.
///
/// A hit is lost if this process is killed while it waits; no browser would bring it again, so waiting for the store
/// before answering would not change that.
///
/// # Example
/// ```
/// # futures_executor::block_on(async {
/// use std::sync::Arc;
/// use mailtrail_core::token::{Key, Keys};
/// use mailtrail_core::DeliveryId;
/// use mailtrail_webhook::track::{Click, Hits, Visit, click_url};
/// let store = Arc::new(mailtrail_memory::MemoryStore::new());
/// let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
/// let keys = Keys::new(Key::new(1, [7; 32]));
/// let hits = Hits::new(store, keys.clone(), Arc::new(move || now), || [3; 10]);
///
/// let url = click_url("", &keys, DeliveryId::from_bytes([2; 16]), "https://school.example/");
/// let token = url.trim_start_matches("/c/").split('?').next().unwrap();
/// let Click::Redirect { to, pending } = hits.click(token, "https://school.example/", Visit::new()) else {
///     panic!()
/// };
/// assert_eq!(to, "https://school.example/");                      // answer now
/// pending.unwrap().await;                                         // and store it meanwhile
/// assert_eq!(hits.counts().recorded, 1);
///
/// let elsewhere = hits.click(token, "https://evil.example/", Visit::new());
/// assert!(matches!(elsewhere, Click::NotOurs));
/// # });
/// ```
pub struct Hits {
    store: Arc<dyn EventStore>,
    keys: Keys,
    machines: Arc<Machines>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Fn() -> [u8; 10] + Send + Sync>,
    most_waiting: usize,
    shared: Arc<Shared>,
    unsubscribing: Mutex<Unsubscribing>,
}

/// What a request for a link comes to.
#[derive(Debug)]
#[non_exhaustive]
pub enum Click {
    /// There it leads.
    Redirect {
        /// What goes into `Location`.
        to: String,
        /// The hit, unless it is one of too many.
        pending: Option<Pending>,
    },
    /// The hidden link: nobody is to be led anywhere.
    Trap {
        /// The hit, unless it is one of too many.
        pending: Option<Pending>,
    },
    /// The token is none of ours, or none for this link, or the link is neither http nor https.
    NotOurs,
}

/// What unsubscribing comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsubscribe {
    /// It is durable.
    Done,
    /// The token is none of ours.
    NotOurs,
    /// We could not record it; ask again.
    Later,
}

impl Hits {
    /// Into this store. `random` gives fresh random bytes, for the ids of what we observe.
    pub fn new(
        store: Arc<dyn EventStore>,
        keys: Keys,
        clock: Arc<dyn Clock>,
        random: impl Fn() -> [u8; 10] + Send + Sync + 'static,
    ) -> Self {
        Self {
            store,
            keys,
            machines: Machines::builtin(),
            clock,
            random: Arc::new(random),
            most_waiting: MOST_WAITING,
            shared: Arc::default(),
            unsubscribing: Mutex::default(),
        }
    }

    /// Judged by another table of machines than ours.
    pub fn machines(mut self, machines: Arc<Machines>) -> Self {
        self.machines = machines;
        self
    }

    /// With another limit than [`MOST_WAITING`].
    pub fn most_waiting(mut self, hits: usize) -> Self {
        self.most_waiting = hits;
        self
    }

    /// Takes a request for the pixel of this last segment of its path. Whatever comes of it, the
    /// answer is the [`GIF`](crate::track::GIF), now; then run what is returned.
    pub fn pixel(&self, segment: &str, visit: Visit<'_>) -> Option<Pending> {
        self.take(&HitRequest::pixel(token_of(segment), self.clock.now()), visit)
    }

    /// Takes a request for a link, and says where it leads.
    pub fn click(&self, token: &str, link: &str, visit: Visit<'_>) -> Click {
        match self.leads_to(token, link) {
            None => {
                self.shared.counters.no_token.one_more();
                Click::NotOurs
            }
            Some(to) => {
                let request = HitRequest::link(token, link, self.clock.now());
                let pending = self.take(&request, visit);
                if link == TRAP_LINK {
                    Click::Trap { pending }
                } else {
                    Click::Redirect { to, pending }
                }
            }
        }
    }

    /// Where a link leads, for one who only asks, by HEAD: no hit. `None` if nowhere; of the hidden link an empty
    /// text.
    pub fn leads_to(&self, token: &str, link: &str) -> Option<String> {
        self.keys.verify_link(token, link).ok()?;
        if link == TRAP_LINK { Some(String::new()) } else { location(link) }
    }

    /// Whether this token may unsubscribe, for one who only looks: nothing changes.
    pub fn may_unsubscribe(&self, token: &str) -> bool {
        let ours = self.keys.verify(Purpose::Unsubscribe, token).is_ok();
        if !ours {
            self.shared.counters.no_token.one_more();
        }
        ours
    }

    /// Unsubscribes whom this token's delivery went to. Who asks again within a minute has been heard.
    ///
    /// # Cancellation
    /// Dropped before its end it may be recorded or not; asked again it is recorded again.
    pub async fn unsubscribe(
        &self,
        token: &str,
        how: UnsubscribedHow,
        visit: Visit<'_>,
    ) -> Unsubscribe {
        let counters = &self.shared.counters;
        let now = self.clock.now();
        let id = EventId::observed(now, (self.random)());
        let Ok((delivery, fact)) = unsubscribed(&self.keys, token, how, visit, id, now) else {
            counters.no_token.one_more();
            return Unsubscribe::NotOurs;
        };
        let place = &self.unsubscribing;
        let asked = match Unsubscribing::ask(place, counters, delivery, how, now) {
            Ok(asked) => asked,
            Err(known) => {
                counters.dropped.one_more();
                return known;
            }
        };
        let Ok(event) = fact.into_event(&self.store.namespace()) else { return Unsubscribe::Later };
        if self.store.record(vec![event]).await.is_err() {
            return Unsubscribe::Later;
        }
        asked.heard();
        Unsubscribe::Done
    }

    /// Counts a request by HEAD: it shows nobody anything.
    pub fn head(&self) {
        self.shared.counters.head.one_more();
    }

    /// Counts a request that is made before anybody looks.
    pub fn prefetch(&self) {
        self.shared.counters.prefetch.one_more();
    }

    /// What came so far, and what came of it.
    pub fn counts(&self) -> HitCounts {
        self.shared.counters.read(self.shared.waiting())
    }

    /// Why the last hit was lost that was lost.
    pub fn last_loss(&self) -> Option<Arc<LostHit>> {
        self.shared.last_loss()
    }

    fn take(&self, request: &HitRequest<'_>, visit: Visit<'_>) -> Option<Pending> {
        let (ip, now) = (visit.ip.map(|ip| ip.to_string()), request.now);
        let request = request.ip(ip.as_deref()).user_agent(visit.user_agent);
        let id = EventId::observed(now, (self.random)());
        let Ok(hit) = hit(&self.keys, &request, id) else {
            self.shared.counters.no_token.one_more();
            return None;
        };
        let mut whose = whose(&hit)?;
        let facts = match self.admit(&whose, &hit) {
            Admission::Keep => {
                let verdict = verdict_at_once(&self.machines, &hit, id);
                [hit].into_iter().chain(verdict).collect()
            }
            Admission::FirstDropped => {
                whose.is_dropped = true;
                vec![hits_capped(&hit, id, now)]
            }
            Admission::Drop => {
                self.shared.counters.dropped.one_more();
                return None;
            }
        };
        self.shared.store(&self.store, facts, whose, self.most_waiting)
    }

    fn admit(&self, whose: &Whose, hit: &Feedback) -> Admission {
        let at = hit.occurred_at.unwrap_or_default();
        let mut limiter = self.shared.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.admit(whose.delivery, whose.link.as_deref(), whose.user_agent.as_deref(), at)
    }
}

fn whose(hit: &Feedback) -> Option<Whose> {
    let Correlation::Token { delivery, .. } = hit.correlation else { return None };
    let Event::Hit(fact) = &hit.fact.event else { return None };
    let link = fact.link.clone().filter(|_| fact.hit == HitKind::Link);
    let user_agent = hit.private.user_agent.clone();
    Some(Whose { delivery, link, user_agent, is_dropped: false })
}

impl fmt::Debug for Hits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hits").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

/// How many hits may wait for the store, at one or two kilobytes each: a store that hangs costs memory once.
pub const MOST_WAITING: usize = 20_000;
