//! Messages that are made up: parts in parts, in the charsets and encodings of the world.

use std::fmt;

use data_encoding::BASE64;
use encoding_rs::{BIG5, Encoding, GB18030, KOI8_R, SHIFT_JIS, UTF_8, WINDOWS_1252};
use proptest::prelude::*;

/// A message with the links that are to be found in it, in order.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) bytes: Vec<u8>,
    pub(super) links: Vec<String>,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", String::from_utf8_lossy(&self.bytes))
    }
}

#[derive(Debug, Clone)]
enum Part {
    Text { is_html: bool, charset: usize, transfer: usize, pieces: Vec<Piece> },
    Attached { pieces: Vec<Piece> },
    Signed { pieces: Vec<Piece> },
    Multipart { subtype: &'static str, children: Vec<Self> },
}

#[derive(Debug, Clone)]
enum Piece {
    Words(String),
    Link(String),
    Foreign(usize),
}

const CHARSETS: [(&str, &Encoding, &str); 6] = [
    ("utf-8", UTF_8, "Grüße 雪"),
    ("ISO-8859-1", WINDOWS_1252, "Grüße"),
    ("koi8-r", KOI8_R, "снег"),
    ("Shift_JIS", SHIFT_JIS, "雪の日"),
    ("gb18030", GB18030, "下雪天"),
    ("big5", BIG5, "下雪天"),
];
const TRANSFERS: [&str; 4] = ["8bit", "quoted-printable", "base64", "binary"];
const FOREIGN: [&str; 6] = [
    "mailto:a@b.example",
    "tel:+4912",
    "#top",
    "/relative",
    "javascript:void(0)",
    "https://mail.school.example/t/ours",
];

pub(super) fn message() -> impl Strategy<Value = Given> {
    (part(), any::<bool>(), "[A-Za-z ]{0,30}").prop_map(|(part, bare, subject)| {
        let mut links = Vec::new();
        let body = part.written(1, &mut links);
        let head = format!("From: a@school.example\nSubject:\n {subject}x\nMIME-Version: 1.0\n");
        let bytes = [head.into_bytes(), body].concat();
        Given { bytes: if bare { bytes } else { with_crlf(&bytes) }, links }
    })
}

fn part() -> impl Strategy<Value = Part> {
    let pieces = || prop::collection::vec(piece(), 0..6);
    let text = (any::<bool>(), 0..CHARSETS.len(), 0..TRANSFERS.len(), pieces()).prop_map(
        |(is_html, charset, transfer, pieces)| Part::Text { is_html, charset, transfer, pieces },
    );
    let leaf = prop_oneof![
        6 => text,
        1 => pieces().prop_map(|pieces| Part::Attached { pieces }),
        1 => pieces().prop_map(|pieces| Part::Signed { pieces }),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let subtype = prop::sample::select(vec!["mixed", "alternative", "related"]);
        (subtype, prop::collection::vec(inner, 1..4))
            .prop_map(|(subtype, children)| Part::Multipart { subtype, children })
    })
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        "[a-zA-Z.,=-]{0,12}( [a-z]{1,9}){0,9}".prop_map(Piece::Words),
        "https?://[a-z]{1,9}\\.example(/[a-z0-9._~-]{0,9}[a-z0-9]){0,3}(\\?[a-z]=[a-z0-9]{1,9}(&[a-z]{4}=[0-9]{1,3}){0,2})?"
            .prop_map(Piece::Link),
        "https://a\\.example/[a-z]{200,900}".prop_map(Piece::Link),
        (0..FOREIGN.len()).prop_map(Piece::Foreign),
    ]
}

impl Part {
    fn written(&self, depth: usize, links: &mut Vec<String>) -> Vec<u8> {
        match self {
            Self::Text { is_html, charset, transfer, pieces } => {
                let (name, encoding, words) = CHARSETS[*charset];
                let transfer = TRANSFERS[*transfer];
                let subtype = if *is_html { "html" } else { "plain" };
                let head = format!(
                    "Content-Type: text/{subtype}; charset=\"{name}\"\nContent-Transfer-Encoding: {transfer}\n\n"
                );
                links.extend(found(pieces));
                let text = format!("{words}\n{}", text(pieces, *is_html));
                let (bytes, _, _) = encoding.encode(&text);
                [head.into_bytes(), transferred(&bytes, transfer)].concat()
            }
            Self::Attached { pieces } => format!(
                "Content-Type: text/html\nContent-Disposition: attachment; filename=a.html\n\n{}",
                text(pieces, true)
            )
            .into_bytes(),
            Self::Signed { pieces } => format!(
                "Content-Type: multipart/signed; boundary=s{depth}\n\n--s{depth}\nContent-Type: text/html\n\n{}\n\
                 --s{depth}\nContent-Type: application/pgp-signature\n\nx\n--s{depth}--\n",
                text(pieces, true)
            )
            .into_bytes(),
            Self::Multipart { subtype, children } => {
                let head =
                    format!("Content-Type: multipart/{subtype};\n boundary=\"b {depth}\"\n\n");
                let mut bytes = head.into_bytes();
                for child in children {
                    bytes.extend_from_slice(format!("--b {depth}\n").as_bytes());
                    bytes.extend(child.written(depth + 1, links));
                    bytes.push(b'\n');
                }
                bytes.extend_from_slice(format!("--b {depth}--\n").as_bytes());
                bytes
            }
        }
    }
}

fn found(pieces: &[Piece]) -> impl Iterator<Item = String> {
    pieces.iter().filter_map(|piece| match piece {
        Piece::Link(link) => Some(link.clone()),
        _ => None,
    })
}

fn text(pieces: &[Piece], is_html: bool) -> String {
    let html = |url: &str| format!("<p><a href=\"{}\">x</a></p>\n", url.replace('&', "&amp;"));
    let text = |piece: &Piece| match (piece, is_html) {
        (Piece::Words(words), _) => format!("{words}\n"),
        (Piece::Link(url), true) => html(url),
        (Piece::Link(url), false) => format!("({url}) \n"),
        (Piece::Foreign(which), true) => html(FOREIGN[*which]),
        (Piece::Foreign(which), false) => format!("{}\n", FOREIGN[*which]),
    };
    let text: String = pieces.iter().map(text).collect();
    if is_html { format!("<html><body>{text}</body></html>\n") } else { text }
}

/// In a form that other programs write: not our own.
fn transferred(bytes: &[u8], transfer: &str) -> Vec<u8> {
    match transfer {
        "base64" => {
            let text = BASE64.encode(bytes);
            text.as_bytes().chunks(60).collect::<Vec<_>>().join(&b"\n"[..])
        }
        "quoted-printable" => {
            let mut text = Vec::new();
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                for (at, byte) in line.iter().enumerate() {
                    match byte {
                        b'\n' => text.push(b'\n'),
                        b'!'..=b'<' | b'>'..=b'~' => text.push(*byte),
                        _ => text.extend_from_slice(format!("={byte:02X}").as_bytes()),
                    }
                    if at % 20 == 19 {
                        text.extend_from_slice(b"=\n");
                    }
                }
            }
            text
        }
        _ => bytes.to_vec(),
    }
}

fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    bytes.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..])
}
