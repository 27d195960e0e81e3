//! The little I/O of webhooks: verify, keep the raw bytes, record, then answer.

mod answer;
mod counters;
mod flood;
mod once;
mod retry;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use mailtrail_classify::Classifier;
use mailtrail_core::clock::Clock;
use mailtrail_core::event::{Authenticity, RawHash};
use mailtrail_core::store::{AppendError, Appended, BoxError, EventStoreExt, RawError, RawStore};
use mailtrail_core::token::Keys;
use mailtrail_core::{EventId, EventStore, Feedback};

use crate::Request;
use crate::fetch::{Fetch, Fetched};
use crate::provider::{Handshake, Provider, Reader, Refused, content, opened, read_each, verify};
use crate::refused::{RefusedRequest, RefusedRing};
use crate::track::Hits;

pub use answer::Answer;
use answer::{Account, TOO_LARGE};
use counters::Counters;
pub use counters::Counts;
use flood::Flood;
use once::Tokens;
pub use retry::{Retried, RetryError};

/// Takes webhooks into a store, and keeps what takes [hits](Self::hits) beside them.
///
/// # Guarantees
/// A webhook is answered with success only after its events are durable. What is refused leaves no
/// event, and is counted with its cause; with a [ring](Self::refused_ring) it is kept for a while, to be
/// [verified again](Self::retry_refused). What we fail at is answered so that the provider tries again.
///
/// # Example
/// ```
/// # futures_executor::block_on(async {
/// use std::sync::Arc;
/// use mailtrail_classify::Classifier;
/// use mailtrail_core::{id::Endpoint, store::{EventStore, Position}, token::{Key, Keys}};
/// use mailtrail_webhook::provider::{Access, Account};
/// use mailtrail_webhook::{Headers, Intake, Request, Secret};
///
/// let store = Arc::new(mailtrail_memory::MemoryStore::new());
/// let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
/// let keys = Keys::new(Key::new(1, [7; 32]));
/// let access = Access::new().credential(Secret::basic("mail", "trail"));
/// let intake = Intake::new(store.clone(), keys, Classifier::builtin()?, move || now, || [3; 10])
///     .provider(Account::new(Endpoint::new("postmark")?, "postmark", access)?);
///
/// let body = br#"{"RecordType":"Delivery","MessageID":"m-1","Recipient":"ann@a.example"}"#;
/// let request = Request::new(body, now);
/// assert_eq!(intake.webhook("postmark", &request).await.status, 401);
/// assert_eq!(store.head().await?.position, Position::START);
///
/// let request = request.headers(Headers::new().with("Authorization", "Basic bWFpbDp0cmFpbA=="));
/// assert_eq!(intake.webhook("postmark", &request).await.status, 200);
/// assert_ne!(store.head().await?.position, Position::START);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
pub struct Intake {
    store: Arc<dyn EventStore>,
    raw: Option<Arc<dyn RawStore>>,
    refused: Option<Arc<dyn RefusedRing>>,
    fetched: Option<Fetched>,
    tokens: Tokens,
    keys: Keys,
    classifier: Classifier,
    clock: Arc<dyn Clock>,
    hits: Arc<Hits>,
    accounts: RwLock<Arc<Accounts>>,
    unknown_endpoints: Counters,
    body_limit: usize,
    flood: Flood,
}

