//! What is to be done to a message.

/// What [`instrument`](super::instrument) does to a message. Each part of it can be switched off.
///
/// ```
/// use mailtrail_webhook::instrument::{BaseError, InstrumentOptions};
/// let options = InstrumentOptions::new("https://mail.school.example/")?.text_links(false);
/// assert_eq!(options.base(), Some("https://mail.school.example"));
/// assert!(InstrumentOptions::new("mail.school.example").is_err());
/// # Ok::<(), BaseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each can be switched by itself")]
pub struct InstrumentOptions {
    pub(super) base: Option<String>,
    pub(super) links: bool,
    pub(super) text_links: bool,
    pub(super) pixel: bool,
    pub(super) trap: bool,
    pub(super) unsubscribe: bool,
    pub(super) correlation: bool,
}

impl InstrumentOptions {
    /// Everything but the trap link, with URLs below a base such as `https://mail.school.example`.
    ///
    /// # Errors
    /// [`BaseError`]: it is no absolute `http` or `https` URL in ASCII, or has a query.
    pub fn new(base: &str) -> Result<Self, BaseError> {
        let base = base.trim_end_matches('/');
        let host = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://"));
        let is_url = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]%+".contains(c);
        let is_fit = base.len() <= BASE_BYTES
            && host.is_some_and(|host| host.starts_with(|c: char| c.is_alphanumeric() || c == '['))
            && base.chars().all(is_url);
        if !is_fit {
            return Err(BaseError);
        }
        Ok(Self { base: Some(base.to_owned()), ..Self::untracked() })
    }

    /// Only the correlation header: nothing that needs a server of ours.
    pub fn untracked() -> Self {
        Self {
            base: None,
            links: true,
            text_links: true,
            pixel: true,
            trap: false,
            unsubscribe: true,
            correlation: true,
        }
    }

    /// Whether links lead over us, so that clicks are known. On by default.
    pub fn links(mut self, links: bool) -> Self {
        self.links = links;
        self
    }

    /// Whether also those in plain text do, where readers see the long URLs. On by default, as clicks of who
    /// reads the plain text would be unknown; without [`links`](Self::links) it does nothing.
    pub fn text_links(mut self, text_links: bool) -> Self {
        self.text_links = text_links;
        self
    }

    /// Whether the first HTML text gets the pixel, so that opens are known. On by default.
    pub fn pixel(mut self, pixel: bool) -> Self {
        self.pixel = pixel;
        self
    }

    /// Whether the first HTML text gets a link that no person sees: who follows it is a machine. Off by
    /// default, as some filters don't like what is hidden.
    pub fn trap(mut self, trap: bool) -> Self {
        self.trap = trap;
        self
    }

    /// Whether the header gets `List-Unsubscribe` and, with an `https` base, `List-Unsubscribe-Post`
    /// (RFC 8058). On by default.
    pub fn unsubscribe(mut self, unsubscribe: bool) -> Self {
        self.unsubscribe = unsubscribe;
        self
    }

    /// Whether the header gets the token that providers give back (`X-MT-Delivery`). On by default.
    pub fn correlation(mut self, correlation: bool) -> Self {
        self.correlation = correlation;
        self
    }

    /// Below which the URLs are, without a slash at its end.
    pub fn base(&self) -> Option<&str> {
        self.base.as_deref()
    }
}

/// A base that no URL can be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error(
    "not a URL to track with: write it as https://mail.school.example, with a path if need be, \
     without a query"
)]
pub struct BaseError;

/// So that each header field fits into its line.
const BASE_BYTES: usize = 512;
