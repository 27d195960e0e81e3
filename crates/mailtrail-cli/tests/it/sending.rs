//! `send` in all its ways, as a user gives them.

use std::path::Path;

use mailtrail::smtp::sink::{ReceivedMessage, Sink};
use serde_json::Value;

use super::{lines, mailtrail, text};

/// An Ed25519 key of this test alone.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
    -----END PRIVATE KEY-----\n";

fn plan(folder: &Path, contacts: &str) {
    std::fs::write(folder.join("contacts.csv"), contacts).unwrap();
    text(&mailtrail(folder, &["plan", "b", "contacts.csv", "--kind", "general"]));
}

fn send(folder: &Path, how: &[&str]) -> Value {
    let of = ["send", "b", "--return-path-domain", "bounces.school.example", "--json"];
    lines(&mailtrail(folder, &[&of[..], how].concat())).remove(0)
}

fn to<'a>(messages: &'a [ReceivedMessage], address: &str) -> &'a ReceivedMessage {
    let is_it = |message: &&ReceivedMessage| message.envelope.recipients[0].address == address;
    messages.iter().find(is_it).unwrap()
}

fn content(message: &ReceivedMessage) -> String {
    String::from_utf8_lossy(&message.bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_filled_in_for_each_row_and_signed() {
    let (folder, sink) = (tempfile::tempdir().unwrap(), Sink::builder().start().await.unwrap());
    let folder = folder.path();
    plan(
        folder,
        "contact_id,name,address,class\nc1,Ann,ann@a.example,4b\nc2,Bob,bob@a.example,2a\nc3,,eve@a.example,\n",
    );
    std::fs::write(folder.join("text.txt"), "Dear {{ name }},\nno lessons.\n").unwrap();
    std::fs::write(folder.join("key.pem"), KEY).unwrap();
    let relay = sink.addr().to_string();
    let what = ["--text", "text.txt", "--template", "--from", "office@school.example"];
    let subject = ["--subject", "Class {{ labels.class }}", "--list-id", "school.example"];
    let dkim = ["--dkim-key", "key.pem", "--dkim-domain", "school.example"];
    let rest = ["--dkim-selector", "2026a", "--relay", &relay];
    let sent = send(folder, &[&what[..], &subject, &dkim, &rest].concat());
    // Eve has no name: nobody reads "Dear ", and the others get theirs.
    assert_eq!((&sent["sent"], &sent["unwritten"]), (&2.into(), &1.into()), "{sent}");
    let messages = sink.messages();
    let (ann, bob) = (to(&messages, "ann@a.example"), to(&messages, "bob@a.example"));
    let (ann, bob) = (content(ann), content(bob));
    assert!(ann.contains("Subject: Class 4b") && ann.contains("Dear Ann,"), "{ann}");
    assert!(bob.contains("Subject: Class 2a") && bob.contains("Dear Bob,"), "{bob}");
    assert!(ann.starts_with("DKIM-Signature: v=1; a=ed25519-sha256; s=2026a; d=school.example;"));
    assert!(ann.contains("List-Id: <general.school.example>"), "{ann}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_written_already_gets_an_own_to_and_id() {
    let (folder, sink) = (tempfile::tempdir().unwrap(), Sink::builder().start().await.unwrap());
    let folder = folder.path();
    plan(folder, "contact_id,name,address\nc1,Ann,ann@a.example\n");
    let eml = "From: office@school.example\r\nTo: me@school.example\r\nSubject: Closed\r\n\
               Message-ID: <draft@school.example>\r\n\r\nStay at home.\r\n";
    std::fs::write(folder.join("draft.eml"), eml).unwrap();
    // The first doesn't serve: the second does.
    let relay = sink.addr().to_string();
    let sent = send(folder, &["--mime", "draft.eml", "--relay", "127.0.0.1:1", "--relay", &relay]);
    assert_eq!(sent["sent"], 1, "{sent}");
    let message = content(&sink.messages()[0]);
    assert!(message.contains("ann@a.example") && message.ends_with("\r\n\r\nStay at home.\r\n"));
    assert!(!message.contains("draft@school.example") && !message.contains("me@school.example"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_relay_the_recipients_own_server_delivers_and_explain_tells_how() {
    let (folder, sink) = (tempfile::tempdir().unwrap(), Sink::builder().start().await.unwrap());
    let folder = folder.path();
    plan(folder, "contact_id,name,address\nc1,Ann,ann@[127.0.0.1]\nc2,Bob,bob@[127.0.0.9]\n");
    std::fs::write(folder.join("text.txt"), "Stay at home.\n").unwrap();
    let port = sink.addr().port().to_string();
    let what = ["--text", "text.txt", "--from", "office@school.example", "--subject", "Closed"];
    let how = ["--direct", "--helo", "mail.school.example", "--mx-port", &port, "--retry", ""];
    let name_server = ["--name-server", "127.0.0.1:1"];
    let sent = send(folder, &[&what[..], &how, &name_server].concat());
    assert_eq!((&sent["delivered"], &sent["bounced"]), (&1.into(), &1.into()), "{sent}");
    let ann = text(&mailtrail(folder, &["explain", "ann@[127.0.0.1]"]));
    for part in ["→ Delivered", "with 127.0.0.1, in clear", "rcpt: 250", "message: 250"] {
        assert!(ann.contains(part), "{part}: {ann}");
    }
    let bob = text(&mailtrail(folder, &["explain", "bob@[127.0.0.9]"]));
    assert!(bob.contains("read as expired") && bob.contains("with 127.0.0.9"), "{bob}");
}
