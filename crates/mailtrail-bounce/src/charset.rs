//! Texts in the charset that their part declares, and those whose bytes are not what it declares.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::ISO_2022_JP;
use mail_parser::decoders::charsets::map::charset_decoder;

use crate::fields::lossy;

/// The text of a part; where its declared charset can't be the right one, by the best guess.
pub(crate) fn text<'m>(bytes: Cow<'m, [u8]>, declared: Option<&str>) -> Cow<'m, str> {
    let bytes = match if is_plain(&bytes, declared) { utf8(bytes) } else { Err(bytes) } {
        Ok(text) => return text,
        Err(bytes) => bytes,
    };
    let text = match declared.and_then(|declared| charset_decoder(declared.as_bytes())) {
        Some(decode) => decode(&bytes),
        None => lossy(&bytes).into_owned(),
    };
    if !is_contradicted(&text) {
        return Cow::Owned(text);
    }
    let guessed = guess(bytes.get(..MOST_BYTES).unwrap_or(&bytes));
    Cow::Owned(if errors(&guessed) < errors(&text) { guessed } else { text })
}

/// Whether bytes may be taken as they are: most are ASCII, and so they are in most charsets.
fn is_plain(bytes: &[u8], declared: Option<&str>) -> bool {
    let is = |start: &&str| declared.is_some_and(|own| crate::status::starts_with(own, start));
    let is_unicode = declared.is_none() || UNICODE.iter().any(is);
    memchr::memchr3(ESCAPE, SHIFT_IN, SHIFT_OUT, bytes).is_none()
        && (is_unicode || (ASCII.iter().any(is) && bytes.is_ascii()))
}

fn utf8(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, str>, Cow<'_, [u8]>> {
    match bytes {
        Cow::Borrowed(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(_) => Err(Cow::Borrowed(bytes)),
        },
        Cow::Owned(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Cow::Owned(text)),
            Err(error) => Err(Cow::Owned(error.into_bytes())),
        },
    }
}

/// A replacement character, or an escape sequence of ISO-2022-JP that was taken for text.
fn is_contradicted(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr(ESCAPE, bytes).is_some()
        || (!text.is_ascii() && memchr::memmem::find(bytes, REPLACED).is_some())
}

const ESCAPE: u8 = 0x1B;
const SHIFT_OUT: u8 = 0x0E;
const SHIFT_IN: u8 = 0x0F;
const REPLACED: &[u8] = "\u{FFFD}".as_bytes();
/// How names of charsets start in which UTF-8 stands for itself.
const UNICODE: [&str; 2] = ["utf-8", "utf8"];
/// And those in which ASCII does, as long as nothing shifts.
const ASCII: [&str; 8] =
    ["us-ascii", "iso-8859-", "iso-2022-jp", "windows-12", "shift_jis", "euc-jp", "koi8-", "gb"];

fn errors(text: &str) -> usize {
    let bytes = text.as_bytes();
    let replaced = memchr::memmem::find_iter(bytes, REPLACED).count();
    replaced.saturating_add(memchr::memchr_iter(ESCAPE, bytes).count())
}

fn guess(bytes: &[u8]) -> String {
    // By far the most frequent case: a notice in Japanese that declares nothing.
    if bytes.is_ascii() && bytes.contains(&ESCAPE) {
        return ISO_2022_JP.decode_without_bom_handling(bytes).0.into_owned();
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    // What is plain tells nothing.
    let start = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(0);
    let told = bytes.get(start..start.saturating_add(ENOUGH)).or(bytes.get(start..));
    detector.feed(told.unwrap_or(bytes), true);
    detector.guess(None, Utf8Detection::Allow).decode_without_bom_handling(bytes).0.into_owned()
}

/// Bytes that show which charset it is.
const ENOUGH: usize = 512;
/// Bytes of a part that are decoded again.
const MOST_BYTES: usize = 262_144;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_charset_is_found_out() {
        let sentence = "宛先のメールアドレスが見つかりませんでした。";
        for encoding in [encoding_rs::EUC_JP, encoding_rs::SHIFT_JIS, ISO_2022_JP] {
            let (bytes, ..) = encoding.encode(sentence);
            assert_eq!(guess(&bytes), sentence, "{}", encoding.name());
        }
    }
}
