//! `serve` as it runs somewhere: health, metrics, a proxy in front, secrets in files, and its check.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use serde_json::Value;

use super::sharing::Serve;
use super::{mailtrail, text};

const CONFIGURATION: &str = r#"
store = "fjall:trail"
return_path_domain = "bounces.school.example"
tracking_url = "https://mail.school.example"

[http]
trusted_proxies = "127.0.0.0/8"

[[webhook]]
endpoint = "postmark"
provider = "postmark"
basic_auth = [{ file = "postmark.secret" }]

[page]
hosts = ["mail.school.example"]

[[page.user]]
name = "office"
secret = { file = "office.secret" }
"#;
const DELIVERY: &str = r#"{"RecordType":"Delivery","MessageID":"m-1","Recipient":"ann@a.example"}"#;

fn place(configuration: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mailtrail.toml"), configuration).unwrap();
    fs::write(folder.path().join("postmark.secret"), "mail:trail\n").unwrap();
    fs::write(folder.path().join("office.secret"), "office-0123456789-secret\n").unwrap();
    folder
}

fn ask(serve: &Serve, path: &str, fields: &str, body: &str) -> String {
    let mut stream = serve.connect();
    let (method, length) = (if body.is_empty() { "GET" } else { "POST" }, body.len());
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn line<'a>(metrics: &'a str, start: &str) -> &'a str {
    let found = metrics.lines().find(|line| line.starts_with(start));
    found.unwrap_or_else(|| panic!("{start} in {metrics}"))
}

#[test]
fn metrics_say_what_came_and_are_shown_to_this_host_only() {
    let folder = place(CONFIGURATION);
    let serve = Serve::start(folder.path());
    assert!(ask(&serve, "/health", "", "").starts_with("HTTP/1.1 200"));
    for (basic, status) in
        [("bWFpbDp0cmFpbA==", 200), ("bWFpbDp0cmFpbA==", 200), ("bWFpbDpndWVzcw==", 401)]
    {
        assert_eq!(serve.post("postmark", basic, DELIVERY), status);
    }
    let metrics = ask(&serve, "/metrics", "", "");
    assert!(metrics.starts_with("HTTP/1.1 200") && metrics.ends_with("# EOF\n"), "{metrics}");
    for (outcome, count) in [("accepted", 1), ("repeated", 1), ("wrong_credentials", 1)] {
        let start = format!(
            "mailtrail_webhook_requests_total{{endpoint=\"postmark\",outcome=\"{outcome}\"}}"
        );
        assert_eq!(line(&metrics, &start), format!("{start} {count}"));
    }
    assert_eq!(line(&metrics, "mailtrail_head_position"), "mailtrail_head_position 1");
    let route =
        "mailtrail_request_duration_seconds_count{route=\"/webhooks/{endpoint}\",status=\"200\"}";
    assert_eq!(line(&metrics, route), format!("{route} 2"));
    for name in ["email_log", "broadcast_summary", "trails"] {
        line(&metrics, &format!("mailtrail_projection_lag_positions{{projection=\"{name}\"}}"));
    }
    // Through the proxy that is trusted it is somebody else who asks.
    let passed_on = ask(&serve, "/metrics", "X-Forwarded-For: 192.0.2.7\r\n", "");
    assert!(passed_on.starts_with("HTTP/1.1 404"), "{passed_on}");
}

#[test]
fn the_page_is_for_who_sees_the_link_and_for_its_users() {
    let folder = place(CONFIGURATION);
    let mut serve = Serve::start(folder.path());
    let said = serve.says("/login?once=");
    let path = said.trim().split_at(said.find("/login").unwrap()).1;
    let login = ask(&serve, path, "", "").to_lowercase();
    let (_, cookie) = login.split_once("set-cookie: ").unwrap();
    assert!(login.starts_with("http/1.1 303") && !cookie.contains("secure"), "{login}");
    let again = ask(&serve, path, "", "");
    assert!(again.starts_with("HTTP/1.1 403"), "{again}");
    // Who comes later asks for a link of their own.
    serve.signal("USR1");
    let said = serve.says("/login?once=");
    let other = said.trim().split_at(said.find("/login").unwrap()).1;
    assert_ne!(other, path);
    assert!(ask(&serve, other, "", "").starts_with("HTTP/1.1 303"));

    let bearer = "Authorization: Bearer office-0123456789-secret\r\n";
    let overview = ask(&serve, "/", bearer, "");
    assert!(overview.contains("office (read only)"), "{overview}");
    assert!(ask(&serve, "/", "", "").starts_with("HTTP/1.1 303"));
    assert!(ask(&serve, "/api/broadcasts", "", "").starts_with("HTTP/1.1 401"));
    // Nobody who asks at a wrong address is sent to the login.
    assert!(ask(&serve, "/webhooks", "", "{}").starts_with("HTTP/1.1 404"));
}

