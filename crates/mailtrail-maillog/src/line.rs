//! A line as it stands in the file: time, host, program, text.

use crate::stamp::Stamp;

/// A line without its prefix, and what the prefix says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) stamp: Stamp<'a>,
    /// Who wrote it; empty in a log that is one host's own.
    pub(crate) host: &'a str,
    /// Such as `postfix/smtp`; empty in a log that is one program's own.
    pub(crate) program: &'a str,
    pub(crate) text: &'a str,
}

impl<'a> Line<'a> {
    /// `TIME HOST PROGRAM[PID]: TEXT`, also with the `<PRIORITY>` that it has on the wire; or the newer
    /// `<PRIORITY>1 TIME HOST PROGRAM PID MSGID - TEXT`.
    pub(crate) fn syslog(line: &'a str) -> Option<Self> {
        let wire = line.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let line = wire.map_or(line, |(_, line)| line);
        if let Some(newer) = line.strip_prefix("1 ") {
            return Self::newer(newer);
        }
        let (stamp, rest) = Stamp::split(line)?;
        let (host, rest) = rest.split_once(' ')?;
        let (tag, text) = rest.split_once(": ")?;
        let program = tag.split_once('[').map_or(tag, |(program, _)| program);
        (!program.contains(' ')).then_some(Self { stamp, host, program, text: text.trim() })
    }

    /// RFC 5424 §6 without structured data, which no mail server writes.
    fn newer(line: &'a str) -> Option<Self> {
        let (stamp, rest) = Stamp::split(line)?;
        let mut words = rest.splitn(6, ' ');
        let (host, program) = (words.next()?, words.next()?);
        let text = words.nth(3)?.trim_start_matches('\u{feff}').trim();
        Some(Self { stamp, host, program, text })
    }

    /// `TIME [PID] TEXT`, also behind a syslog prefix.
    pub(crate) fn exim(line: &'a str) -> Option<Self> {
        let (whole, inner) = match Self::syslog(line) {
            Some(syslog) if is_exim(syslog.program) => (syslog, syslog.text),
            _ => {
                let (stamp, text) = Stamp::split(line)?;
                (Self { stamp, host: "", program: "", text }, text)
            }
        };
        // Through syslog Exim may write its own time too: it is the better one.
        let (stamp, text) = Stamp::split(inner).unwrap_or((whole.stamp, inner));
        let text = text.trim();
        let pid = text.strip_prefix('[').and_then(|text| text.split_once("] "));
        let text = pid
            .filter(|(pid, _)| pid.bytes().all(|b| b.is_ascii_digit()))
            .map_or(text, |(_, text)| text);
        Some(Self { stamp, text, ..whole })
    }
}

fn is_exim(program: &str) -> bool {
    program.starts_with("exim")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_taken_off() {
        let line = Line::syslog("Nov  6 01:02:03 mail postfix/smtp[12]: 4bQ: to=<a@b>").unwrap();
        assert_eq!((line.host, line.program, line.text), ("mail", "postfix/smtp", "4bQ: to=<a@b>"));
        assert_eq!(line.stamp.text, "Nov  6 01:02:03");
        for line in [
            "<22>Nov  6 01:02:03 mail postfix/smtp[12]: 4bQ: to=<a@b>",
            "<22>1 2026-11-06T01:02:03Z mail postfix/smtp 12 - - 4bQ: to=<a@b>",
        ] {
            let line = Line::syslog(line).unwrap();
            let read = (line.host, line.program, line.text);
            assert_eq!(read, ("mail", "postfix/smtp", "4bQ: to=<a@b>"));
        }
        let expected = "1abcde-000001-AB => a@b";
        for line in [
            "2026-11-26 01:02:03 1abcde-000001-AB => a@b",
            "2026-11-26 01:02:03 [77] 1abcde-000001-AB => a@b",
            "Nov 26 01:02:03 mail exim[77]: 1abcde-000001-AB => a@b",
            "Nov 26 01:02:03 mail exim4[77]: 2026-11-26 01:02:03 1abcde-000001-AB => a@b",
        ] {
            assert_eq!(Line::exim(line).unwrap().text, expected, "{line}");
        }
    }
}
