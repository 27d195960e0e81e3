//! Who makes a request, as far as it tells.

use std::net::IpAddr;

/// What a request says of who makes it.
///
/// ```
/// use mailtrail_webhook::track::Visit;
/// let visit = Visit::new().user_agent(Some("Mozilla/5.0 (X11)")).ip("192.0.2.7".parse().ok());
/// assert!(visit.ip.is_some());
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Visit<'a> {
    /// From which address.
    pub ip: Option<IpAddr>,
    /// With which program.
    pub user_agent: Option<&'a str>,
}

impl<'a> Visit<'a> {
    /// By nobody knows whom.
    pub fn new() -> Self {
        Self::default()
    }

    /// From this address.
    pub fn ip(mut self, ip: Option<IpAddr>) -> Self {
        self.ip = ip;
        self
    }

    /// By this program.
    pub fn user_agent(mut self, user_agent: Option<&'a str>) -> Self {
        self.user_agent = user_agent;
        self
    }
}

/// Whether a request says that nobody looks yet: a browser fetches what it may need later.
///
/// ```
/// use mailtrail_webhook::{Headers, track::is_prefetch};
/// assert!(is_prefetch(&Headers::new().with("Sec-Purpose", "prefetch;prerender")));
/// assert!(!is_prefetch(&Headers::new().with("Sec-Fetch-Mode", "navigate")));
/// ```
pub fn is_prefetch(headers: &crate::Headers) -> bool {
    let says = |(name, value): (&str, &[u8])| {
        let says = |word: &[u8]| {
            value.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        PREFETCH.iter().any(|(known, word)| name.eq_ignore_ascii_case(known) && says(word))
    };
    headers.iter().any(says)
}

/// The first is the standard's (fetch.spec.whatwg.org), the others what older browsers say.
const PREFETCH: &[(&str, &[u8])] = &[
    ("sec-purpose", b"prefetch"),
    ("purpose", b"prefetch"),
    ("x-purpose", b"preview"),
    ("x-moz", b"prefetch"),
];
