//! Signed requests of every provider, valid and spoilt, for the tests of who embeds this crate.
//!
//! A [`Mock`] stands for a provider: it has an [`Account`] that trusts it, and posts what that provider
//! posts, in its shape and signed by its rule, with a key that it made. Nothing here knows a network.
//!
//! ```text
//!  mocks/<provider>/<event>/<what>.json ─┐
//!  [[test]] of a mapping's file ─────────┴▶ About ─▶ signed by the provider's rule ─▶ MockRequest ─▶ spoilt
//! ```
//!
//! # Example
//! ```
//! use mailtrail_classify::Classifier;
//! use mailtrail_core::id::Endpoint;
//! use mailtrail_core::token::{Key, Keys};
//! use mailtrail_webhook::provider::mock::{About, Mock};
//! use mailtrail_webhook::provider::{Reader, receive};
//!
//! let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
//! let (keys, classifier) = (Keys::new(Key::new(1, [7; 32])), Classifier::builtin()?);
//! let reader = Reader::new(&keys, &classifier);
//!
//! let sendgrid = Mock::new(Endpoint::new("sendgrid")?, "sendgrid")?;
//! let bounced = sendgrid.request("bounced", &About::new("ann@a.example", now)).unwrap();
//! let feedback = receive(sendgrid.account(), &bounced.request(), &reader, None)?;
//! assert_eq!(feedback[0].fact.event.type_name(), "bounced");
//! for spoilt in bounced.spoilt() {
//!     let refused = receive(sendgrid.account(), &spoilt.request.request(), &reader, None);
//!     assert_eq!(refused.unwrap_err(), spoilt.refused, "{:?}", spoilt.what);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod about;
mod body;
mod document;
mod request;
mod rule;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use mailtrail_core::id::Endpoint;

pub use about::About;
pub use request::{MockRequest, Spoil, Spoilt};

use self::body::Bodies;
use self::rule::{CERTIFICATES, Rule};
use super::dialect::builtin;
use super::{Account, AccountError, KeyError, Mapping};
use crate::fetch::{Fetch, FetchError};

/// A provider as tests need it: what it posts, and the account that trusts it.
///
/// ```
/// use mailtrail_core::id::Endpoint;
/// use mailtrail_webhook::provider::mock::{About, Mock};
/// let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
/// let resend = Mock::new(Endpoint::new("resend")?, "resend")?;
/// let requests = resend.requests(&About::new("ann@a.example", now));
/// assert!(requests.iter().any(|request| request.events() == ["opened"]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Mock {
    account: Account,
    rule: Arc<dyn Rule>,
    bodies: Arc<Bodies>,
}

/// Why there is no such mock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MockError {
    /// Nobody knows this provider.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The mock can't make signatures of this kind: RSA over SHA-1.
    #[error("a mock makes no signatures over SHA-1 by RSA: try the mapping with another algorithm")]
    Unsignable,
    /// The provider does not take the key that the mock has made: a fault of ours.
    #[error("the mock's own key is none of the provider's")]
    Key(#[from] KeyError),
}

impl Mock {
    /// A mock of the provider of this name, for the account of that name.
    ///
    /// # Errors
    /// [`MockError::Account`] if nobody knows it.
    pub fn new(endpoint: Endpoint, provider: &str) -> Result<Self, MockError> {
        let mut files = Mapping::BUILTIN.iter().filter_map(|text| Mapping::from_toml(text).ok());
        if let Some(mapping) = files.find(|mapping| mapping.name() == provider) {
            return Self::of(endpoint, mapping);
        }
        let rule = match builtin(provider) {
            Some(dialect) => rule::of(&*dialect)?,
            None => rule::unsigned(provider),
        };
        let account = Account::new(endpoint, provider, rule.access())?;
        Self::speaking(account, rule, Bodies::of_provider(provider))
    }

