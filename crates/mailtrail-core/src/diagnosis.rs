//! The raw facts of a failure, as a server stated them, and our reading.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::reason::Reason;

/// The three digits of an SMTP reply (RFC 5321 §4.2): 200 to 599.
///
/// ```
/// use mailtrail_core::diagnosis::ReplyCode;
/// let code = ReplyCode::new(452).unwrap();
/// assert!(code.is_transient());
/// assert!(ReplyCode::new(99).is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct ReplyCode(u16);

impl ReplyCode {
    /// A code, if it is one.
    pub fn new(code: u16) -> Option<Self> {
        (200..=599).contains(&code).then_some(Self(code))
    }

    /// Its number.
    pub fn get(self) -> u16 {
        self.0
    }

    /// Whether it is 2yz: the server has taken what was asked.
    pub fn is_positive(self) -> bool {
        self.0 < 300
    }

    /// Whether it is 4yz: the same may succeed later.
    pub fn is_transient(self) -> bool {
        (400..500).contains(&self.0)
    }

    /// Whether it is 5yz: it will not.
    pub fn is_permanent(self) -> bool {
        self.0 >= 500
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u16> for ReplyCode {
    type Error = CodeError;
    fn try_from(code: u16) -> Result<Self, CodeError> {
        Self::new(code).ok_or(CodeError::Reply)
    }
}

impl From<ReplyCode> for u16 {
    fn from(code: ReplyCode) -> Self {
        code.0
    }
}

/// An enhanced status code (RFC 3463 §2): class 2, 4 or 5, subject and detail up to 999.
///
/// ```
/// use mailtrail_core::diagnosis::EnhancedCode;
/// let code: EnhancedCode = "5.1.1".parse()?;
/// assert_eq!((code.class(), code.subject(), code.detail()), (5, 1, 1));
/// assert!("3.1.1".parse::<EnhancedCode>().is_err());
/// # Ok::<(), mailtrail_core::diagnosis::CodeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnhancedCode {
    class: u8,
    subject: u16,
    detail: u16,
}

impl EnhancedCode {
    /// A code, if it is one.
    pub fn new(class: u8, subject: u16, detail: u16) -> Option<Self> {
        let valid = matches!(class, 2 | 4 | 5) && subject <= 999 && detail <= 999;
        valid.then_some(Self { class, subject, detail })
    }

    /// 2 success, 4 persistent transient failure, 5 permanent failure.
    pub fn class(self) -> u8 {
        self.class
    }

    /// What it is about: 1 address, 2 mailbox, 3 system, 4 network, 5 protocol, 6 content, 7 policy.
    pub fn subject(self) -> u16 {
        self.subject
    }

    /// The detail within the subject.
    pub fn detail(self) -> u16 {
        self.detail
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl FromStr for EnhancedCode {
    type Err = CodeError;
    fn from_str(text: &str) -> Result<Self, CodeError> {
        let (mut numbers, mut at, mut empty) = ([0_u16; 3], 0, true);
        for byte in text.trim().bytes() {
            match (byte, numbers.get_mut(at)) {
                (b'0'..=b'9', Some(number)) => {
                    let digit = u16::from(byte.wrapping_sub(b'0'));
                    let more = number.checked_mul(10).and_then(|number| number.checked_add(digit));
                    *number = more.ok_or(CodeError::Enhanced)?;
                    empty = false;
                }
                (b'.', Some(_)) if !empty => (at, empty) = (at.saturating_add(1), true),
                _ => return Err(CodeError::Enhanced),
            }
        }
        if at != 2 || empty {
            return Err(CodeError::Enhanced);
        }
        let [class, subject, detail] = numbers;
        let class = u8::try_from(class).map_err(|_| CodeError::Enhanced)?;
        Self::new(class, subject, detail).ok_or(CodeError::Enhanced)
    }
}

impl Serialize for EnhancedCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EnhancedCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a text or number is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// Not 200 to 599.
    #[error("a reply code is a number from 200 to 599")]
    Reply,
    /// Not `class.subject.detail`.
    #[error("an enhanced code is class.subject.detail (RFC 3463), with class 2, 4 or 5")]
    Enhanced,
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// The address or mailbox.
    Recipient,
    /// The recipient's server or provider.
    RecipientSystem,
    /// Ours: our server is listed, our DKIM is broken, our quota is used up.
    SenderSystem,
    /// Nobody knows.
    #[default]
    #[serde(other)]
    Unknown,
}

/// What was stated about a failure, and how we read it. The server's own text, which quotes
/// addresses, is in [`Private::text`](crate::event::Private::text).
///
/// ```
/// use mailtrail_core::diagnosis::Diagnosis;
/// use mailtrail_core::reason::Reason;
/// let mut diagnosis = Diagnosis::because(Reason::MailboxFull);
/// diagnosis.enhanced_code = "5.2.2".parse().ok();
/// let json = serde_json::to_string(&diagnosis).unwrap();
/// assert_eq!(json, r#"{"enhanced_code":"5.2.2","reason":"mailbox_full","fault":"unknown"}"#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The reply code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_code: Option<ReplyCode>,
    /// The enhanced code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enhanced_code: Option<EnhancedCode>,
    /// What the `Status` field of a delivery report says (RFC 3464 §2.3.4), where the server's own words
    /// say something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_field: Option<EnhancedCode>,
    /// Our reading.
    #[serde(default)]
    pub reason: Reason,
    /// Whose fault it is.
    #[serde(default)]
    pub fault: Fault,
    /// The host that refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_host: Option<Box<str>>,
    /// The host that reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reporting_host: Option<Box<str>>,
    /// The rule that gave the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Box<str>>,
    /// The version of the rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules_version: Option<Box<str>>,
}

impl Diagnosis {
    /// A diagnosis of which only the reason is known.
    pub fn because(reason: Reason) -> Self {
        Self { reason, ..Self::default() }
    }
}
