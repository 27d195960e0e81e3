//! What a message says about itself: the `Mailtrail-*` headers, which are taken out of it, and its own.

use mail_parser::{HeaderName, HeaderValue, MessageParser};
use mailtrail_core::id::{ContactId, IdError, Kind};
use mailtrail_core::plan::Broadcast;
use mailtrail_core::{BroadcastId, EventId};

/// Why a message is not sent: what it says about itself can't be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// It begins with no header field.
    #[error("it is no message: it has no header")]
    NotAMessage,
    /// There is no such `Mailtrail-*` header.
    #[error("there is no header {name}: there are Mailtrail-Broadcast, -Contact, -Kind and -Name")]
    Unknown {
        /// Its name.
        name: Box<str>,
    },
    /// Its value can't be an id.
    #[error("the value of {name} can't be used: give one of 1 to 200 bytes")]
    Value {
        /// The name of the header.
        name: &'static str,
        /// What is wrong.
        #[source]
        cause: IdError,
    },
    /// An address is too long for the id of a contact.
    #[error("an address is too long to be the contact's id: give Mailtrail-Contact")]
    Contact(#[source] IdError),
    /// The broadcast exists with another kind.
    #[error("broadcast {broadcast} exists with another kind: give Mailtrail-Kind as it was")]
    AnotherKind {
        /// The broadcast.
        broadcast: BroadcastId,
    },
}

/// A message without its `Mailtrail-*` headers, and what they said.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) bytes: Vec<u8>,
    pub(super) broadcast: Broadcast,
    pub(super) contact: Option<ContactId>,
    pub(super) name: Option<String>,
    pub(super) message_id: Option<String>,
}

#[derive(Debug, Default)]
struct Fields {
    broadcast: Option<BroadcastId>,
    kind: Option<Kind>,
    contact: Option<ContactId>,
    name: Option<String>,
    message_id: Option<String>,
    from: Option<String>,
    subject: Option<String>,
}

impl Told {
    /// Reads the header. `fresh` names the broadcast of a message that names none and has no Message-ID.
    pub(super) fn read(message: &[u8], fresh: EventId) -> Result<Self, HeaderError> {
        let (bytes, fields) = Fields::split(message)?;
        // A Message-ID that can't be the name of a broadcast must not keep the mail from going out.
        let own = fields.message_id.as_deref().and_then(|id| id.parse().ok());
        let broadcast = match fields.broadcast.or(own) {
            Some(broadcast) => broadcast,
            None => id(BROADCAST, &fresh.to_string())?,
        };
        let kind = match fields.kind {
            Some(kind) => kind,
            None => id(KIND, TRANSACTIONAL)?,
        };
        let mut broadcast = Broadcast::new(broadcast, kind);
        if let Some(from) = fields.from {
            broadcast = broadcast.from_address(from);
        }
        if let Some(subject) = fields.subject {
            broadcast = broadcast.subject(subject);
        }
        let (contact, name) = (fields.contact, fields.name);
        Ok(Self { bytes, broadcast, contact, name, message_id: fields.message_id })
    }
}

impl Fields {
    fn split(message: &[u8]) -> Result<(Vec<u8>, Self), HeaderError> {
        let parser = MessageParser::new()
            .header_address(HeaderName::From)
            .header_id(HeaderName::MessageId)
            .default_header_text();
        let parsed = parser.parse_headers(message).ok_or(HeaderError::NotAMessage)?;
        let mut fields = Self::default();
        let (mut bytes, mut done) = (Vec::with_capacity(message.len()), 0);
        for header in parsed.headers() {
            if fields.take(&header.name, &header.value)? {
                let [start, end] =
                    [header.offset_field, header.offset_end].map(|at| usize::try_from(at).ok());
                bytes.extend_from_slice(between(message, Some(done), start));
                done = end.unwrap_or(done);
            }
        }
        bytes.extend_from_slice(between(message, Some(done), None));
        Ok((bytes, fields))
    }