    /// A mock of Amazon SES that delivers by Firehose, with an access key.
    ///
    /// ```
    /// use mailtrail_core::id::Endpoint;
    /// use mailtrail_webhook::provider::mock::{About, Mock};
    /// let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    /// let request = Mock::firehose(Endpoint::new("ses")?)?.request("bounced", &About::new("ann@a.example", now));
    /// assert!(request.unwrap().headers.has("X-Amz-Firehose-Access-Key"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// None, unless the mock is at fault.
    pub fn firehose(endpoint: Endpoint) -> Result<Self, MockError> {
        let rule: Arc<dyn Rule> = Arc::new(rule::Firehose);
        let account = Account::new(endpoint, "ses", rule.access())?;
        Self::speaking(account, rule, Bodies::of_provider("ses"))
    }

    /// A mock of a provider that a file describes. What it posts are the file's examples of one event.
    ///
    /// # Errors
    /// [`MockError::Unsignable`].
    pub fn of(endpoint: Endpoint, mapping: Mapping) -> Result<Self, MockError> {
        let (rule, bodies) = (rule::of(&mapping)?, Bodies::of_mapping(&mapping));
        let account = Account::of(endpoint, mapping, rule.access());
        Self::speaking(account, rule, bodies)
    }

    fn speaking(account: Account, rule: Arc<dyn Rule>, bodies: Bodies) -> Result<Self, MockError> {
        let account = rule.trust(account)?;
        Ok(Self { account, rule, bodies: Arc::new(bodies) })
    }

    /// The account that takes this mock's requests, and nobody else's: for the
    /// [`Intake`](crate::Intake::provider).
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// What the mock has at the URLs that its requests name: certificates of Amazon SNS. For
    /// [`Intake::fetch`](crate::Intake::fetch); [`MockRequest::request`] has them with it.
    pub fn fetch(&self) -> Arc<dyn Fetch> {
        Arc::new(Certificates)
    }

    /// A request for each event that the provider tells of, and each way in which it does, about one
    /// delivery.
    pub fn requests(&self, about: &About) -> Vec<MockRequest> {
        let all = self.bodies.all().iter();
        all.map(|body| {
            let (document, id) = (self.bodies.about(body, about), about.id(&body.name));
            let events = vec![body.event.clone()];
            MockRequest::new(&self.rule, body.name.clone(), events, document, (id, about.signed_at))
        })
        .collect()
    }

    /// The first request that tells of an event of this type, as in `bounced`; `None` if the provider
    /// has no such event.
    pub fn request(&self, event: &str, about: &About) -> Option<MockRequest> {
        self.requests(about).into_iter().find(|request| request.events() == [event])
    }

    /// One request with the events of all these, in their order; `None` if the provider does not post
    /// them together. Of a mapping's file, if that does not read them so.
    ///
    /// ```
    /// use mailtrail_core::id::Endpoint;
    /// use mailtrail_webhook::provider::mock::{About, Mock};
    /// let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    /// let mailtrap = Mock::new(Endpoint::new("mailtrap")?, "mailtrap")?;
    /// let [ann, ben] = ["ann@a.example", "ben@b.example"].map(|to| About::new(to, now));
    /// let both = [mailtrap.request("delivered", &ann), mailtrap.request("bounced", &ben)];
    /// let batch = mailtrap.batch(&both.map(Option::unwrap)).unwrap();
    /// assert_eq!(batch.events(), ["delivered", "bounced"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn batch(&self, requests: &[MockRequest]) -> Option<MockRequest> {
        let documents: Vec<_> = requests.iter().map(MockRequest::document).collect();
        let document = self.bodies.batch(&documents)?;
        let events = requests.iter().flat_map(|request| request.events().to_vec()).collect();
        let first = requests.first()?;
        Some(MockRequest::new(&self.rule, "batch".into(), events, document, first.signing()))
    }
}

impl fmt::Debug for Mock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mock").field("account", &self.account).finish_non_exhaustive()
    }
}

/// What is at the URLs of certificates.
struct Certificates;

#[async_trait]
impl Fetch for Certificates {
    async fn get(&self, url: &str) -> Result<String, FetchError> {
        let known = CERTIFICATES.iter().find(|(own, _)| *own == url);
        known.map(|(_, pem)| (*pem).to_owned()).ok_or_else(|| FetchError::new(url, "404"))
    }
}
