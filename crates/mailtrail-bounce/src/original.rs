//! What a report returns of the message that it is about.

use mail_parser::{Message, MessagePart, MimeHeaders, PartType};

use crate::fields::{Fields, blocks};

/// The header of the returned message; empty if nothing was returned.
pub(crate) fn header(message: &Message<'_>) -> Fields {
    let returned = message.parts.iter().find(|part| is_returned(part));
    let text = returned.map(|part| match &part.body {
        PartType::Message(inner) => String::from_utf8_lossy(&inner.raw_message).into_owned(),
        _ => String::from_utf8_lossy(part.contents()).into_owned(),
    });
    let header: String = text.unwrap_or_default().chars().take(MOST_HEADER).collect();
    blocks(&header).into_iter().next().unwrap_or_default()
}

/// The media type of a part, in lower case.
pub(crate) fn media_type(part: &MessagePart<'_>) -> (String, String) {
    let lower = |text: &str| text.to_ascii_lowercase();
    part.content_type().map_or_else(Default::default, |content_type| {
        (lower(content_type.ctype()), content_type.subtype().map(lower).unwrap_or_default())
    })
}

fn is_returned(part: &MessagePart<'_>) -> bool {
    let (kind, subtype) = media_type(part);
    let headers = ["rfc822-headers", "global-headers"].contains(&subtype.as_str());
    headers || (kind == "message" && ["rfc822", "global"].contains(&subtype.as_str()))
}

/// Characters of a returned message that are looked at: its header is at the front.
const MOST_HEADER: usize = 65_536;