impl Intake {
    /// Of no provider yet. `random` gives fresh random bytes, for the ids of what we observe.
    pub fn new(
        store: Arc<dyn EventStore>,
        keys: Keys,
        classifier: Classifier,
        clock: impl Clock + 'static,
        random: impl Fn() -> [u8; 10] + Send + Sync + 'static,
    ) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(clock);
        let hits = Hits::new(Arc::clone(&store), keys.clone(), Arc::clone(&clock), random);
        Self {
            store,
            raw: None,
            refused: None,
            fetched: None,
            tokens: Tokens::default(),
            keys,
            classifier,
            clock,
            hits: Arc::new(hits),
            accounts: RwLock::default(),
            unknown_endpoints: Counters::default(),
            body_limit: BODY_LIMIT,
            flood: Flood::new(MOST_FAILURES),
        }
    }

    /// Keeps every verified request there before its events are recorded.
    pub fn raw_store(mut self, raw: Arc<dyn RawStore>) -> Self {
        self.raw = Some(raw);
        self
    }

    /// Keeps what is refused there. One over the size limit is not, nor what comes to an endpoint that
    /// no provider has: there is no end of those.
    pub fn refused_ring(mut self, ring: Arc<dyn RefusedRing>) -> Self {
        self.refused = Some(ring);
        self
    }

    /// Fetches by this what providers name: certificates of Amazon SNS, and confirmations of
    /// subscriptions to its topics. Without it such requests are answered so that they come again.
    pub fn fetch(mut self, source: Arc<dyn Fetch>) -> Self {
        self.fetched = Some(Fetched::new(source));
        self
    }

    /// With an account at a provider, at `/webhooks/<its endpoint>`.
    pub fn provider(mut self, provider: impl Provider + 'static) -> Self {
        self.add(Arc::new(provider));
        self
    }

    /// With hits taken otherwise than by default: behind proxies, or by another table of machines.
    pub fn with_hits(mut self, hits: Arc<Hits>) -> Self {
        self.hits = hits;
        self
    }

    /// With an account that was chosen at run time, as by [`provider`](Self::provider).
    pub fn add(&mut self, provider: Arc<dyn Provider>) {
        let accounts = self.accounts.get_mut().unwrap_or_else(PoisonError::into_inner);
        let name = provider.endpoint().as_str().into();
        Arc::make_mut(accounts).insert(name, Arc::new(Account::new(provider)));
    }

    /// From now on it has these accounts and no others, while it takes requests: after keys have changed. What came
    /// to an endpoint that stays is still counted. One that is gone is answered like one that was never there, so that its
    /// provider tries again.
    pub fn replace_accounts(&self, providers: impl IntoIterator<Item = Arc<dyn Provider>>) {
        let before = self.accounts();
        let accounts = providers.into_iter().map(|provider| {
            let name: Box<str> = provider.endpoint().as_str().into();
            let account = match before.get(&name) {
                Some(before) => before.with(provider),
                None => Account::new(provider),
            };
            (name, Arc::new(account))
        });
        let accounts = Arc::new(accounts.collect());
        *self.accounts.write().unwrap_or_else(PoisonError::into_inner) = accounts;
    }

    fn accounts(&self) -> Arc<Accounts> {
        Arc::clone(&self.accounts.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn account(&self, endpoint: &str) -> Option<Arc<Account>> {
        self.accounts().get(endpoint).cloned()
    }

    /// With another limit than [`BODY_LIMIT`].
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// With another limit than [`MOST_FAILURES`].
    pub fn most_failures(mut self, a_minute: u32) -> Self {
        self.flood = Flood::new(a_minute);
        self
    }

    /// The endpoints that a provider has.
    pub fn endpoints(&self) -> Vec<Box<str>> {
        self.accounts().keys().cloned().collect()
    }

    /// The present time.
    pub fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.clock.now()
    }

    /// How many bytes a body may have.
    pub fn max_body(&self) -> usize {
        self.body_limit
    }

    /// Takes a request to an endpoint, and says what to answer.
    pub async fn webhook(&self, endpoint: &str, request: &Request<'_>) -> Answer {
        let Some(account) = self.account(endpoint) else {
            // Perhaps it is not configured yet: 429 is what no provider takes for a final answer.
            self.unknown_endpoints.refused(Refused::NotConfigured);
            return Answer::later(LATER, RETRY_AFTER);
        };
        let mut answer = self.answer(&account, request).await;
        if answer.body.is_none() {
            answer.body = account.provider.says(request, answer.status).map(Into::into);
        }
        answer
    }

    async fn answer(&self, account: &Account, request: &Request<'_>) -> Answer {
        if self.flood.holds_back(request.peer, request.now) {
            account.counters.held_back();
            let answers = account.provider.answers();
            return Answer::later(answers.later, answers.retry_after);
        }
        match self.take(account, request).await {
            Ok(Taken::Events(appended)) => account.counters.accepted(&appended),
            Ok(Taken::Handshake(answer)) => return answer,
            Err(Failure::Refused(refused)) => return self.refuse(account, request, refused),
            Err(Failure::Passing(_)) => return account.fail(),
        }
        Answer::of(account.provider.answers().stored)
    }

    /// Whether a GET of an endpoint with a query is an event.
    pub fn takes_get(&self, endpoint: &str) -> bool {
        self.account(endpoint).is_some_and(|account| account.provider.takes_get())
    }

    /// Counts a request whose body is over the limit, and says what to answer.
    pub fn too_large(&self, endpoint: &str) -> Answer {
        let account = self.account(endpoint);
        account.map_or(Answer::of(TOO_LARGE), |account| account.refuse(Refused::TooLarge))
    }

    /// What came to an endpoint, and what came of it; `None` if no provider has it.
    pub fn counts(&self, endpoint: &str) -> Option<Counts> {
        self.account(endpoint).map(|account| account.counters.read())
    }

    /// How many requests came to endpoints that no provider has.
    pub fn unknown_endpoints(&self) -> u64 {
        self.unknown_endpoints.read().refused.values().sum()
    }

    /// What takes the pixel, links and unsubscribing.
    pub fn hits(&self) -> &Arc<Hits> {
        &self.hits
    }

    /// What can't be kept is not refused: the key may be ours that is wrong.
    fn refuse(&self, account: &Account, request: &Request<'_>, cause: Refused) -> Answer {
        // Some show their credentials only when they are asked for them, each time.
        let asked = cause == Refused::MissingCredentials && account.provider.answers().challenges;
        if !asked && !cause.is_ours() {
            self.flood.failed(request.peer, request.now);
        }
        if let Some(ring) = self.refused.as_ref().filter(|_| cause != Refused::TooLarge) {
            let endpoint = account.provider.endpoint().clone();
            if ring.keep(&RefusedRequest::new(endpoint, request, cause)).is_err() {
                return account.fail();
            }
        }
        account.refuse(cause)
    }

    async fn take(&self, account: &Account, request: &Request<'_>) -> Result<Taken, Failure> {
        if request.body.len() > self.body_limit {
            return Err(Failure::Refused(Refused::TooLarge));
        }
        let provider = &*account.provider;
        let content = content(provider, request)?;
        let plain = opened(request, &content);
        let authenticity = self.verify(provider, request, &plain).await?;
        let request = &*plain;
        if let Some(asked) = provider.asks(request) {
            return self.shake(asked, provider.answers().stored).await.map(Taken::Handshake);
        }
        if request.method == OPTIONS {
            return Ok(Taken::Handshake(Answer::of(NOT_ALLOWED)));
        }
        let raw = self.raw.as_ref().map(|_| RawHash::of(request.body));
        let reader = Reader::new(&self.keys, &self.classifier);
        // What is read becomes an event at once: of a thousand elements one is held in both forms.
        let (namespace, mut facts) = (self.store.namespace(), Vec::new());
        let mut each = |one: Feedback| facts.push(one.into_event(&namespace));
        read_each(provider, request, &reader, authenticity, raw, &mut each)?;
        let facts = facts.into_iter().collect::<Result<Vec<_>, _>>();
        let facts = facts.map_err(|error| Failure::Passing(error.into()))?;
        if let Some(token) = provider.once(request) {
            let events: Vec<EventId> = facts.iter().map(|(_, event)| event.event_id).collect();
            if !self.tokens.admit(provider.endpoint(), &token, &events, request.now) {
                return Err(Failure::Refused(Refused::Reused));
            }
        }
        if let Some(raw) = &self.raw {
            raw.put(Bytes::copy_from_slice(request.body)).await?;
        }
        Ok(Taken::Events(self.store.record(facts).await?))
    }

    /// Verifies a request, with what has to be fetched for that.
    async fn verify(
        &self,
        provider: &dyn Provider,
        request: &Request<'_>,
        plain: &Request<'_>,
    ) -> Result<Authenticity, Failure> {
        let (Some(fetched), Some(url)) = (&self.fetched, provider.wants(plain)) else {
            return Ok(verify(provider, request, plain)?);
        };
        let Some(text) = fetched.get(&url, self.now()).await else {
            return Err(Failure::Passing(format!("{url} could not be fetched").into()));
        };
        let (request, plain) = (request.clone(), plain.clone());
        Ok(verify(provider, &request.certificate(&text), &plain.certificate(&text))?)
    }

    async fn shake(&self, asked: Handshake, stored: u16) -> Result<Answer, Failure> {
        let answer = Answer::of(stored);
        Ok(match asked {
            Handshake::Echo(body) => Answer { body: Some(body.into()), ..answer },
            Handshake::Allow(origin) => Answer { allowed_origin: Some(origin.into()), ..answer },
            Handshake::Visit(url) => {
                let Some(fetched) = &self.fetched else {
                    return Err(Failure::Passing("there is nothing to fetch with".into()));
                };
                fetched.visit(&url).await.map_err(|error| Failure::Passing(error.into()))?;
                answer
            }
        })
    }
}

