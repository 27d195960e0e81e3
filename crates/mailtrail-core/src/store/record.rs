//! The stored form of an event, and the hash chain over it. `docs/format.md` has it byte by byte.
//!
//! ```text
//! record := crc32c(rest) u32 | frame_length u32 | frame | data_length u32 | data
//!           | private_state u8 | [salt 16 | private_length u32 | private] | [private_hash 32] | hash 32
//! hash   := SHA-256(previous hash | frame | SHA-256(data) | private_hash, or 32 zeros)
//! ```
//! All numbers are big endian. `private_state` is 0 (there is none), 1 (present), 2 (erased).

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::error::ReadError;
use super::position::{Position, Version};
use crate::event::{
    Authenticity, ChainHash, Envelope, EventType, NewEvent, Origin, Provenance, Salt, Source,
};
use crate::id::{Category, EventId, StreamId};
use crate::token::SeenIn;

/// The format of the frame, its first byte.
pub const FORMAT: u8 = 1;

/// The chain hash of an envelope, given the one before it.
pub fn chain_hash(previous: ChainHash, envelope: &Envelope) -> ChainHash {
    chain_hash_with(previous, envelope, data_hash(&envelope.event.data))
}

/// The part of the chain hash that depends on nothing but the event: whoever brings it can take that.
pub(crate) fn data_hash(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

/// The chain hash of an envelope with this hash of its data.
pub(crate) fn chain_hash_with(
    previous: ChainHash,
    envelope: &Envelope,
    data_hash: [u8; 32],
) -> ChainHash {
    let hash = Sha256::new()
        .chain_update(previous.as_bytes())
        .chain_update(frame(envelope))
        .chain_update(data_hash)
        .chain_update(envelope.private_hash.unwrap_or_default());
    ChainHash::from_bytes(hash.finalize().into())
}

/// The bytes of an envelope.
pub fn encode(envelope: &Envelope) -> Vec<u8> {
    let mut out = Vec::new();
    encode_into(envelope, &mut out);
    out
}

/// Appends the bytes of an envelope.
pub fn encode_into(envelope: &Envelope, to: &mut Vec<u8>) {
    let start = to.len();
    let mut out = Writer(std::mem::take(to));
    out.0.extend_from_slice(&[0; 8]);
    let frame_start = out.0.len();
    frame_into(envelope, &mut out);
    let frame_length = out.0.len().saturating_sub(frame_start);
    out.set_u32(frame_start.saturating_sub(4), frame_length);
    out.bytes(&envelope.event.data);
    match (&envelope.event.private, envelope.salt, envelope.private_hash) {
        (Some(private), Some(salt), Some(hash)) => {
            out.u8(PRESENT);
            out.0.extend_from_slice(salt.as_bytes());
            out.bytes(private);
            out.0.extend_from_slice(&hash);
        }
        (_, _, Some(hash)) => {
            out.u8(ERASED);
            out.0.extend_from_slice(&hash);
        }
        (_, _, None) => out.u8(NONE),
    }
    out.0.extend_from_slice(envelope.hash.as_bytes());
    let record = out.0.get_mut(start..).and_then(|record| record.split_at_mut_checked(4));
    if let Some((crc, rest)) = record {
        crc.copy_from_slice(&crc32c::crc32c(rest).to_be_bytes());
    }
    *to = out.0;
}

/// Reads the bytes of an envelope, and checks them.
///
/// # Errors
/// [`ReadError::Corrupt`] if they are not what was written.
#[inline]
pub fn decode(bytes: &Bytes) -> Result<Envelope, ReadError> {
    let mut reader = Reader { bytes, at: 0 };
    reader.envelope().ok_or(ReadError::Corrupt { position: None })
}

/// All fields of an envelope but payloads and hashes, in a fixed binary form.
fn frame(envelope: &Envelope) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(256));
    frame_into(envelope, &mut out);
    out.0
}

fn frame_into(envelope: &Envelope, out: &mut Writer) {
    let event = &envelope.event;
    out.u8(FORMAT);
    out.u64(envelope.position.get());
    out.str(envelope.stream.category().as_str());
    out.0.extend_from_slice(envelope.stream.id());
    out.u64(envelope.version.get());
    out.time(envelope.recorded_at);
    out.0.extend_from_slice(event.event_id.as_bytes());
    out.str(event.event_type.as_str());
    out.0.extend_from_slice(&event.schema.to_be_bytes());
    out.option(event.occurred_at.as_ref(), |out, at| out.time(*at));
    out.str(event.source.as_str());
    out.authenticity(&event.provenance.authenticity);
    out.option(event.provenance.rule.as_deref(), Writer::str);
    out.option(event.provenance.rules_version.as_deref(), Writer::str);
    out.option(event.actor.as_deref(), Writer::str);
    out.option(event.causation_id.as_ref(), |out, id| out.0.extend_from_slice(id.as_bytes()));
    out.option(event.origin.as_ref(), |out, origin| {
        out.str(&origin.store);
        out.u64(origin.position.get());
        out.time(origin.recorded_at);
        out.0.extend_from_slice(origin.chain.as_bytes());
    });
}

struct Writer(Vec<u8>);

