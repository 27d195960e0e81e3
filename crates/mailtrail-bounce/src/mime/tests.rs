//! The parts are those that the mail parser finds, in every mail that is well-formed.

use mail_parser::{Message, MessageParser, MimeHeaders, PartType};
use proptest::prelude::*;

use super::{Header, Part, Shape, parts};

/// A part of a mail to make.
#[derive(Debug, Clone)]
enum Made {
    Leaf { kind: &'static str, disposition: &'static str, encoding: &'static str, text: String },
    Multipart { kind: &'static str, held: Vec<Self> },
    Mail(Box<Self>),
}

fn made() -> impl Strategy<Value = Made> {
    let kind = prop::sample::select(vec![
        "",
        "Content-Type: text/plain\n",
        "Content-Type: text/plain; charset=iso-8859-1; name=\"a.txt\"\n",
        "Content-type: TEXT/HTML; charset=utf-8\n",
        "Content-Type: text/rfc822-headers\n",
        "Content-Type: message/delivery-status\n",
        "Content-Type: image/png\n",
        "Content-Type: application/octet-stream\n",
    ]);
    let disposition = prop::sample::select(vec![
        "",
        "Content-Disposition: inline\n",
        "Content-Disposition: attachment;\n filename=a\n",
    ]);
    let encoding = prop::sample::select(vec![
        "",
        "Content-Transfer-Encoding: base64\n",
        "Content-Transfer-Encoding: Quoted-Printable\n",
    ]);
    let text = "([a-z:. -]{0,12}\n){0,3}[a-z]{1,8}";
    let leaf =
        (kind, disposition, encoding, text).prop_map(|(kind, disposition, encoding, text)| {
            Made::Leaf { kind, disposition, encoding, text }
        });
    leaf.prop_recursive(3, 12, 3, |inner| {
        let kinds = vec!["mixed", "alternative", "related", "report"];
        let multipart = (prop::sample::select(kinds), prop::collection::vec(inner.clone(), 1..4))
            .prop_map(|(kind, held)| Made::Multipart { kind, held });
        prop_oneof![3 => multipart, 1 => inner.prop_map(Made::held)]
    })
}

impl Made {
    /// A mail of it. The mail parser loses a mail that is all that another one holds.
    fn held(self) -> Self {
        match self {
            Self::Mail(mail) => Self::Mail(mail),
            other => Self::Mail(Box::new(other)),
        }
    }

    /// The part as it is written. Each boundary has a number of its own.
    fn written(&self, count: &mut usize) -> String {
        match self {
            Self::Leaf { kind, disposition, encoding, text } => {
                let text = if encoding.ends_with("base64\n") {
                    data_encoding::BASE64_MIME.encode(text.as_bytes()).trim_end().to_owned()
                } else {
                    text.clone()
                };
                format!("{kind}{disposition}{encoding}\n{text}")
            }
            Self::Multipart { kind, held } => {
                *count = count.saturating_add(1);
                let boundary = format!("=_{count}_");
                let delimiter = |part: &Self, count: &mut usize| {
                    format!("\n--{boundary}\n{}", part.written(count))
                };
                let held: String = held.iter().map(|part| delimiter(part, count)).collect();
                format!(
                    "Content-Type: multipart/{kind}; boundary=\"{boundary}\"\n\n{held}\n--{boundary}--\n"
                )
            }
            Self::Mail(mail) => {
                format!("Content-Type: message/rfc822\n\nSubject: held\n{}", mail.written(count))
            }
        }
    }
}

/// What both say of a mail: the kind of each part, whether it is shown, and its text.
type Said = Vec<(&'static str, bool, String)>;

fn ours(mail: &[u8]) -> Said {
    let said = |part: &Part<'_>| match part.shape {
        Shape::Multipart => vec![("multipart", false, String::new())],
        Shape::Message => {
            let mut all = vec![("mail", false, String::new())];
            all.extend(ours(&part.decoded(usize::MAX)));
            all
        }
        Shape::Html => vec![("html", part.shown, part.text(usize::MAX).into_owned())],
        Shape::Plain | Shape::Text => {
            vec![("text", part.shown, part.text(usize::MAX).into_owned())]
        }
        Shape::Media | Shape::Other => {
            vec![("other", part.shown, part.text(usize::MAX).into_owned())]
        }
    };
    parts(mail).iter().flat_map(said).collect()
}

fn theirs(message: &Message<'_>) -> Said {
    let mut all = Said::new();
    for (index, part) in message.parts.iter().enumerate() {
        let shown = message.text_body.iter().any(|shown| usize::try_from(*shown) == Ok(index));
        let lossy = || String::from_utf8_lossy(part.contents()).into_owned();
        match &part.body {
            PartType::Multipart(_) => all.push(("multipart", false, String::new())),
            PartType::Message(held) => {
                all.push(("mail", false, String::new()));
                all.extend(theirs(held));
            }
            PartType::Html(text) => all.push(("html", shown, text.to_string())),
            PartType::Text(text) => all.push(("text", shown, text.to_string())),
            PartType::Binary(_) | PartType::InlineBinary(_) => all.push(("other", shown, lossy())),
        }
        assert!(part.content_type().is_none_or(|kind| !kind.ctype().is_empty()));
    }
    all
}

#[test]
fn a_digest_holds_mails() {
    let mail =
        b"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: one\n\nhello\n--b--\n";
    let shapes: Vec<_> = parts(mail).iter().map(|part| part.shape).collect();
    assert_eq!(shapes, [Shape::Multipart, Shape::Message]);
}

#[test]
fn a_boundary_in_a_line_ends_nothing_and_an_outer_one_ends_all() {
    let mail = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\
        Content-Type: multipart/mixed; boundary=inner\n\n--inner\n\none --b two\n--bc\n--b \n\nthree\n--b--\n";
    let all = parts(mail);
    let texts: Vec<_> =
        all.iter().filter(|part| part.is_text()).map(|part| part.text(99)).collect();
    assert_eq!(texts, ["one --b two\n--bc", "three"]);
}

proptest! {
    #[test]
    fn the_parts_are_those_of_the_mail_parser(made in made(), crlf in any::<bool>()) {
        let mail = format!("From: ann@a.example\n{}\n", made.written(&mut 0));
        let mail = if crlf { mail.replace('\n', "\r\n") } else { mail };
        let message = MessageParser::new().parse(mail.as_bytes()).unwrap();
        prop_assert_eq!(ours(mail.as_bytes()), theirs(&message), "{}", mail);
    }

    #[test]
    fn so_are_the_fields(fields in "([A-Za-z-]{1,6} ?: ?[a-zé :]{0,6}(\r?\n[ \t][a-z]{1,4})?\r?\n|[a-z]{1,3}\n){1,6}") {
        let mail = format!("{fields}\nbody");
        let (header, body) = Header::of(mail.as_bytes());
        let own: Vec<_> = header.iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
        let message = MessageParser::new().parse_headers(mail.as_bytes());
        let known = message.iter().flat_map(Message::headers_raw);
        let known: Vec<_> = known.map(|(name, value)| (name.to_lowercase(), value)).collect();
        prop_assert_eq!(own, known);
        prop_assert_eq!(body, b"body");
    }

    #[test]
    fn no_mail_is_too_broken(mail in "(--b(--)?|Content-Type: multipart/mixed; boundary=b|Content-Type: message/rfc822|a: b|\r?\n|[\0-\u{FF}]){0,24}") {
        let length: usize = parts(mail.as_bytes()).iter().map(|part| part.text(usize::MAX).len()).sum();
        prop_assert!(length <= mail.len().saturating_mul(32));
    }
}
