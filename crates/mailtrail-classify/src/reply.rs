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
        let (mut words, mut introduced) = (Vec::new(), Vec::new());
        let mut colon = false;
        for piece in text.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == '.')) {
            let word = piece.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            if !word.is_empty() {
                words.push(word);
                introduced.push(std::mem::take(&mut colon));
            }
            colon = piece.ends_with(':') || (colon && word.is_empty());
        }
        let (mut replies, mut codes) = (Vec::new(), Vec::new());
        for (index, word) in words.iter().enumerate() {
            let code = word.parse().ok().filter(|code| is_stated(*code));
            // Of a server that quotes another's reply, that reply counts: it follows its own code.
            let before = index.checked_sub(1).and_then(|before| words.get(before)).copied();
            let confirmed =
                |code: &EnhancedCode| before.is_some_and(|word| is_of_class(word, *code));
            codes.extend(code.map(|code| (code, confirmed(&code))));
            let next = words.get(index.saturating_add(1)).copied().unwrap_or_default();
            let stated = index <= FRONT || introduced.get(index).copied().unwrap_or(false);
            replies.extend(reply_code(word, stated, next));
        }
        let failed = |code: &&ReplyCode| !code.is_positive();
        let reply_code = replies.iter().find(failed).or_else(|| replies.first()).copied();
        let first = |is: &dyn Fn(&(EnhancedCode, bool)) -> bool| codes.iter().copied().find(is);
        let enhanced_code = first(&|(code, confirmed)| *confirmed && code.class() != 2)
            .or_else(|| first(&|(code, _)| code.class() != 2))
            .or_else(|| codes.first().copied())
            .map(|(code, _)| code);
        Self::new(reply_code, enhanced_code, text)
    }
}

impl Reply {
    /// Whether its codes say that the same may succeed later; the enhanced code goes first.
    pub fn is_transient(&self) -> bool {
        match self.enhanced_code {
            Some(code) => code.class() == 4,
            None => self.reply_code.is_some_and(ReplyCode::is_transient),
        }
    }
}

/// Whether a word is a reply code of the class of an enhanced code.
fn is_of_class(word: &str, code: EnhancedCode) -> bool {
    let reply = Some(word).filter(|word| word.len() == 3).and_then(|word| word.parse::<u16>().ok());
    reply.and_then(|reply| reply.checked_div(100)) == Some(u16::from(code.class()))
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
    let class = u16::from(next.parse::<EnhancedCode>().map_or(0, EnhancedCode::class));
    let confirmed = class > 0 && code.get().checked_div(100) == Some(class);
    // A server replies 2yz, 4yz or 5yz to what concerns a recipient (RFC 5321 §4.2.1).
    (confirmed || stated).then_some(code).filter(|code| !(300..400).contains(&code.get()))
}

/// So many words may stand before the code: `smtp`, `host`, `said`.
const FRONT: usize = 2;
