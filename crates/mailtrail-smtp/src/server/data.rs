//! The bytes between `DATA` and its end.

/// Undoes the dots of RFC 5321 §4.5.2 and finds the end, in pieces of any size.
#[derive(Debug)]
pub(super) struct Undotter {
    state: State,
    message: Vec<u8>,
    limit: usize,
    too_large: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// After CR LF, or at the very start (the CR LF of `DATA` counts).
    LineStart,
    /// After a dot at a line's start.
    Dot,
    /// After a dot and a CR at a line's start.
    DotCr,
    /// After a CR within a line.
    Cr,
    Text,
}

impl Undotter {
    pub(super) fn new(limit: usize) -> Self {
        Self { state: State::LineStart, message: Vec::new(), limit, too_large: false }
    }

    /// Takes bytes; how many of them belong to the message, once its end is among them.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, &byte) in bytes.iter().enumerate() {
            if self.take(byte) {
                return at.checked_add(1);
            }
        }
        None
    }

    /// The message; `None` if it was too large.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        (!self.too_large).then_some(self.message)
    }

    /// Bytes held in memory.
    #[cfg(test)]
    fn held(&self) -> usize {
        self.message.capacity()
    }

    fn take(&mut self, byte: u8) -> bool {
        self.state = match (self.state, byte) {
            (State::LineStart, b'.') => State::Dot,
            (State::Dot, b'\r') => State::DotCr,
            (State::DotCr, b'\n') => return true,
            (State::DotCr, _) => {
                // The dot was stuffed after all, and the CR is text.
                self.keep(b'\r');
                self.keep(byte);
                if byte == b'\r' { State::Cr } else { State::Text }
            }
            (State::Cr, b'\n') => {
                self.keep(byte);
                State::LineStart
            }
            (_, b'\r') => {
                self.keep(byte);
                State::Cr
            }
            (_, _) => {
                self.keep(byte);
                State::Text
            }
        };
        false
    }

    fn keep(&mut self, byte: u8) {
        if self.too_large {
            return;
        }
        if self.message.len() >= self.limit {
            self.too_large = true;
            self.message = Vec::new();
            return;
        }
        if self.message.len() == self.message.capacity() {
            // Doubling, but never beyond the limit.
            let room = self.limit.saturating_sub(self.message.len());
            self.message.reserve_exact(self.message.len().max(4096).min(room));
        }
        self.message.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// What a client sends for a message: RFC 5321 §4.5.2 read from its side.
    fn dotted(message: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        let mut line_start = true;
        for (at, &byte) in message.iter().enumerate() {
            if line_start && byte == b'.' {
                wire.push(b'.');
            }
            wire.push(byte);
            line_start = byte == b'\n' && message[..at].last() == Some(&b'\r');
        }
        if !line_start {
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b".\r\n");
        wire
    }

    /// Bytes from an alphabet in which line ends and dots collide often.
    fn dotty() -> impl Strategy<Value = Vec<u8>> {
        vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'x'), any::<u8>()], 0..200)
    }

    proptest! {
        #[test]
        fn what_a_client_dots_comes_out_as_it_was(message in dotty(), next in dotty(), piece in 1_usize..9) {
            let wire = dotted(&message);
            let mut expected = message.clone();
            if !message.is_empty() && !message.ends_with(b"\r\n") {
                expected.extend_from_slice(b"\r\n");
            }
            let sent: Vec<u8> = wire.iter().chain(&next).copied().collect();
            let mut undotter = Undotter::new(usize::MAX);
            let mut used = 0;
            for bytes in sent.chunks(piece) {
                if let Some(end) = undotter.feed(bytes) {
                    used = end.saturating_add(used);
                    break;
                }
                used = bytes.len().saturating_add(used);
            }
            prop_assert_eq!(used, wire.len());
            prop_assert_eq!(undotter.finish(), Some(expected));
        }

        #[test]
        fn no_more_than_the_limit_is_ever_held(bytes in vec(any::<u8>(), 0..9000), limit in 0_usize..9000) {
            let mut undotter = Undotter::new(limit);
            for piece in bytes.chunks(700) {
                if undotter.feed(piece).is_some() {
                    break;
                }
                prop_assert!(undotter.held() <= limit);
            }
        }
    }

    #[test]
    fn only_a_dot_between_two_crlf_ends_a_message() {
        for not_the_end in
            ["\n.\n", "\r\n.\n", "\n.\r\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\r\n.\r\r\n"]
        {
            let wire = format!("a{not_the_end}MAIL FROM:<forged@school.example>\r\n");
            assert_eq!(Undotter::new(1000).feed(wire.as_bytes()), None, "{not_the_end:?}");
        }
        assert_eq!(Undotter::new(1000).feed(b".\r\nQUIT"), Some(3));
    }
}
