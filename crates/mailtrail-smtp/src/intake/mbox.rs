//! Mails one after another in one file.

use std::io::{self, BufRead, Read as _};

/// The mails of an mbox file, in bounded memory: of one that is too large nothing is kept, and the next one is
/// whole. Read as mboxrd, which is how mboxo reads but for lines that begin with `>>From`.
///
/// `mail-parser` has such an iterator, too. It keeps a mail of any size in memory, and cuts one at every line
/// that begins with `From `, also in a sentence.
///
/// # What parts two mails
/// A line that begins with `From ` and has a time in it, at the start or behind an empty line. What stands before
/// the first such line is a mail of its own, unless it is blank.
///
/// # Example
/// ```
/// use mailtrail_smtp::intake::{Mbox, MboxMail};
/// let file = b"From mx Mon Nov  2 10:00:00 2026\nSubject: one\n\n>From now on\n\n\
///              From mx Mon Nov  2 10:00:01 2026\nSubject: two\n\nFrom here\n";
/// let mails: Vec<MboxMail> = Mbox::new(&file[..], 1000).collect::<Result<_, _>>()?;
/// assert_eq!(mails, [
///     MboxMail::Whole(b"Subject: one\n\nFrom now on\n".into()),
///     MboxMail::Whole(b"Subject: two\n\nFrom here\n".into()),
/// ]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Mbox<R> {
    input: R,
    most: usize,
    /// At the start, or behind a line without a word.
    is_parted: bool,
    mail: Option<Building>,
    has_ended: bool,
}

/// A mail in an mbox.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "it fits or not")]
pub enum MboxMail {
    /// Without the line that parts it from others.
    Whole(Vec<u8>),
    /// It has more bytes than were asked for.
    TooLarge,
}

#[derive(Debug, Default)]
struct Building {
    bytes: Vec<u8>,
    is_too_large: bool,
}

impl<R: BufRead> Mbox<R> {
    /// Of mails with at most so many bytes.
    pub fn new(input: R, most: usize) -> Self {
        Self { input, most, is_parted: true, mail: None, has_ended: false }
    }

    /// The first bytes of a line, and its rest right behind them; `false` at the end of all.
    fn line(&mut self, begun: &mut Vec<u8>) -> io::Result<bool> {
        begun.clear();
        let read = self.input.by_ref().take(PIECE).read_until(b'\n', begun)?;
        Ok(read > 0)
    }

    /// Takes a line into the mail.
    fn take(&mut self, mut piece: Vec<u8>) -> io::Result<()> {
        let quotes = piece.iter().take_while(|byte| **byte == b'>').count();
        if quotes > 0 && piece.get(quotes..).is_some_and(|rest| rest.starts_with(b"From ")) {
            piece.remove(0);
        }
        self.is_parted = matches!(&piece[..], b"\n" | b"\r\n");
        self.keep(&piece);
        while !piece.ends_with(b"\n") && self.line(&mut piece)? {
            self.keep(&piece);
        }
        Ok(())
    }

    fn keep(&mut self, piece: &[u8]) {
        if self.mail.is_none() && piece.trim_ascii().is_empty() {
            return;
        }
        let mail = self.mail.get_or_insert_default();
        if mail.bytes.len().saturating_add(piece.len()) > self.most {
            (mail.is_too_large, mail.bytes) = (true, Vec::new());
        }
        if !mail.is_too_large {
            mail.bytes.extend_from_slice(piece);
        }
    }

    fn read(&mut self) -> io::Result<Option<MboxMail>> {
        let mut piece = Vec::new();
        while self.line(&mut piece)? {
            if self.is_parted && parts(&piece) {
                self.is_parted = false;
                if let Some(mail) = self.mail.replace(Building::default()) {
                    return Ok(Some(mail.finish()));
                }
            } else {
                self.take(std::mem::take(&mut piece))?;
            }
        }
        Ok(self.mail.take().map(Building::finish))
    }
}

impl<R: BufRead> Iterator for Mbox<R> {
    type Item = io::Result<MboxMail>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let read = self.read().transpose();
        // What follows a failure could be half a mail.
        self.has_ended = !matches!(read, Some(Ok(_)));
        read
    }
}

