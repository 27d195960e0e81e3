//! Commands as lines.

/// Collects one line, in pieces of any size, without keeping more than the limit.
#[derive(Debug)]
pub(super) struct LineReader {
    line: Vec<u8>,
    seen: usize,
    limit: usize,
    skip_limit: usize,
}

/// What a line turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Without its CR LF.
    Whole(Vec<u8>),
    /// It ended in LF alone.
    BareLf,
    TooLong,
    /// So long that its end isn't worth waiting for.
    Endless,
}

impl LineReader {
    pub(super) fn new(limit: usize, skip_limit: usize) -> Self {
        Self { line: Vec::new(), seen: 0, limit, skip_limit: skip_limit.max(limit) }
    }

    /// Takes bytes: how many were used, and the line if that was its end.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> (usize, Option<Line>) {
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let (piece, used) = match end {
            Some(at) => (bytes.get(..at).unwrap_or_default(), at.saturating_add(1)),
            None => (bytes, bytes.len()),
        };
        self.seen = self.seen.saturating_add(used);
        if self.seen <= self.limit {
            self.line.extend_from_slice(piece);
        } else {
            self.line = Vec::new();
        }
        (used, self.judge(end.is_some()))
    }

    fn judge(&mut self, ended: bool) -> Option<Line> {
        if self.seen > self.skip_limit {
            return Some(Line::Endless);
        }
        if !ended {
            return None;
        }
        if self.seen > self.limit {
            return Some(Line::TooLong);
        }
        let mut line = std::mem::take(&mut self.line);
        Some(if line.pop() == Some(b'\r') { Line::Whole(line) } else { Line::BareLf })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], piece: usize) -> Option<Line> {
        let mut reader = LineReader::new(10, 20);
        text.chunks(piece).find_map(|bytes| reader.feed(bytes).1)
    }

    #[test]
    fn lines_end_in_crlf_and_within_limits() {
        for piece in [1, 3, 100] {
            assert_eq!(read(b"12345678\r\n", piece), Some(Line::Whole(b"12345678".to_vec())));
            assert_eq!(read(b"123456789\r\n", piece), Some(Line::TooLong));
            assert_eq!(read(b"\r\n", piece), Some(Line::Whole(Vec::new())));
            assert_eq!(read(b"NOOP\n", piece), Some(Line::BareLf));
            assert_eq!(read(b"\n", piece), Some(Line::BareLf));
            assert_eq!(read(b"NOOP\r", piece), None);
            assert_eq!(read(&[b'x'; 30], piece), Some(Line::Endless));
        }
    }
}