    /// Whether it is for us alone.
    fn take(
        &mut self,
        name: &HeaderName<'_>,
        value: &HeaderValue<'_>,
    ) -> Result<bool, HeaderError> {
        let text = value.as_text().map(str::trim).unwrap_or_default();
        let own = match name {
            HeaderName::From => {
                let first = value.as_address().and_then(|from| from.first());
                self.from = first.and_then(|from| from.address()).map(Into::into);
                return Ok(false);
            }
            HeaderName::Subject => {
                self.subject = Some(text.to_owned());
                return Ok(false);
            }
            HeaderName::MessageId => {
                self.message_id = Some(text.to_owned()).filter(|id| !id.is_empty());
                return Ok(false);
            }
            HeaderName::Other(name) => name.as_ref(),
            _ => return Ok(false),
        };
        let is = |known: &str| own.eq_ignore_ascii_case(known);
        if is(BROADCAST) {
            self.broadcast = Some(id(BROADCAST, text)?);
        } else if is(CONTACT) {
            self.contact = Some(id(CONTACT, text)?);
        } else if is(KIND) {
            self.kind = Some(id(KIND, text)?);
        } else if is(NAME) {
            self.name = Some(text.to_owned()).filter(|name| !name.is_empty());
        } else if own.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX)) {
            return Err(HeaderError::Unknown { name: own.into() });
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

fn id<T: std::str::FromStr<Err = IdError>>(
    name: &'static str,
    text: &str,
) -> Result<T, HeaderError> {
    text.parse().map_err(|cause| HeaderError::Value { name, cause })
}

fn between(message: &[u8], start: Option<usize>, end: Option<usize>) -> &[u8] {
    let range = start.unwrap_or_default()..end.unwrap_or(message.len());
    message.get(range).unwrap_or_default()
}

const PREFIX: &str = "Mailtrail-";
const BROADCAST: &str = "Mailtrail-Broadcast";
const CONTACT: &str = "Mailtrail-Contact";
const KIND: &str = "Mailtrail-Kind";
const NAME: &str = "Mailtrail-Name";
/// The kind of what names none.
const TRANSACTIONAL: &str = "transactional";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &str) -> Result<Told, HeaderError> {
        Told::read(message.as_bytes(), EventId::from_bytes([7; 16]))
    }

    #[test]
    fn our_headers_are_read_and_taken_out_and_all_else_stays() {
        let told = read(
            "Subject: Hi\r\nMailtrail-Broadcast: snow-day\r\nX-A: 1\r\n b\r\n\
             mailtrail-NAME: =?utf-8?q?J=C3=BCrgen?=\r\n =?utf-8?q?_Lee?=\r\nMailtrail-Contact: c1\r\n\
             Mailtrail-Kind: emergency\r\nFrom: \"The Office\" <o@s.example>\r\n\r\nMailtrail-Kind: x\r\n",
        )
        .unwrap();
        assert_eq!(
            String::from_utf8(told.bytes).unwrap(),
            "Subject: Hi\r\nX-A: 1\r\n b\r\nFrom: \"The Office\" <o@s.example>\r\n\r\nMailtrail-Kind: x\r\n"
        );
        assert_eq!(told.name.as_deref(), Some("Jürgen Lee"));
        assert_eq!(told.contact.unwrap().as_str(), "c1");
        assert_eq!(told.broadcast.id().as_str(), "snow-day");
        assert_eq!(told.broadcast.kind().as_str(), "emergency");
        assert_eq!(told.broadcast.subject_line(), Some("Hi"));
    }

    #[test]
    fn a_message_that_names_no_broadcast_is_its_own() {
        let told = read("Message-ID: <m-1@s.example>\r\n\r\nHi").unwrap();
        assert_eq!(told.broadcast.id().as_str(), "m-1@s.example");
        assert_eq!(told.broadcast.kind().as_str(), "transactional");
        let fresh = EventId::from_bytes([7; 16]).to_string();
        for without in [
            "Subject: Hi\r\n\r\n".to_owned(),
            format!("Message-ID: <{}@x>\r\n\r\n", "m".repeat(200)),
        ] {
            assert_eq!(read(&without).unwrap().broadcast.id().as_str(), fresh);
        }
    }

    #[test]
    fn what_can_not_be_meant_is_refused() {
        assert!(matches!(read("Mailtrail-Brodcast: x\r\n\r\n"), Err(HeaderError::Unknown { .. })));
        assert!(matches!(read("Mailtrail-Kind:\r\n\r\n"), Err(HeaderError::Value { .. })));
        assert!(matches!(read(""), Err(HeaderError::NotAMessage)));
    }
}
