//! The parts of a message that people read (RFC 2045, RFC 2046).
//!
//! Boundaries are found here, and not by the mail parser, as every byte must be accounted for, and what is
//! left alone (pictures, attachments, mails in the mail) is not worth decoding.

use std::ops::Range;

use mail_parser::{ContentType, MessageParser, MimeHeaders};

use super::header::{Header, lines};
use super::transfer::Transfer;
use super::{DEPTH, Left, PARTS};

/// A text that people read.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) header: Header,
    pub(super) body: Range<usize>,
    pub(super) is_html: bool,
    /// As it calls itself.
    pub(super) charset: Option<String>,
    pub(super) transfer: Transfer,
}

/// What a message consists of.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) texts: Vec<Part>,
    pub(super) left: Vec<Left>,
    seen: usize,
}

impl Parts {
    pub(super) fn of(message: &[u8], root: Header) -> Self {
        let mut parts = Self::default();
        parts.visit(message, root, message.len(), Inherited { depth: 0, in_digest: false });
        parts
    }

    fn visit(&mut self, message: &[u8], header: Header, end: usize, inherited: Inherited) {
        self.seen = self.seen.saturating_add(1);
        let mime = Mime::of(message.get(header.lines.clone()).unwrap_or_default());
        let body = header.body..end;
        match (mime.kind(inherited.in_digest), mime.subtype.as_str()) {
            ("multipart", "signed" | "encrypted")
            | ("application", "pkcs7-mime" | "x-pkcs7-mime") => self.left.push(Left::Signed),
            _ if mime.is_attached => {}
            ("multipart", subtype) => {
                let inside = Inherited {
                    depth: inherited.depth.saturating_add(1),
                    in_digest: subtype == "digest",
                };
                self.visit_children(message, body, mime.boundary.as_deref(), inside);
            }
            // Where such a body begins, readers differ; and there may be none.
            ("text", "html" | "plain") if !header.is_closed() => self.left.push(Left::Broken),
            ("text", subtype @ ("html" | "plain")) => {
                let is_html = subtype == "html";
                let Some(transfer) = mime.transfer() else {
                    return self.left.push(Left::Encoding);
                };
                self.texts.push(Part { header, body, is_html, charset: mime.charset, transfer });
            }
            _ => {}
        }
    }

    fn visit_children(
        &mut self,
        message: &[u8],
        body: Range<usize>,
        boundary: Option<&str>,
        inside: Inherited,
    ) {
        if inside.depth > DEPTH {
            return self.left.push(Left::Limit);
        }
        for child in children(message, body, boundary.unwrap_or_default()) {
            if self.seen >= PARTS {
                return self.left.push(Left::Limit);
            }
            let header = Header::read(message, child.clone());
            self.visit(message, header, child.end, inside);
        }
    }
}

/// What a part has of those around it.
#[derive(Debug, Clone, Copy)]
struct Inherited {
    depth: usize,
    /// Without a type it is a mail (RFC 2046 §5.1.5).
    in_digest: bool,
}

/// The places of a multipart's children. The line end before a delimiter is its own (RFC 2046 §5.1.1).
fn children(message: &[u8], body: Range<usize>, boundary: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if boundary.is_empty() {
        return found;
    }
    let (mut begun, end) = (None, body.end);
    for line in lines(message, body) {
        let text = message.get(line.clone()).unwrap_or_default();
        let Some(rest) = text.strip_prefix(b"--").and_then(|t| t.strip_prefix(boundary.as_bytes()))
        else {
            continue;
        };
        let is_last = rest.starts_with(b"--");
        let rest = rest.strip_prefix(b"--").unwrap_or(rest);
        if !rest.trim_ascii().is_empty() {
            continue;
        }
        if let Some(start) = begun.take() {
            found.push(start..before_line_end(message, start, line.start));
        }
        if is_last || found.len() >= PARTS {
            return found;
        }
        begun = Some(line.end);
    }
    found.extend(begun.map(|start| start..end));
    found
}

