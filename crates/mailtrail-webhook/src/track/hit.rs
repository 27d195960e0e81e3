//! A request for the pixel, as a fact.

use chrono::{DateTime, Utc};
use mailtrail_core::correlation::Correlation;
use mailtrail_core::event::{Custom, Hit, HitKind, Private, Source};
use mailtrail_core::id::Identity;
use mailtrail_core::token::{Keys, Purpose, SeenIn, TokenError};
use mailtrail_core::{EventId, Feedback};

/// A request for a pixel.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PixelRequest<'a> {
    /// The token in its URL.
    pub token: &'a str,
    /// Who asked, as text.
    pub ip: Option<&'a str>,
    /// With which program.
    pub user_agent: Option<&'a str>,
    /// When.
    pub now: DateTime<Utc>,
}

impl<'a> PixelRequest<'a> {
    /// A request for the pixel of this token.
    pub fn new(token: &'a str, now: DateTime<Utc>) -> Self {
        Self { token, ip: None, user_agent: None, now }
    }

    /// From this address.
    pub fn ip(mut self, ip: Option<&'a str>) -> Self {
        self.ip = ip;
        self
    }

    /// By this program.
    pub fn user_agent(mut self, user_agent: Option<&'a str>) -> Self {
        self.user_agent = user_agent;
        self
    }
}

/// The hit that a request for the pixel is; `observed` is a fresh id.
///
/// ```
/// use mailtrail_core::token::{Key, Keys, Purpose};
/// use mailtrail_core::{DeliveryId, EventId};
/// use mailtrail_webhook::track::{PixelRequest, hit};
/// let keys = Keys::new(Key::new(1, [7; 32]));
/// let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
/// let token = keys.sign(Purpose::Open, DeliveryId::from_bytes([2; 16]));
/// let observed = EventId::observed(now, [3; 10]);
/// assert!(hit(&keys, &PixelRequest::new(&token, now), observed).is_ok());
///
/// let click = keys.sign(Purpose::Click, DeliveryId::from_bytes([2; 16]));
/// assert!(hit(&keys, &PixelRequest::new(&click, now), observed).is_err());
/// ```
///
/// # Errors
/// [`TokenError`]: the request names no delivery of ours. Answer it all the same, record nothing.
pub fn hit(
    keys: &Keys,
    request: &PixelRequest<'_>,
    observed: EventId,
) -> Result<Feedback, TokenError> {
    let token = keys.verify(Purpose::Open, request.token)?;
    let mut hit = Hit::default();
    (hit.hit, hit.retired_key) = (HitKind::Pixel, token.retired_key);
    let (delivery, key_id) = (token.delivery, token.key_id);
    let correlation = Correlation::Token { delivery, key_id, seen_in: SeenIn::Url };
    let mut private = Private::default();
    private.ip = request.ip.map(Into::into);
    private.user_agent = request.user_agent.map(|text| crate::text::cut(text, AGENT_BYTES).into());
    Ok(Feedback::new(correlation, hit.into(), Identity::Observed(observed), PIXEL)
        .private(private)
        .claimed_at(Some(request.now), request.now))
}

/// What stands for the hits of a delivery that are kept no more: appended for the first of them.
pub fn hits_capped(hit: &Feedback, observed: EventId, now: DateTime<Utc>) -> Feedback {
    let mut custom = Custom::default();
    custom.custom_type = "hits_capped".into();
    let correlation = hit.correlation.clone();
    Feedback::new(correlation, custom.into(), Identity::Observed(observed), PIXEL)
        .claimed_at(Some(now), now)
}

const PIXEL: Source = Source::known("pixel");
const AGENT_BYTES: usize = 1_024;
