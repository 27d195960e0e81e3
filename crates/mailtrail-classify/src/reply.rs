//! A reply as it stands in a transcript, a report or a webhook.

use mailtrail_core::diagnosis::{EnhancedCode, ReplyCode};

/// A reply: its codes, as far as they are stated, and its text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Reply {
    /// The reply code (RFC 5321 §4.2).
    pub reply_code: Option<ReplyCode>,
    /// The enhanced code (RFC 3463).
    pub enhanced_code: Option<EnhancedCode>,
    /// All of the text.
    pub text: String,
    /// The server that said so, if that is known.
    pub host: Option<String>,
}

impl Reply {
    /// A reply whose codes are known apart from its text.
    pub fn new(
        reply_code: Option<ReplyCode>,
        enhanced_code: Option<EnhancedCode>,
        text: impl Into<String>,
    ) -> Self {
        Self { reply_code, enhanced_code, text: text.into(), host: None }
    }

    /// Finds the codes in a text, such as `smtp; 550-5.1.1 … 550 5.1.1 no such user`. Total.
    ///
    /// A reply code counts only near the front, behind a colon, or where an enhanced code of its class
    /// follows: a number elsewhere is anything.
    ///
    /// ```
    /// use mailtrail_classify::Reply;
    /// let reply = Reply::parse("smtp; 550-5.1.1 No such user. 550 5.1.1 See example");
    /// assert_eq!(reply.reply_code.unwrap().get(), 550);
    /// assert_eq!(reply.enhanced_code.unwrap().to_string(), "5.1.1");
    /// assert_eq!(Reply::parse("no room in 404 halls").reply_code, None);
    /// ```
    pub fn parse(text: &str) -> Self {
        let (reply_code, enhanced_code) = Self::codes(text);
        Self::new(reply_code, enhanced_code, text)
    }

    /// The codes in a text, as [`parse`](Self::parse) finds them.
    pub fn codes(text: &str) -> (Option<ReplyCode>, Option<EnhancedCode>) {
        if !may_state(text.as_bytes()) {
            return (None, None);
        }
        let mut words = Words { rest: text, colon: false };
        let mut following = words.next();
        let (mut reply_code, mut enhanced_code) = (None::<ReplyCode>, None::<(u8, EnhancedCode)>);
        let (mut before, mut index) = ("", 0_usize);
        while let Some((word, introduced)) = following {
            let found = (reply_code, enhanced_code);
            if let Some(code) = enhanced(word).filter(|code| is_stated(*code)) {
                // Of a server that quotes another's reply, that reply counts: it follows its own
                // code. What failed goes before what did not.
                let rank = match code.class() {
                    2 => 0,
                    _ if is_of_class(before, code) => HIGHEST,
                    _ => 1,
                };
                if enhanced_code.is_none_or(|(own, _)| rank > own) {
                    enhanced_code = Some((rank, code));
                }
            }
            let rest = words.rest;
            following = words.next();
            let next = following.map_or("", |(next, _)| next);
            if let Some(code) = self::reply_code(word, index <= FRONT || introduced, next)
                && reply_code.is_none_or(|own| own.is_positive() && !code.is_positive())
            {
                reply_code = Some(code);
            }
            let is_final = reply_code.is_some_and(|own| !own.is_positive());
            if is_final && enhanced_code.is_some_and(|(rank, _)| rank == HIGHEST) {
                break;
            }
            // What follows a code is mostly words.
            let is_new = found != (reply_code, enhanced_code);
            if is_new && !may_state(rest.as_bytes()) {
                break;
            }
            (before, index) = (word, index.saturating_add(1));
        }
        (reply_code, enhanced_code.map(|(_, code)| code))
    }
}

/// Whether a word of a text may be a code: most texts without one are ruled out by that.
fn may_state(text: &[u8]) -> bool {
    memchr::memchr3_iter(b'2', b'4', b'5', text).any(|at| {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        let next = text.get(at.saturating_add(1));
        before.is_none_or(|before| !before.is_ascii_alphanumeric())
            && next.is_some_and(|next| next.is_ascii_digit() || *next == b'.')
    })
}

/// The words of a text, and whether a colon stands before each.
struct Words<'t> {
    rest: &'t str,
    colon: bool,
}