/// The account of each endpoint.
type Accounts = BTreeMap<Box<str>, Arc<Account>>;

/// What a request came to.
enum Taken {
    Events(Appended),
    Handshake(Answer),
}

/// Why a request was not taken.
enum Failure {
    Refused(Refused),
    /// We failed, and may not the next time.
    Passing(BoxError),
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        Self::Passing(error.into())
    }
}

impl From<RawError> for Failure {
    fn from(error: RawError) -> Self {
        Self::Passing(error.into())
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake")
            .field("endpoints", &self.endpoints())
            .field("body_limit", &self.body_limit)
            .finish_non_exhaustive()
    }
}

/// How many bytes a body may have, unless set otherwise: several times of what providers send.
pub const BODY_LIMIT: usize = 2 * 1024 * 1024;
/// How many requests of one peer may fail to verify within a minute, unless set otherwise. More are told
/// to come later, and not looked at; what verifies never counts.
pub const MOST_FAILURES: u32 = 120;
/// The method by which some ask for leave to post.
const OPTIONS: &str = "OPTIONS";
/// Method not allowed (RFC 9110 §15.5.6).
const NOT_ALLOWED: u16 = 405;
/// The status of a passing failure where no provider says another.
const LATER: u16 = 429;
/// Seconds.
const RETRY_AFTER: u16 = 60;
