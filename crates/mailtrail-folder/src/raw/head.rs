//! What stands before each body in a segment, and at a segment's beginning.

use mailtrail_core::event::RawHash;

/// What a segment's checksums begin with: no body can hold what would be taken for a head.
pub(super) type Salt = [u8; 16];

/// What stands at a segment's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beginning {
    pub(super) salt: Salt,
    /// When it was made, in nanoseconds since 1970: no body in it was put earlier.
    pub(super) begun: i64,
}

impl Beginning {
    pub(super) fn encode(&self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        let fields = MAGIC.iter().copied().chain(FORMAT.to_be_bytes()).chain(self.salt);
        fill(&mut bytes, 0, fields.chain(self.begun.to_be_bytes()));
        let crc = crc32c::crc32c(bytes.split_at(BEGINNING).0);
        fill(&mut bytes, BEGINNING, crc.to_be_bytes());
        bytes
    }

    /// `None` if it is none of this format.
    pub(super) fn decode(bytes: &[u8; HEAD]) -> Option<Self> {
        let crc = crc32c::crc32c(bytes.split_at(BEGINNING).0);
        let known = part::<16>(bytes, 0)? == *MAGIC && part(bytes, 16)? == FORMAT.to_be_bytes();
        (known && part(bytes, BEGINNING)? == crc.to_be_bytes()).then_some(())?;
        Some(Self { salt: part(bytes, 20)?, begun: i64::from_be_bytes(part(bytes, 36)?) })
    }
}

/// What stands before a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) hash: RawHash,
    pub(super) length: u32,
    /// How far back its group begins: what was written with it, and synced by one call.
    pub(super) group: u32,
    pub(super) age: Age,
}

/// When a body was put last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// Nanoseconds since 1970.
    Put(i64),
    /// It is overwritten.
    Erased,
    /// The field is damaged.
    Unknown,
}

impl Head {
    pub(super) fn encode(&self, salt: &Salt, offset: u64) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        let fields = BODY.iter().copied().chain(self.length.to_be_bytes());
        let fields = fields.chain(*self.hash.as_bytes()).chain(self.group.to_be_bytes());
        fill(&mut bytes, 0, fields);
        let crc = checksum(salt, offset, bytes.split_at(CRC_AT).0);
        fill(&mut bytes, CRC_AT, crc.to_be_bytes());
        fill(&mut bytes, AGE_AT, self.age.encode(salt, offset));
        bytes
    }

    /// `None` if no body begins here.
    pub(super) fn decode(bytes: &[u8; HEAD], salt: &Salt, offset: u64) -> Option<Self> {
        (part::<4>(bytes, 0)? == *BODY).then_some(())?;
        let crc = checksum(salt, offset, bytes.split_at(CRC_AT).0);
        (part(bytes, CRC_AT)? == crc.to_be_bytes()).then_some(())?;
        Some(Self {
            length: u32::from_be_bytes(part(bytes, 4)?),
            hash: RawHash::from_bytes(part(bytes, 8)?),
            group: u32::from_be_bytes(part(bytes, 40)?),
            age: Age::decode(part(bytes, AGE_AT)?, salt, offset),
        })
    }

    /// How much room it takes with its body.
    pub(super) fn room(length: u32) -> u64 {
        u64::from(length).saturating_add(HEAD_BYTES).next_multiple_of(ALIGN)
    }

    /// Whether there is still a body.
    pub(super) fn is_live(&self) -> bool {
        self.age != Age::Erased
    }
}

impl Age {
    /// The 16 bytes at [`AGE_AT`] of a head: they never cross a sector's end, so they are there in whole or not at all.
    pub(super) fn encode(self, salt: &Salt, offset: u64) -> [u8; 16] {
        let nanoseconds = match self {
            Self::Put(at) => at.max(1),
            Self::Erased | Self::Unknown => 0,
        };
        let mut bytes = [0; 16];
        fill(&mut bytes, 0, nanoseconds.to_be_bytes());
        let crc = checksum(salt, offset, &nanoseconds.to_be_bytes());
        fill(&mut bytes, 8, crc.to_be_bytes());
        bytes
    }

    fn decode(bytes: [u8; 16], salt: &Salt, offset: u64) -> Self {
        let (said, rest) = bytes.split_at(8);
        match said.try_into().map(i64::from_be_bytes) {
            Ok(_) if !rest.starts_with(&checksum(salt, offset, said).to_be_bytes()) => {
                Self::Unknown
            }
            Ok(at @ 1..) => Self::Put(at),
            Ok(_) => Self::Erased,
            Err(_) => Self::Unknown,
        }
    }
}

/// A checksum that holds at this place of this segment alone.
pub(super) fn checksum(salt: &Salt, offset: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(salt), &offset.to_be_bytes()), bytes)
}

pub(super) fn part<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

pub(super) fn fill(bytes: &mut [u8], at: usize, with: impl IntoIterator<Item = u8>) {
    bytes.iter_mut().skip(at).zip(with).for_each(|(byte, value)| *byte = value);
}

/// How long a head is, and a segment's beginning.
pub(super) const HEAD: usize = 64;
pub(super) const HEAD_BYTES: u64 = 64;
/// Where heads may stand.
pub(super) const ALIGN: u64 = 16;
/// Where the age is in a head.
pub(super) const AGE_AT: usize = 48;
pub(super) const AGE_BYTES: u64 = 48;
const CRC_AT: usize = 44;
const BEGINNING: usize = 44;
const FORMAT: u32 = 1;
const MAGIC: &[u8; 16] = b"mailtrail bodies";
const BODY: &[u8; 4] = b"body";
