//! Texts whose bytes are not what their part declares.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::ISO_2022_JP;
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Encoding, Message, MessagePart};

/// The text of a part; where its declared charset can't be the right one, by the best guess.
pub(crate) fn corrected<'p>(
    text: &'p str,
    part: &'p MessagePart<'_>,
    message: &'p Message<'_>,
) -> Cow<'p, str> {
    if !is_contradicted(text) {
        return Cow::Borrowed(text);
    }
    let start = usize::try_from(part.offset_body).unwrap_or(usize::MAX);
    let end = usize::try_from(part.offset_end).unwrap_or(usize::MAX);
    let Some(raw) = message.raw_message().get(start..end) else { return Cow::Borrowed(text) };
    let raw = raw.get(..MOST_BYTES).unwrap_or(raw);
    let bytes = match part.encoding {
        Encoding::None => Some(Cow::Borrowed(raw)),
        Encoding::Base64 => base64_decode(raw).map(Cow::Owned),
        Encoding::QuotedPrintable => quoted_printable_decode(raw).map(Cow::Owned),
    };
    let Some(guessed) = bytes.map(|bytes| guess(&bytes)) else { return Cow::Borrowed(text) };
    if errors(&guessed) < errors(text) { Cow::Owned(guessed) } else { Cow::Borrowed(text) }
}

/// A replacement character, or an escape sequence of ISO-2022-JP that was taken for text.
fn is_contradicted(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr(ESCAPE, bytes).is_some()
        || (!text.is_ascii() && memchr::memmem::find(bytes, REPLACED).is_some())
}

const ESCAPE: u8 = 0x1B;
const REPLACED: &[u8] = "\u{FFFD}".as_bytes();

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
