use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// What a server says to a command or a message (RFC 5321 §4.2, RFC 3463).
///
/// # How do I write one?
/// As it looks on the wire:
/// ```
/// use mailtrail_smtp::server::Reply;
///
/// let reply: Reply = "452 4.2.2 mailbox full".parse()?;
/// assert_eq!((reply.code(), reply.enhanced(), reply.text()), (452, Some((4, 2, 2)), "mailbox full"));
/// assert_eq!(reply.to_string(), "452 4.2.2 mailbox full");
/// assert!("99 nonsense".parse::<Reply>().is_err());
/// # Ok::<(), mailtrail_smtp::server::ReplyError>(())
/// ```
///
/// # What does a text of several lines become?
/// A reply of several lines. Control characters become spaces, so that a text can't forge a reply:
/// ```
/// # use mailtrail_smtp::server::Reply;
/// let reply = Reply::new(554, (5, 7, 1), "see\nour policy\u{7}")?;
/// assert_eq!(reply.to_string(), "554-5.7.1 see\r\n554 5.7.1 our policy ");
/// # Ok::<(), mailtrail_smtp::server::ReplyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    enhanced: Option<(u8, u16, u16)>,
    text: Cow<'static, str>,
}

impl Reply {
    /// `250 2.0.0 ok`: the recipient or the message is taken.
    pub const OK: Self = Self::fixed(250, (2, 0, 0), "ok");
    /// `451 4.3.0 try again later`: nothing is kept, and the client should come again.
    pub const TRY_LATER: Self = Self::fixed(451, (4, 3, 0), "try again later");
    /// `550 5.1.1 no such user here`.
    pub const NO_SUCH_USER: Self = Self::fixed(550, (5, 1, 1), "no such user here");

    /// A reply of these parts.
    ///
    /// # Errors
    /// If the code is none of a 2xx, 4xx or 5xx (3xx is the protocol's own), or the enhanced code is of another class.
    pub fn new(
        code: u16,
        enhanced: impl Into<Option<(u8, u16, u16)>>,
        text: impl Into<Cow<'static, str>>,
    ) -> Result<Self, ReplyError> {
        let enhanced = enhanced.into();
        if !matches!(code, 200..300 | 400..600) {
            return Err(ReplyError::Code);
        }
        if enhanced.is_some_and(|(class, subject, detail)| {
            u16::from(class) != code / 100 || subject > 999 || detail > 999
        }) {
            return Err(ReplyError::Enhanced);
        }
        Ok(Self { code, enhanced, text: text.into() })
    }

    /// The three digits.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Class, subject and detail of RFC 3463, if given.
    pub fn enhanced(&self) -> Option<(u8, u16, u16)> {
        self.enhanced
    }

    /// What is said in words.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it says yes (2xx).
    pub fn is_positive(&self) -> bool {
        self.code < 300
    }

    pub(super) const fn fixed(code: u16, enhanced: (u8, u16, u16), text: &'static str) -> Self {
        Self { code, enhanced: Some(enhanced), text: Cow::Borrowed(text) }
    }

    /// Replies that RFC 2034 leaves without an enhanced code: greetings and 3xx.
    pub(super) fn plain(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, enhanced: None, text: text.into() }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.to_string().as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// As on the wire, without the last CR LF.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.text.lines().peekable();
        let mut line = lines.next().unwrap_or_default();
        loop {
            let last = lines.peek().is_none();
            write!(f, "{}{}", self.code, if last { ' ' } else { '-' })?;
            if let Some((class, subject, detail)) = self.enhanced {
                write!(f, "{class}.{subject}.{detail} ")?;
            }
            for c in line.chars() {
                fmt::Write::write_char(f, if c.is_control() { ' ' } else { c })?;
            }
            match lines.next() {
                Some(next) => line = next,
                None => return Ok(()),
            }
            f.write_str("\r\n")?;
        }
    }
}

/// Reads one line: `550 5.1.1 text`, `550 text` or `550`.
impl FromStr for Reply {
    type Err = ReplyError;

    fn from_str(line: &str) -> Result<Self, ReplyError> {
        let (code, rest) = line.split_once(' ').unwrap_or((line, ""));
        if code.len() != 3 {
            return Err(ReplyError::Code);
        }
        let code = code.parse().map_err(|_| ReplyError::Code)?;
        let (first, after) = rest.split_once(' ').unwrap_or((rest, ""));
        match enhanced(first) {
            Some(enhanced) => Self::new(code, enhanced, after.to_owned()),
            None => Self::new(code, None, rest.to_owned()),
        }
    }
}

fn enhanced(text: &str) -> Option<(u8, u16, u16)> {
    let mut parts = text.split('.');
    let code =
        (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(code)
}

/// Why something is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// The code isn't 2xx, 4xx or 5xx.
    #[error("a reply starts with a code 2xx, 4xx or 5xx")]
    Code,
    /// The enhanced code contradicts the code, or has too many digits.
    #[error(
        "an enhanced code starts with the reply code's first digit and has at most three digits a part"
    )]
    Enhanced,
}
