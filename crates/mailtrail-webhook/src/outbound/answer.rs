//! What the answer to a message means.

use std::fmt;
use std::time::Duration;

/// What a subscriber's server answered.
///
/// ```
/// use mailtrail_webhook::outbound::{Answer, Verdict};
/// use std::time::Duration;
/// assert_eq!(Answer::status(204).verdict(), Verdict::Done);
/// assert_eq!(Answer::status(410).verdict(), Verdict::Gone);
/// assert_eq!(Answer::status(302).verdict(), Verdict::Again { after: None });   // never followed
/// let busy = Answer::status(429).retry_after(Some("120"));
/// assert_eq!(busy.verdict(), Verdict::Again { after: Some(Duration::from_secs(120)) });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The HTTP status code.
    pub code: u16,
    retry_after: Option<Duration>,
}

impl Answer {
    /// An answer with this HTTP status code.
    pub fn status(code: u16) -> Self {
        Self { code, retry_after: None }
    }

    /// With the value of its `Retry-After` field, of which seconds are understood, and at most a day is honoured.
    pub fn retry_after(self, value: Option<&str>) -> Self {
        let seconds = value.and_then(|text| text.trim().parse::<u64>().ok());
        let retry_after = seconds.map(|seconds| Duration::from_secs(seconds).min(LONGEST));
        Self { retry_after, ..self }
    }

    /// What to do.
    pub fn verdict(self) -> Verdict {
        match self.code {
            200..=299 => Verdict::Done,
            410 => Verdict::Gone,
            429 | 503 => Verdict::Again { after: self.retry_after },
            _ => Verdict::Again { after: None },
        }
    }
}

/// What to do after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "whoever drives it must know all of them")]
pub enum Verdict {
    /// The message is with the subscriber.
    Done,
    /// The subscriber wants no more: pause.
    Gone,
    /// Try again: as the schedule says, but not before this time has passed.
    Again {
        /// What the subscriber asks for.
        after: Option<Duration>,
    },
}

/// Why an attempt failed, in a word that shows nothing of the answer's body.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failed {
    /// The answer was no success.
    Status(u16),
    /// The address of the target is one that must not be reached.
    Refused,
    /// No answer: connection, name, TLS or time.
    Unreachable(Box<str>),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(code) => write!(f, "answered {code}"),
            Self::Refused => f.write_str("its address is private, and not allowed"),
            Self::Unreachable(why) => write!(f, "no answer: {why}"),
        }
    }
}

/// As long as the longest pause of the schedule.
const LONGEST: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_success_is_success() {
        for code in 100..=599 {
            let done = Answer::status(code).verdict() == Verdict::Done;
            assert_eq!(done, (200..300).contains(&code), "{code}");
        }
    }

    #[test]
    fn a_date_or_nonsense_in_retry_after_leaves_it_to_the_schedule() {
        for text in ["Fri, 31 Dec 1999 23:59:59 GMT", "-1", "", "1e9", "١"] {
            let answer = Answer::status(503).retry_after(Some(text));
            assert_eq!(answer.verdict(), Verdict::Again { after: None }, "{text}");
        }
        let endless = Answer::status(429).retry_after(Some("18446744073709551615"));
        assert_eq!(endless.verdict(), Verdict::Again { after: Some(LONGEST) });
    }
}