impl<'t> Iterator for Words<'t> {
    type Item = (&'t str, bool);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let bytes = self.rest.as_bytes();
            let (start, mut colon) = (bytes.iter().position(|byte| is_of_word(*byte))?, self.colon);
            if start > 1 || bytes.first() == Some(&b':') {
                let (gap, _) = bytes.split_at_checked(start)?;
                colon |= gap.trim_ascii_end().ends_with(b":");
            }
            let (_, rest) = self.rest.split_at_checked(start)?;
            let end = rest.bytes().position(|byte| !is_of_word(byte)).unwrap_or(rest.len());
            let (word, rest) = rest.split_at_checked(end)?;
            (self.rest, self.colon) = (rest, false);
            let word = if word.starts_with('.') || word.ends_with('.') {
                word.trim_matches('.')
            } else {
                word
            };
            if !word.is_empty() {
                return Some((word, colon));
            }
            self.colon = colon;
        }
    }
}

fn is_of_word(byte: u8) -> bool {
    OF_WORD.get(usize::from(byte)).is_some_and(|is| *is)
}

/// Looked up, as this is asked of every byte of a text.
const OF_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest: &mut [bool] = &mut table;
    let mut byte = 0_u8;
    while let [first, behind @ ..] = rest {
        *first = byte == b'.' || byte.is_ascii_alphanumeric();
        byte = byte.wrapping_add(1);
        rest = behind;
    }
    table
};

impl Reply {
    /// Whether its codes say that the same may succeed later; the enhanced code goes first, if it says
    /// more than its class: a relay that tries again calls a 521 `4.0.0`.
    ///
    /// ```
    /// use mailtrail_classify::Reply;
    /// use mailtrail_core::diagnosis::ReplyCode;
    /// assert!(Reply::parse("550 4.2.2 mailbox full").is_transient());
    /// let code = "4.0.0".parse().ok();
    /// assert!(!Reply::new(ReplyCode::new(521), code, "no mail here").is_transient());
    /// assert!(Reply::new(None, code, "no mail here").is_transient());
    /// ```
    pub fn is_transient(&self) -> bool {
        let says_more = |code: &EnhancedCode| code.subject() != 0 || code.detail() != 0;
        match (self.enhanced_code, self.reply_code) {
            (Some(code), None) => code.class() == 4,
            (Some(code), Some(_)) if says_more(&code) => code.class() == 4,
            (_, reply_code) => reply_code.is_some_and(ReplyCode::is_transient),
        }
    }

    /// A server's reply behind which Exim says when it gave up (`REPLY: retry timeout exceeded`).
    pub(crate) fn before_expiry(&self) -> Option<Self> {
        let own = self.text.trim_end().strip_suffix(": retry timeout exceeded")?;
        (!own.trim().is_empty()).then(|| Self { text: own.to_owned(), ..self.clone() })
    }
}

/// Whether a word is a reply code of the class of an enhanced code.
fn is_of_class(word: &str, code: EnhancedCode) -> bool {
    let reply = Some(word).filter(|word| word.len() == 3).and_then(|word| word.parse::<u16>().ok());
    reply.and_then(|reply| reply.checked_div(100)) == Some(u16::from(code.class()))
}

/// Most words are none: those cost no more than a look at their first characters.
fn enhanced(word: &str) -> Option<EnhancedCode> {
    matches!(word.as_bytes(), [b'2' | b'4' | b'5', b'.', ..]).then(|| word.parse().ok()).flatten()
}

/// Three numbers with dots are a code only if their class and subject can be one: no IP address or
/// version is.
fn is_stated(code: EnhancedCode) -> bool {
    code.subject() <= 7 && code.detail() <= 999
}

fn reply_code(word: &str, stated: bool, next: &str) -> Option<ReplyCode> {
    if word.len() != 3 || !word.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let code = ReplyCode::new(word.parse().ok()?)?;
    let class = u16::from(enhanced(next).map_or(0, EnhancedCode::class));
    let confirmed = class > 0 && code.get().checked_div(100) == Some(class);
    // A server replies 2yz, 4yz or 5yz to what concerns a recipient (RFC 5321 §4.2.1).
    (confirmed || stated).then_some(code).filter(|code| !(300..400).contains(&code.get()))
}

/// The rank of an enhanced code that no other can have more of.
const HIGHEST: u8 = 2;
/// So many words may stand before the code: `smtp`, `host`, `said`.
const FRONT: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// `2.x` is no code, and looks like one: behind it nothing can be ruled out at a glance.
        #[test]
        fn nothing_is_missed_by_ending_early(
            words in prop::collection::vec("[245]\\.[0-9]\\.[0-9]{1,2}|[2-5]5[0-9]|[a-z.:]{1,3}|d2i|[2.]{1,3}", 0..9),
            gaps in prop::collection::vec("[ :;-]{1,2}", 9),
        ) {
            let text: String = words.iter().zip(&gaps).flat_map(|(word, gap)| [&**word, gap]).collect();
            prop_assert_eq!(Reply::codes(&text), Reply::codes(&format!("{text} 2.x")), "{}", text);
        }
    }
}
