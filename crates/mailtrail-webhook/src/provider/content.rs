//! What a request says, as its provider wrote it: uncompressed, and of a GET its query.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::{Provider, Refused};
use crate::Request;

/// The bytes that a provider's events are read from: the body before it was compressed for the way (RFC
/// 9110 §8.4.1), or the query of a [GET](Provider::takes_get) without what is [secret](Provider::is_secret).
///
/// What says that it is compressed and is not, stays as it is: it is kept like all that nobody can read.
///
/// # Errors
/// [`Refused::TooLarge`], if it is more than [`CONTENT_LIMIT`].
///
/// ```
/// use mailtrail_core::id::Endpoint;
/// use mailtrail_webhook::provider::{Access, Account, content};
/// use mailtrail_webhook::{Request, Secret};
/// let access = Access::new().query("key", Secret::new("trail"));
/// let elastic = Account::new(Endpoint::new("elastic_email")?, "elastic_email", access)?;
/// let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
/// let request = Request::new(b"", now).method("GET").query(Some("status=Sent&key=trail&to=ann%40a.example"));
/// assert_eq!(&*content(&elastic, &request)?, b"status=Sent&to=ann%40a.example");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn content<'a>(
    provider: &dyn Provider,
    request: &Request<'a>,
) -> Result<Cow<'a, [u8]>, Refused> {
    if let Some(query) = request.query.filter(|_| request.method == GET && provider.takes_get()) {
        let pairs = form_urlencoded::parse(query.as_bytes());
        let told = pairs.filter(|(name, _)| !provider.is_secret(name));
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(told).finish();
        return Ok(form.into_bytes().into());
    }
    let coding = request.headers.text("content-encoding").unwrap_or_default();
    if !CODINGS.iter().any(|name| coding.eq_ignore_ascii_case(name)) {
        return Ok(request.body.into());
    }
    let (mut plain, limit) = (Vec::new(), CONTENT_LIMIT.saturating_add(1));
    match MultiGzDecoder::new(request.body).take(limit).read_to_end(&mut plain) {
        Ok(read) if u64::try_from(read).is_ok_and(|read| read < limit) => Ok(plain.into()),
        Ok(_) => Err(Refused::TooLarge),
        Err(_) => Ok(request.body.into()),
    }
}

/// A request with its content in the place of its body; the same one, where that is the same.
pub(crate) fn opened<'r>(request: &'r Request<'_>, content: &'r [u8]) -> Cow<'r, Request<'r>> {
    if std::ptr::eq(content, request.body) {
        Cow::Borrowed(request)
    } else {
        Cow::Owned(request.clone().body(content))
    }
}

/// How many bytes a body may have when it is no more compressed.
pub const CONTENT_LIMIT: u64 = 16 * 1024 * 1024;

const GET: &str = "GET";
/// The names of one coding (RFC 9110 §8.4.1.3).
const CODINGS: [&str; 2] = ["gzip", "x-gzip"];
