//! Frames: what goes over the socket, either way.
//!
//! ```text
//! frame := length u32 (of all that follows) | request u64 | header length u32 | header, JSON
//!          | (record length u32 | record)*
//! ```
//! All numbers are big endian. A record is as the stores keep it.

use std::io::{self, Read, Write};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A frame as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Which request it is, or answers.
    pub(crate) request: u64,
    /// What it says.
    pub(crate) header: Bytes,
    /// Its events.
    pub(crate) records: Vec<Bytes>,
}

impl Frame {
    pub(crate) fn new(
        request: u64,
        header: &impl Serialize,
        records: Vec<Bytes>,
    ) -> io::Result<Self> {
        let header = serde_json::to_vec(header)?.into();
        Ok(Self { request, header, records })
    }

    pub(crate) fn header<T: DeserializeOwned>(&self) -> io::Result<T> {
        Ok(serde_json::from_slice(&self.header)?)
    }

    pub(crate) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let parts = || std::iter::once(&self.header).chain(&self.records);
        let with = |sum: usize, part: &Bytes| sum.saturating_add(part.len()).saturating_add(4);
        let length = parts().fold(8, with);
        if length > MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the frame is too large"));
        }
        let mut out = Vec::with_capacity(length.saturating_add(4));
        out.extend_from_slice(&width(length)?);
        out.extend_from_slice(&self.request.to_be_bytes());
        for part in parts() {
            out.extend_from_slice(&width(part.len())?);
            out.extend_from_slice(part);
        }
        to.write_all(&out)
    }

    /// The next frame; `None` where the other side has closed.
    pub(crate) fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut length = [0; 4];
        match from.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > MAX {
            return Err(malformed());
        }
        // Grows with what comes, whatever length is claimed.
        let mut bytes = Vec::new();
        let wanted = u64::try_from(length).unwrap_or(u64::MAX);
        from.take(wanted).read_to_end(&mut bytes)?;
        if bytes.len() != length {
            return Err(malformed());
        }
        Self::parse(&bytes.into()).map(Some).ok_or_else(malformed)
    }

    fn parse(bytes: &Bytes) -> Option<Self> {
        let (request, mut rest) = bytes.split_first_chunk::<8>()?;
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let (part, after) = after.split_at_checked(length)?;
            parts.push(bytes.slice_ref(part));
            rest = after;
        }
        let mut parts = parts.into_iter();
        let header = parts.next()?;
        Some(Self { request: u64::from_be_bytes(*request), header, records: parts.collect() })
    }
}

fn width(length: usize) -> io::Result<[u8; 4]> {
    u32::try_from(length).map(u32::to_be_bytes).map_err(|_| malformed())
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a frame of mailtrail")
}

/// More than the largest batch and its header: 64 MiB of payload in 10,000 events.
const MAX: usize = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(request: u64, records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5)) {
            let records: Vec<Bytes> = records.into_iter().map(Bytes::from).collect();
            let frame = Frame::new(request, &"header", records).unwrap();
            let mut bytes = Vec::new();
            frame.write(&mut bytes).unwrap();
            let mut reader = &bytes[..];
            prop_assert_eq!(Frame::read(&mut reader).unwrap().unwrap(), frame);
            prop_assert!(Frame::read(&mut reader).unwrap().is_none());
            bytes.pop();
            prop_assert!(!matches!(Frame::read(&mut &bytes[..]), Ok(Some(_))));
        }

        #[test]
        fn reading_is_total(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            Frame::read(&mut &bytes[..]).ok();
        }
    }
}
