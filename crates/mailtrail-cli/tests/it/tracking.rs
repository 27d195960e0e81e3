//! What `send` sends is tracked without being asked to.

use std::fs;
use std::path::Path;

use mailtrail::core::token::Purpose;
use mailtrail::smtp::sink::Sink;

use super::{mailtrail, text};

/// Sends one row, and gives the message as it came.
async fn sent(folder: &Path, tracking: &[&str]) -> String {
    fs::write(folder.join("contacts.csv"), "contact_id,address\nc1,ann@a.example\n").unwrap();
    fs::write(folder.join("text.txt"), "Menu: https://school.example/menu\n").unwrap();
    let html = "<body><a href='https://school.example/map?a=1&amp;b=2'>Map</a></body>";
    fs::write(folder.join("page.html"), html).unwrap();
    text(&mailtrail(folder, &["plan", "snow-day", "contacts.csv", "--kind", "news"]));
    let sink = Sink::builder().start().await.unwrap();
    let relay = sink.addr().to_string();
    let of = ["send", "snow-day", "--text", "text.txt", "--html", "page.html", "--relay", &relay];
    let how = ["--from", "office@school.example", "--subject", "Closed"];
    let path = ["--return-path-domain", "bounces.school.example"];
    text(&mailtrail(folder, &[&of[..], &how, &path, tracking].concat()));
    let message = sink.next_message().await;
    sink.stop().await;
    let text = String::from_utf8(message.bytes.to_vec()).unwrap();
    text.replace("=\r\n", "").replace("=3D", "=")
}

fn after<'t>(text: &'t str, start: &str) -> &'t str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}"));
    rest.split(['.', '?', '>', '\r', '"']).next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_is_instrumented_once_a_tracking_url_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let url = "https://mail.school.example";
    let message = sent(folder.path(), &["--tracking-url", url]).await;

    let keys = mailtrail::keys_file(folder.path().join("keys.toml")).unwrap();
    let of = |purpose, token| keys.verify(purpose, token).unwrap().delivery;
    let delivery = of(Purpose::Metadata, after(&message, "X-MT-Delivery: "));
    assert_eq!(of(Purpose::Open, after(&message, &format!("{url}/o/"))), delivery);
    assert_eq!(of(Purpose::Unsubscribe, after(&message, &format!("<{url}/u/"))), delivery);
    assert!(message.contains("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
    for link in ["https://school.example/menu", "https://school.example/map?a=1&b=2"] {
        let encoded = [(":", "%3A"), ("/", "%2F"), ("?", "%3F"), ("=", "%3D"), ("&", "%26")]
            .iter()
            .fold(link.to_owned(), |link, (plain, encoded)| link.replace(plain, encoded));
        let (before, _) = message.split_once(&format!("?u={encoded}")).unwrap();
        let (_, token) = before.rsplit_once("/c/").unwrap();
        assert_eq!(keys.verify_link(token, link).unwrap().delivery, delivery);
        assert!(!message.contains(&format!("{link}'")) && !message.contains(&format!(" {link}")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_tracking_url_a_message_is_only_known_again() {
    let folder = tempfile::tempdir().unwrap();
    let message = sent(folder.path(), &[]).await;
    assert!(message.contains("\r\nX-MT-Delivery: ") && !message.contains("List-Unsubscribe"));
    assert!(message.contains("Menu: https://school.example/menu") && !message.contains("<img"));
}

#[test]
fn a_tracking_url_that_is_none_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("text.txt"), "x").unwrap();
    let relay = ["--relay", "127.0.0.1:1", "--tracking-url", "mail.school.example"];
    let of = ["send", "b", "--text", "text.txt", "--from", "a@b.example", "--subject", "s"];
    let path = ["--return-path-domain", "bounces.school.example"];
    let output = mailtrail(folder.path(), &[&of[..], &relay, &path].concat());
    assert_eq!(output.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&output.stderr).contains("write it as https://"));
}
