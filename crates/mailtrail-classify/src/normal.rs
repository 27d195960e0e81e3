//! The form in which texts are searched: lower case, single spaces.

use std::ops::RangeInclusive;

/// A text in lower case, with single spaces: the form that [`Fragments`](crate::Fragments) are given and
/// looked for in.
///
/// ```
/// assert_eq!(mailtrail_classify::normal(" Mailbox\n  is FULL "), "mailbox is full");
/// ```
pub fn normal(text: &str) -> String {
    let mut normal = String::with_capacity(text.len().saturating_add(1));
    push_normal(&mut normal, text);
    normal.truncate(normal.trim_end().len());
    normal
}

/// Adds a text in that form, with a space behind each word.
pub fn push_normal(normal: &mut String, text: &str) {
    if text.is_ascii() {
        push_ascii(normal, text);
        return;
    }
    for word in text.split_whitespace() {
        if word.is_ascii() {
            push_lower(normal, word);
            continue;
        }
        for character in word.chars() {
            if character.is_ascii() {
                normal.push(character.to_ascii_lowercase());
            } else if LOWER.iter().any(|script| script.contains(&character)) {
                normal.push(character);
            } else {
                normal.extend(character.to_lowercase());
            }
        }
        normal.push(' ');
    }
}

fn push_ascii(normal: &mut String, text: &str) {
    let text = text.trim_ascii();
    if !is_single_spaced(text.as_bytes()) {
        for word in text.split_whitespace() {
            push_lower(normal, word);
        }
    } else if !text.is_empty() {
        push_lower(normal, text);
    }
}

fn push_lower(normal: &mut String, text: &str) {
    let start = normal.len();
    normal.push_str(text);
    if let Some(own) = normal.get_mut(start..) {
        own.make_ascii_lowercase();
    }
    normal.push(' ');
}

/// Whether no white space but single blanks is in a text. All bytes are looked at, without a branch: so
/// it is many of them at once.
#[expect(clippy::needless_bitwise_bool, reason = "a branch for each byte costs more than the byte")]
fn is_single_spaced(text: &[u8]) -> bool {
    let behind = text.get(1..).unwrap_or_default();
    let doubled = text
        .iter()
        .zip(behind)
        .fold(false, |found, (byte, next)| found | ((*byte == b' ') & (*next == b' ')));
    let control = text.iter().fold(false, |found, byte| found | (*byte < b' '));
    !(doubled | control)
}

/// Letters that are lower case, and scripts and marks that have no cases: nobody needs to look for them in
/// the table.
const LOWER: [RangeInclusive<char>; 7] = [
    // By far the most in mails: Japanese, Chinese, Korean.
    '\u{2E80}'..='\u{A63F}',
    '\u{AC00}'..='\u{D7A3}',
    // Western Europe, Cyrillic.
    '\u{DF}'..='\u{FF}',
    '\u{430}'..='\u{45F}',
    // Hebrew to Thai.
    '\u{590}'..='\u{EFF}',
    // Dashes, quotation marks, and what a wrong charset leaves.
    '\u{2010}'..='\u{205E}',
    '\u{FFF0}'..='\u{FFFF}',
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lower_case_is_lower_case() {
        let cased = |c: &char| c.to_lowercase().ne(std::iter::once(*c));
        assert_eq!(LOWER.into_iter().flatten().find(cased), None);
    }

    proptest! {
        #[test]
        fn words_are_lowered_and_parted_by_single_spaces(text in "[aBÄж宛Σ \t\n\u{B}\u{3000}]{0,300}") {
            let words: Vec<String> = text
                .split_whitespace()
                .map(|word| word.chars().flat_map(char::to_lowercase).collect())
                .collect();
            prop_assert_eq!(normal(&text), words.join(" "));
        }
    }
}
