//! A request for the pixel or a link, as a fact.

use chrono::{DateTime, Utc};
use mailtrail_core::correlation::Correlation;
use mailtrail_core::event::{Custom, Hit, HitKind, Private, Source};
use mailtrail_core::id::Identity;
use mailtrail_core::token::{Keys, Purpose, SeenIn, TokenError};
use mailtrail_core::{EventId, Feedback};

/// A request for a pixel or a link.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct HitRequest<'a> {
    /// The token in its URL.
    pub token: &'a str,
    /// The link that the URL names; none of a pixel.
    pub link: Option<&'a str>,
    /// Who asked, as text.
    pub ip: Option<&'a str>,
    /// With which program.
    pub user_agent: Option<&'a str>,
    /// When.
    pub now: DateTime<Utc>,
}

impl<'a> HitRequest<'a> {
    /// A request for the pixel of this token.
    pub fn pixel(token: &'a str, now: DateTime<Utc>) -> Self {
        Self { token, link: None, ip: None, user_agent: None, now }
    }

    /// A request for a link with this token.
    pub fn link(token: &'a str, link: &'a str, now: DateTime<Utc>) -> Self {
        Self { link: Some(link), ..Self::pixel(token, now) }
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

/// The hit that a request for the pixel or a link is; `observed` is a fresh id.
///
/// ```
/// use mailtrail_core::token::{Key, Keys, Purpose};
/// use mailtrail_core::{DeliveryId, EventId};
/// use mailtrail_webhook::track::{HitRequest, hit};
/// let keys = Keys::new(Key::new(1, [7; 32]));
/// let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
/// let delivery = DeliveryId::from_bytes([2; 16]);
/// let observed = EventId::observed(now, [3; 10]);
/// let open = keys.sign(Purpose::Open, delivery);
/// assert!(hit(&keys, &HitRequest::pixel(&open, now), observed).is_ok());
///
/// let click = keys.sign_link(delivery, "https://school.example/");
/// assert!(hit(&keys, &HitRequest::link(&click, "https://school.example/", now), observed).is_ok());
/// assert!(hit(&keys, &HitRequest::link(&click, "https://evil.example/", now), observed).is_err());
/// assert!(hit(&keys, &HitRequest::pixel(&click, now), observed).is_err());
/// ```
///
/// # Errors
/// [`TokenError`]: the request names no delivery of ours. Record nothing.
pub fn hit(
    keys: &Keys,
    request: &HitRequest<'_>,
    observed: EventId,
) -> Result<Feedback, TokenError> {
    let (token, kind, source) = match request.link {
        None => (keys.verify(Purpose::Open, request.token)?, HitKind::Pixel, PIXEL),
        Some(link) => (keys.verify_link(request.token, link)?, HitKind::Link, LINK),
    };
    let mut hit = Hit::default();
    (hit.hit, hit.retired_key) = (kind, token.retired_key);
    hit.link = request.link.map(Into::into);
    let (delivery, key_id) = (token.delivery, token.key_id);
    let correlation = Correlation::Token { delivery, key_id, seen_in: SeenIn::Url };
    let private = who(request.ip, request.user_agent);
    Ok(Feedback::new(correlation, hit.into(), Identity::Observed(observed), source)
        .private(private)
        .claimed_at(Some(request.now), request.now))
}

/// Who asked, as far as a request tells.
pub(super) fn who(ip: Option<&str>, user_agent: Option<&str>) -> Private {
    let mut private = Private::default();
    private.ip = ip.map(Into::into);
    private.user_agent = user_agent.map(|text| crate::text::cut(text, AGENT_BYTES).into());
    private
}

/// What stands for the hits of a delivery that are kept no more: appended for the first of them.
pub fn hits_capped(hit: &Feedback, observed: EventId, now: DateTime<Utc>) -> Feedback {
    let mut custom = Custom::default();
    custom.custom_type = "hits_capped".into();
    let (correlation, source) = (hit.correlation.clone(), hit.source.clone());
    Feedback::new(correlation, custom.into(), Identity::Observed(observed), source)
        .claimed_at(Some(now), now)
}

const PIXEL: Source = Source::known("pixel");
const LINK: Source = Source::known("link");
const AGENT_BYTES: usize = 1_024;