impl Writer {
    fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    /// Writes a length over what is there.
    fn set_u32(&mut self, at: usize, length: usize) {
        if let Some(place) = self.0.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<4>()) {
            *place = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        // Stores bound a batch far below 4 GiB.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn str(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Seconds and nanoseconds since 1970, so that no time that chrono has is out of range.
    fn time(&mut self, at: DateTime<Utc>) {
        self.0.extend_from_slice(&at.timestamp().to_be_bytes());
        self.0.extend_from_slice(&at.timestamp_subsec_nanos().to_be_bytes());
    }

    fn option<T: ?Sized>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn authenticity(&mut self, authenticity: &Authenticity) {
        match authenticity {
            Authenticity::None => self.u8(0),
            Authenticity::Observed => self.u8(1),
            Authenticity::Signed { key_id } => {
                self.u8(2);
                self.str(key_id);
            }
            Authenticity::Token { key_id, seen_in } => {
                self.u8(3);
                self.u8(*key_id);
                self.u8(match seen_in {
                    SeenIn::ReturnPath => 0,
                    SeenIn::Metadata => 1,
                    SeenIn::Url => 2,
                    SeenIn::Quoted => 3,
                });
            }
            Authenticity::SharedSecret => self.u8(4),
            Authenticity::Ip => self.u8(5),
        }
    }
}

struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl Reader<'_> {
    /// In one piece: an envelope is large, and is not to be moved from one function to the next.
    #[inline]
    fn envelope(&mut self) -> Option<Envelope> {
        let crc = u32::from_be_bytes(self.array()?);
        if crc32c::crc32c(self.bytes.get(self.at..)?) != crc {
            return None;
        }
        let frame_length = usize::try_from(u32::from_be_bytes(self.array()?)).ok()?;
        let frame_end = self.at.checked_add(frame_length)?;
        if self.u8()? != FORMAT {
            return None;
        }
        let position = Position::new(self.u64()?);
        let category = Category::from_ascii(self.slice()?)?;
        let stream = StreamId::from_parts(category, self.array()?);
        let version = Version::new(self.u64()?);
        let recorded_at = self.time()?;
        let event_id = EventId::from_bytes(self.array()?);
        let event_type = EventType::from_utf8(self.slice()?)?;
        let schema = u16::from_be_bytes(self.array()?);
        let occurred_at = self.option(Self::time)?;
        let source = Source::from_utf8(self.slice()?)?;
        let authenticity = self.authenticity()?;
        let rule = self.option(Self::text)?;
        let rules_version = self.option(Self::text)?.map(|text| String::from(text).into());
        let provenance = Provenance { authenticity, rule, rules_version };
        let actor = self.option(Self::text)?;
        let causation_id = self.option(|reader| Some(EventId::from_bytes(reader.array()?)))?;
        let origin = self.option(Self::origin)?;
        if self.at != frame_end {
            return None;
        }
        let data = self.bytes()?;
        let (mut salt, mut private, mut private_hash) = (None, None, None);
        match self.u8()? {
            NONE => {}
            PRESENT => {
                salt = Some(Salt::from_bytes(self.array()?));
                private = Some(self.bytes()?);
                private_hash = Some(self.array()?);
            }
            ERASED => private_hash = Some(self.array()?),
            _ => return None,
        }
        let hash = ChainHash::from_bytes(self.array()?);
        if self.at != self.bytes.len() {
            return None;
        }
        let event = NewEvent {
            event_id,
            event_type,
            schema,
            occurred_at,
            source,
            provenance,
            actor,
            causation_id,
            origin,
            data,
            private,
        };
        Some(Envelope { position, stream, version, recorded_at, event, salt, private_hash, hash })
    }

    fn origin(&mut self) -> Option<Origin> {
        let store = self.text()?;
        let position = Position::new(self.u64()?);
        let recorded_at = self.time()?;
        Some(Origin::new(store, position, recorded_at, ChainHash::from_bytes(self.array()?)))
    }

    fn authenticity(&mut self) -> Option<Authenticity> {
        Some(match self.u8()? {
            0 => Authenticity::None,
            1 => Authenticity::Observed,
            2 => Authenticity::Signed { key_id: self.text()?.into() },
            3 => Authenticity::Token {
                key_id: self.u8()?,
                seen_in: match self.u8()? {
                    0 => SeenIn::ReturnPath,
                    1 => SeenIn::Metadata,
                    2 => SeenIn::Url,
                    3 => SeenIn::Quoted,
                    _ => return None,
                },
            },
            4 => Authenticity::SharedSecret,
            5 => Authenticity::Ip,
            _ => return None,
        })
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.array()?))
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_be_bytes(self.array()?)).ok()
    }

    fn bytes(&mut self) -> Option<Bytes> {
        let length = self.length()?;
        let start = self.at;
        self.take(length)?;
        Some(self.bytes.slice(start..self.at))
    }

    fn slice(&mut self) -> Option<&[u8]> {
        let length = self.length()?;
        self.take(length)
    }

    fn str(&mut self) -> Option<&str> {
        std::str::from_utf8(self.slice()?).ok()
    }

    fn text(&mut self) -> Option<Box<str>> {
        self.str().map(Box::from)
    }

    fn time(&mut self) -> Option<DateTime<Utc>> {
        let seconds = i64::from_be_bytes(self.array()?);
        DateTime::from_timestamp(seconds, u32::from_be_bytes(self.array()?))
    }

    #[expect(clippy::option_option, reason = "the outer one is damage, the inner one is absence")]
    fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.u8()? {
            0 => Some(None),
            1 => read(self).map(Some),
            _ => None,
        }
    }
}

const NONE: u8 = 0;
const PRESENT: u8 = 1;
const ERASED: u8 = 2;