/// Otherwise one guesser would use up what all peers may have in the ring.
#[test]
fn behind_a_trusted_proxy_each_client_is_a_peer() {
    let folder = place(CONFIGURATION);
    let serve = Serve::start(folder.path());
    for client in ["192.0.2.7", "198.51.100.8"] {
        let fields = format!("X-Forwarded-For: 203.0.113.1, {client}\r\n");
        assert!(ask(&serve, "/webhooks/postmark", &fields, DELIVERY).starts_with("HTTP/1.1 401"));
    }
    drop(serve);
    let refused = text(&mailtrail(folder.path(), &["webhook", "refused"]));
    assert!(refused.contains("192.0.2.7") && refused.contains("198.51.100.8"), "{refused}");
    assert!(!refused.contains("203.0.113.1") && !refused.contains("127.0.0.1"), "{refused}");
}

fn findings(folder: &Path, more: &[&str]) -> (Option<i32>, Vec<Value>) {
    let output = mailtrail(folder, &[&["serve", "--check", "--json"], more].concat());
    let found = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), found)
}

fn levels<'f>(found: &'f [Value], level: &str) -> Vec<&'f str> {
    let of_level = found.iter().filter(|finding| finding["level"] == level);
    of_level.map(|finding| finding["what"].as_str().unwrap()).collect()
}

#[test]
fn a_check_says_all_that_is_wrong_and_changes_nothing() {
    let folder = place(CONFIGURATION);
    let ports = ["--http", "127.0.0.1:0", "--lmtp", "127.0.0.1:0"];
    let (code, found) = findings(folder.path(), &ports);
    assert_eq!((code, levels(&found, "wrong")), (Some(0), vec![]), "{found:?}");
    assert_eq!(levels(&found, "doubtful"), ["store", "keys"]);
    assert!(!folder.path().join("trail").exists() && !folder.path().join("keys.toml").exists());

    let bad = CONFIGURATION
        .replace("https:", "ftp:")
        .replace("postmark.secret", "missing")
        .replace("office.secret", "postmark.secret")
        + "[[webhook]]\nendpoint = \"postmark\"\nprovider = \"postmrk\"\n\
           [[webhook]]\nendpoint = \"open\"\nprovider = \"sendgrid\"\n\
           [[webhook]]\nendpoint = \"sg\"\nprovider = \"sendgrid\"\nsigning_key = [\"none\"]\n";
    let folder = place(&bad);
    let (code, found) =
        findings(folder.path(), &[&ports[..], &["--tls-certificate", "cert.pem"]].concat());
    assert_eq!(code, Some(65));
    let expected = [
        "http",
        "page",
        "tracking",
        "webhook postmark",
        "webhook postmark",
        "webhook postmark",
        "webhook open",
        "webhook sg",
    ];
    assert_eq!(levels(&found, "wrong"), expected, "{found:?}");
    let said = found.iter().map(|finding| finding["text"].as_str().unwrap()).collect::<String>();
    for words in
        ["both tls_certificate and tls_key", "missing", "postmrk", "come later", "fewer than 20"]
    {
        assert!(said.contains(words), "{words} in {said}");
    }
}

#[test]
fn a_configuration_that_is_none_says_where_and_no_secret() {
    let folder = place("[[webhook]]\nendpoint = \"a\"\nsigning_kye = [\"topsecret\"]\n");
    let output = mailtrail(folder.path(), &["serve", "--check"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("line 3") && said.contains("signing_kye"), "{said}");
    assert!(!said.contains("topsecret"), "{said}");
}