fn before_line_end(message: &[u8], start: usize, end: usize) -> usize {
    let text = message.get(start..end).unwrap_or_default();
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    start.saturating_add(text.len())
}

/// What the header of a part says of its body.
#[derive(Debug, Default)]
struct Mime {
    /// Empty where it doesn't say.
    maintype: String,
    subtype: String,
    boundary: Option<String>,
    charset: Option<String>,
    encoding: Option<String>,
    /// It has a name, or says that it is no text of the message itself.
    is_attached: bool,
}

impl Mime {
    fn of(header: &[u8]) -> Self {
        let parser = MessageParser::new().with_mime_headers().default_header_ignore();
        let Some(message) = parser.parse_headers(header) else { return Self::text() };
        let lower = |text: &str| text.to_ascii_lowercase();
        let encoding = message.content_transfer_encoding().map(lower);
        let is_attached = message.attachment_name().is_some()
            || message.content_disposition().is_some_and(ContentType::is_attachment);
        let Some(kind) = message.content_type() else {
            return Self { encoding, is_attached, ..Self::text() };
        };
        Self {
            maintype: lower(kind.ctype()),
            subtype: lower(kind.subtype().unwrap_or_default()),
            boundary: kind.attribute("boundary").map(ToOwned::to_owned),
            charset: kind.attribute("charset").map(ToOwned::to_owned),
            encoding,
            is_attached,
        }
    }

    /// Without a type (RFC 2045 §5.2).
    fn text() -> Self {
        Self { subtype: "plain".to_owned(), ..Self::default() }
    }

    fn kind(&self, in_digest: bool) -> &str {
        match (self.maintype.as_str(), in_digest) {
            ("", true) => "message",
            ("", false) => "text",
            (kind, _) => kind,
        }
    }

    fn transfer(&self) -> Option<Transfer> {
        Transfer::named(self.encoding.as_deref().unwrap_or("7bit").trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(message: &str) -> (Vec<&str>, Vec<Left>) {
        let root = Header::read(message.as_bytes(), 0..message.len());
        let parts = Parts::of(message.as_bytes(), root);
        (
            parts.texts.iter().map(|part| message.get(part.body.clone()).unwrap()).collect(),
            parts.left,
        )
    }

    #[test]
    fn texts_are_found_in_nested_multiparts_and_attachments_are_not() {
        let message = "Content-Type: multipart/mixed; boundary=o\n\npreamble\n--o\n\
            Content-Type: multipart/alternative; boundary=\"i i\"\n\n--i i\n\nplain\n--i i \n\
            Content-Type: text/html\n\n<p>\n\n--i i--\nafter\n--o\nContent-Type: text/html; name=a.html\n\nno\n\
            --o\nContent-Type: message/rfc822\n\nA: b\n\nno\n--o\n\nopen end\n--ox\n";
        assert_eq!(bodies(message).0, ["plain", "<p>\n", "open end\n--ox\n"]);
    }

    #[test]
    fn what_is_signed_is_left_and_said() {
        let message = "Content-Type: multipart/signed; boundary=o\n\n--o\n\ntext\n--o--\n";
        assert_eq!(bodies(message), (vec![], vec![Left::Signed]));
    }

    #[test]
    fn a_bomb_of_multiparts_ends_at_the_limits() {
        let deep = "Content-Type: multipart/mixed; boundary=o\n\n--o\n".repeat(1_000);
        assert!(bodies(&deep).1.contains(&Left::Limit) || bodies(&deep).0.len() <= PARTS);
        let wide =
            format!("Content-Type: multipart/mixed; boundary=o\n\n{}", "--o\n\nx\n".repeat(9_000));
        let (texts, left) = bodies(&wide);
        assert!(texts.len() <= PARTS && left.contains(&Left::Limit));
    }
}
