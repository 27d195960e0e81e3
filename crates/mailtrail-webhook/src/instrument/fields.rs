//! The fields that the header of a message gets.

use mailtrail_core::token::Purpose;

use super::edit::Edit;
use super::error::InstrumentError;
use super::header::Header;
use super::link::Links;
use super::options::InstrumentOptions;

/// What is added behind the last field.
pub(super) fn added(
    message: &[u8],
    header: &Header,
    links: &Links<'_>,
    options: &InstrumentOptions,
    line_end: &[u8],
) -> Result<Option<Edit>, InstrumentError> {
    let mut fields = Vec::new();
    let mut add = |name: &str, value: &str| {
        let is_long = name.len().saturating_add(value.len()) > LINE;
        fields.extend_from_slice(name.as_bytes());
        fields.push(b':');
        if is_long {
            fields.extend_from_slice(line_end);
        }
        fields.push(b' ');
        fields.extend_from_slice(value.as_bytes());
        fields.extend_from_slice(line_end);
    };
    if !is_known(message, header, links)? && options.correlation {
        add(DELIVERY_HEADER, &links.keys.sign(Purpose::Metadata, links.delivery));
    }
    if let Some(base) = options.base().filter(|_| options.unsubscribe)
        && !header.has(message, LIST_UNSUBSCRIBE)
    {
        add(LIST_UNSUBSCRIBE, &format!("<{}>", links.unsubscribe()));
        // RFC 8058 §3.1: one click is for https alone.
        if base.starts_with("https://") && !header.has(message, LIST_UNSUBSCRIBE_POST) {
            add(LIST_UNSUBSCRIBE_POST, "List-Unsubscribe=One-Click");
        }
    }
    let is_cut = !message.get(header.lines.clone()).is_some_and(|lines| lines.ends_with(b"\n"));
    if is_cut && !fields.is_empty() {
        fields.splice(0..0, line_end.iter().copied());
    }
    Ok((!fields.is_empty()).then(|| Edit::insert(header.lines.end, fields)))
}

/// Whether the header names the delivery already.
fn is_known(message: &[u8], header: &Header, links: &Links<'_>) -> Result<bool, InstrumentError> {
    let mut is_known = false;
    for value in header.values(message, DELIVERY_HEADER) {
        let token = str::from_utf8(value.trim_ascii()).unwrap_or_default();
        let found = links.keys.verify(Purpose::Metadata, token);
        if !found.is_ok_and(|found| found.delivery == links.delivery) {
            return Err(InstrumentError::OtherDelivery);
        }
        is_known = true;
    }
    Ok(is_known)
}

/// The header field with the token of [`Purpose::Metadata`], which several providers give back.
pub const DELIVERY_HEADER: &str = "X-MT-Delivery";
const LIST_UNSUBSCRIBE: &str = "List-Unsubscribe";
const LIST_UNSUBSCRIBE_POST: &str = "List-Unsubscribe-Post";
/// How long a line should be at most (RFC 5322 §2.1.1), without the colon and the blank.
const LINE: usize = 76;