impl Building {
    /// Without the empty line that stands before the next mail.
    fn finish(mut self) -> MboxMail {
        for end in [&b"\n\r\n"[..], b"\n\n"] {
            if self.bytes.ends_with(end) {
                self.bytes.truncate(self.bytes.len().saturating_sub(end.len()).saturating_add(1));
                break;
            }
        }
        if self.is_too_large { MboxMail::TooLarge } else { MboxMail::Whole(self.bytes) }
    }
}

/// A mail without the `From ` line that Postfix and Exim put before what they pipe.
///
/// ```
/// use mailtrail_smtp::intake::without_from_line;
/// let piped = b"From MAILER-DAEMON Mon Nov  2 10:00:00 2026\nSubject: Undelivered\n\nSorry.\n";
/// assert_eq!(without_from_line(piped), b"Subject: Undelivered\n\nSorry.\n");
/// ```
pub fn without_from_line(mail: &[u8]) -> &[u8] {
    if !mail.starts_with(b"From ") {
        return mail;
    }
    let end = mail.iter().position(|byte| *byte == b'\n').map(|at| at.saturating_add(1));
    end.and_then(|end| mail.get(end..)).unwrap_or_default()
}

/// Whether a line parts two mails: a sentence that begins so has no time in it.
fn parts(line: &[u8]) -> bool {
    let is_time = |word: &[u8]| {
        let [h, i, b':', m, n, ..] = word else { return false };
        [h, i, m, n].iter().all(|digit| digit.is_ascii_digit())
    };
    line.strip_prefix(b"From ").is_some_and(|rest| rest.split(|byte| *byte == b' ').any(is_time))
}

/// Bytes of a line that are looked at in one go.
const PIECE: u64 = 8 * 1024;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn all(file: &[u8], most: usize) -> Vec<MboxMail> {
        Mbox::new(file, most).map(Result::unwrap).collect()
    }

    /// As mboxrd writes it.
    fn written(mails: &[Vec<u8>]) -> Vec<u8> {
        let mut file = Vec::new();
        for mail in mails {
            file.extend_from_slice(b"From MAILER-DAEMON Mon Nov  2 10:00:00 2026\n");
            for line in mail.split_inclusive(|byte| *byte == b'\n') {
                let unquoted = line.iter().skip_while(|byte| **byte == b'>');
                if unquoted.copied().take(5).eq(*b"From ") {
                    file.push(b'>');
                }
                file.extend_from_slice(line);
            }
            file.push(b'\n');
        }
        file
    }

    fn mail() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            Just("From ann at 10:00\n"),
            Just(">From bob\n"),
            Just("x\n"),
            Just("\n"),
            Just("\r\n"),
        ];
        vec(line, 0..8).prop_map(|lines| format!("Subject: x\n{}.\n", lines.concat()).into_bytes())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(mails in vec(mail(), 0..5)) {
            let read: Vec<_> = mails.iter().cloned().map(MboxMail::Whole).collect();
            prop_assert_eq!(all(&written(&mails), 10_000), read);
        }

        #[test]
        fn any_bytes_are_read_within_the_bound(bytes in vec(any::<u8>(), 0..400), most in 0_usize..50) {
            for mail in all(&bytes, most) {
                if let MboxMail::Whole(bytes) = mail {
                    prop_assert!(bytes.len() <= most);
                }
            }
        }
    }

    #[test]
    fn one_that_is_too_large_harms_no_other() {
        let large = [b"Subject: x\n\n", &b"y".repeat(100_000)[..], b"\n"].concat();
        let small = b"Subject: z\n\n.\n".to_vec();
        let file = written(&[small.clone(), large, small.clone()]);
        let small = MboxMail::Whole(small);
        assert_eq!(all(&file, 1000), [small.clone(), MboxMail::TooLarge, small]);
    }

    #[test]
    fn line_ends_may_be_those_of_the_network() {
        let file = b"From x 10:00 y\r\nSubject: a\r\n\r\n1\r\n\r\nFrom x 10:00 y\r\nSubject: b\r\n";
        let [first, second] = &all(file, 1000)[..] else { panic!() };
        assert_eq!(first, &MboxMail::Whole(b"Subject: a\r\n\r\n1\r\n".into()));
        assert_eq!(second, &MboxMail::Whole(b"Subject: b\r\n".into()));
        assert_eq!(all(b"\n\nSubject: no mbox\n", 1000).len(), 1);
        assert!(all(b"", 1000).is_empty());
    }
}
