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
}

impl Reply {
    /// A reply whose codes are known apart from its text.
    pub fn new(
        reply_code: Option<ReplyCode>,
        enhanced_code: Option<EnhancedCode>,
        text: impl Into<String>,
    ) -> Self {
        Self { reply_code, enhanced_code, text: text.into() }
    }

    /// Finds the codes in a text, such as `smtp; 550-5.1.1 … 550 5.1.1 no such user`. Total.
    ///
    /// A reply code counts only near the front, or where an enhanced code of its class follows: a
    /// number elsewhere is anything.
    ///
    /// ```
    /// use mailtrail_classify::Reply;
    /// let reply = Reply::parse("smtp; 550-5.1.1 No such user. 550 5.1.1 See example");
    /// assert_eq!(reply.reply_code.unwrap().get(), 550);
    /// assert_eq!(reply.enhanced_code.unwrap().to_string(), "5.1.1");
    /// assert_eq!(Reply::parse("no room in 404 halls").reply_code, None);
    /// ```
    pub fn parse(text: &str) -> Self {
        let mut reply = Self::new(None, None, text);
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.'));
        let words: Vec<&str> =
            words.map(|w| w.trim_matches('.')).filter(|w| !w.is_empty()).collect();
        for (index, word) in words.iter().enumerate() {
            if reply.enhanced_code.is_none() {
                reply.enhanced_code = word.parse().ok().filter(|code| is_stated(*code));
            }
            if reply.reply_code.is_none() {
                let next = words.get(index.saturating_add(1)).copied().unwrap_or_default();
                reply.reply_code = reply_code(word, index, next);
            }
        }
        reply
    }
}

/// Three numbers with dots are a code only if their class and subject can be one: no IP address or
/// version is.
fn is_stated(code: EnhancedCode) -> bool {
    code.subject() <= 7 && code.detail() <= 999
}

fn reply_code(word: &str, index: usize, next: &str) -> Option<ReplyCode> {
    if word.len() != 3 || !word.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let code = ReplyCode::new(word.parse().ok()?)?;
    let class = u16::from(next.parse::<EnhancedCode>().map_or(0, EnhancedCode::class));
    let confirmed = class > 0 && code.get().checked_div(100) == Some(class);
    // A server replies 2yz, 4yz or 5yz to what concerns a recipient (RFC 5321 §4.2.1).
    (confirmed || index <= FRONT).then_some(code).filter(|code| !(300..400).contains(&code.get()))
}

/// So many words may stand before the code: `smtp`, `host`, `said`.
const FRONT: usize = 2;
