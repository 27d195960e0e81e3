//! Tracking in messages: what changes, and that nothing else does.

mod given;
mod laws;
mod rules;

use std::borrow::Cow;

use mail_parser::{Message, MessageParser, PartType};
use mailtrail_core::DeliveryId;
use mailtrail_webhook::instrument::{InstrumentError, InstrumentOptions, Instrumented, instrument};

use super::keys;

const BASE: &str = "https://mail.school.example/t";

fn delivery() -> DeliveryId {
    DeliveryId::from_bytes([2; 16])
}

fn options() -> InstrumentOptions {
    InstrumentOptions::new(BASE).unwrap()
}

fn done(message: &[u8], options: &InstrumentOptions) -> Result<Instrumented, InstrumentError> {
    instrument(message, delivery(), &keys(), options)
}

fn parsed(message: &[u8]) -> Message<'_> {
    MessageParser::default().parse(message).unwrap()
}

/// The texts and bytes of all parts.
fn bodies<'m>(message: &'m Message<'_>) -> Vec<Cow<'m, [u8]>> {
    let body = |part: &'m mail_parser::MessagePart<'_>| match &part.body {
        PartType::Text(text) | PartType::Html(text) => text.as_bytes().into(),
        PartType::Binary(bytes) | PartType::InlineBinary(bytes) => bytes.as_ref().into(),
        PartType::Message(mail) => bodies(mail).concat().into(),
        PartType::Multipart(parts) => format!("{} parts", parts.len()).into_bytes().into(),
    };
    message.parts.iter().map(body).collect()
}

/// A text with the original links in place of ours, which are verified, and without what was added.
fn undone(text: &str, is_html: bool) -> (String, Vec<String>) {
    let (mut plain, mut links) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(&format!("{BASE}/c/")) {
        let (token, query) = after.split_once("?u=").unwrap();
        let is_encoded = |c: char| c.is_ascii_alphanumeric() || "%*-._+".contains(c);
        let mut end = query.find(|c| !is_encoded(c)).unwrap_or(query.len());
        // What follows a link in a text may look like a part of it.
        let link = loop {
            let encoded = format!("u={}", &query[..end]);
            let (_, link) = form_urlencoded::parse(encoded.as_bytes()).next().unwrap();
            if keys().verify_link(token, &link).is_ok_and(|found| found.delivery == delivery()) {
                break link.into_owned();
            }
            end = end.checked_sub(1).expect("a link that does not verify");
        };
        plain.push_str(before);
        plain.push_str(&if is_html { link.replace('&', "&amp;") } else { link.clone() });
        links.push(link);
        rest = &query[end..];
    }
    plain.push_str(rest);
    let pixel = format!(r#"<img src="{BASE}/o/"#);
    if let (true, Some(at)) = (is_html, plain.find(&pixel)) {
        let length = plain[at..].find('>').unwrap() + 1;
        plain.replace_range(at..at + length, "");
    }
    (plain, links)
}

#[test]
fn a_newsletter_is_changed_where_it_should_be() {
    insta::glob!("../..", "golden/instrument/*.eml", |path| {
        let message = std::fs::read(path).unwrap();
        let done = done(&message, &options().trap(true)).unwrap();
        insta::with_settings!({
            snapshot_path => path.parent().unwrap(),
            prepend_module_to_snapshot => false,
            omit_expression => true,
            info => &serde_json::json!({
                "links": done.links, "pixel": done.pixel, "left": format!("{:?}", done.left),
            }),
        }, {
            insta::assert_snapshot!("instrumented", String::from_utf8(done.message).unwrap());
        });
    });
}
