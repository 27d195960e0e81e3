//! Keys and secrets change while `serve` runs.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use mailtrail::core::DeliveryId;
use mailtrail::core::token::Purpose;

use super::sharing::Serve;
use super::{mailtrail, text};

fn body(number: usize) -> String {
    format!(r#"{{"RecordType":"Delivery","MessageID":"m-{number}","Recipient":"ann@a.example"}}"#)
}

fn configure(folder: &Path, lines: &str) {
    fs::write(folder.join("mailtrail.toml"), lines).unwrap();
}

fn get(serve: &Serve, path: &str) -> String {
    let mut stream = serve.connect();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// A token of an unsubscribe link by the key that signs in the file now.
fn link(folder: &Path) -> String {
    let keys = mailtrail::keys_file(folder.join("keys.toml")).unwrap();
    format!("/u/{}", keys.sign(Purpose::Unsubscribe, DeliveryId::from_bytes([7; 16])))
}

const POSTMARK: &str = "[[webhook]]\nendpoint = \"postmark\"\nprovider = \"postmark\"\n\
                        basic_auth = [{ file = \"secret\" }]\n";
/// `mail:trail` and `mail:other`.
const TRAIL: &str = "bWFpbDp0cmFpbA==";
const OTHER: &str = "bWFpbDpvdGhlcg==";

#[test]
fn keys_and_secrets_are_read_anew_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder, POSTMARK);
    fs::write(folder.join("secret"), "mail:trail\n").unwrap();
    let mut serve = Serve::start(folder);
    assert_eq!(serve.post("postmark", TRAIL, &body(0)), 200);
    let old = link(folder);
    assert!(get(&serve, &old).starts_with("HTTP/1.1 200"));

    text(&mailtrail(folder, &["keys", "add"]));
    fs::write(folder.join("secret"), "mail:other\n").unwrap();
    let new = link(folder);
    assert!(!get(&serve, &new).starts_with("HTTP/1.1 200"), "it does not know the key yet");
    assert_eq!(serve.post("postmark", TRAIL, &body(1)), 200);
    serve.signal("HUP");
    serve.says("read anew: the keys, and 1 accounts");
    assert!(get(&serve, &new).starts_with("HTTP/1.1 200"));
    assert!(get(&serve, &old).starts_with("HTTP/1.1 200"));
    assert_eq!(serve.post("postmark", OTHER, &body(2)), 200);
    assert_ne!(serve.post("postmark", TRAIL, &body(3)), 200);
    // What came before is counted on.
    let metrics = get(&serve, "/metrics");
    let accepted = r#"mailtrail_webhook_requests_total{endpoint="postmark",outcome="accepted"} 3"#;
    assert!(metrics.contains(accepted), "{metrics}");
}

#[test]
fn a_bad_configuration_changes_nothing_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder, POSTMARK);
    fs::write(folder.join("secret"), "mail:trail\n").unwrap();
    let mut serve = Serve::start(folder);
    let keys = fs::read(folder.join("keys.toml")).unwrap();
    let sendgrid = "[[webhook]]\nendpoint = \"other\"\nprovider = \"nobody\"\n";
    let wrong: [(&dyn Fn(), &str); 6] = [
        (&|| configure(folder, "[[webhook]]\nendpoint = swordfish\n"), "line 2"),
        (&|| configure(folder, &format!("{POSTMARK}{sendgrid}")), "webhook other"),
        (&|| configure(folder, &POSTMARK.repeat(2)), "two accounts are called postmark"),
        (
            &|| fs::remove_file(folder.join("secret")).unwrap(),
            "webhook postmark: the secret in secret",
        ),
        (&|| fs::write(folder.join("keys.toml"), "secret = swordfish").unwrap(), "keys.toml"),
        (&|| fs::remove_file(folder.join("keys.toml")).unwrap(), "the keys file is gone"),
    ];
    for (spoil, says) in wrong {
        spoil();
        serve.signal("HUP");
        let line = serve.says("nothing was changed");
        assert!(line.contains(says) && !line.contains("swordfish"), "{says}: {line}");
        assert_eq!(serve.post("postmark", TRAIL, &body(0)), 200);
        configure(folder, POSTMARK);
        fs::write(folder.join("secret"), "mail:trail\n").unwrap();
        fs::write(folder.join("keys.toml"), &keys).unwrap();
    }
    // An account that is gone: its provider is to come again.
    configure(folder, "");
    serve.signal("HUP");
    serve.says("0 accounts");
    assert_eq!(serve.post("postmark", TRAIL, &body(1)), 429);
}
