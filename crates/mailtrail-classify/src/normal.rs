//! The form in which texts are searched: lower case, single spaces.

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
        push_ascii(normal, text.as_bytes());
        return;
    }
    for word in text.split_whitespace() {
        if word.is_ascii() {
            push_ascii(normal, word.as_bytes());
            continue;
        }
        for character in word.chars() {
            if UNCASED.iter().any(|script| script.contains(&character)) {
                normal.push(character);
            } else {
                normal.extend(character.to_lowercase());
            }
        }
        normal.push(' ');
    }
}

fn push_ascii(normal: &mut String, text: &[u8]) {
    let mut between = true;
    for chunk in text.chunks(CHUNK) {
        // Written at once: a call for each word costs more than the word.
        let (mut own, mut length) = ([0; CHUNK], 0_usize);
        for byte in chunk {
            let space = byte.is_ascii_whitespace() || *byte == VERTICAL_TAB;
            if let Some(place) = own.get_mut(length) {
                *place = if space { b' ' } else { byte.to_ascii_lowercase() };
            }
            length = length.saturating_add(usize::from(!(space && between)));
            between = space;
        }
        let own = own.get(..length).and_then(|own| std::str::from_utf8(own).ok());
        normal.push_str(own.unwrap_or_default());
    }
    if !between {
        normal.push(' ');
    }
}

/// Bytes that are written at once: most lines.
const CHUNK: usize = 128;
/// White space in Unicode, and not for [`u8::is_ascii_whitespace`].
const VERTICAL_TAB: u8 = 0x0B;
/// The scripts of East Asia have no cases: nobody needs to look for them in the table.
const UNCASED: [std::ops::RangeInclusive<char>; 2] =
    ['\u{2E80}'..='\u{A63F}', '\u{AC00}'..='\u{D7A3}'];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn east_asia_has_no_cases() {
        let cased = |c: &char| c.to_lowercase().ne(std::iter::once(*c));
        assert_eq!(UNCASED.into_iter().flatten().find(cased), None);
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
