//! `serve` is told to stop: what it has accepted is there, and what it has begun it ends.

use std::fs;
use std::io::Write;

use super::sharing::{Serve, status};
use super::{mailtrail, text};

fn body(number: usize) -> String {
    format!(r#"{{"RecordType":"Delivery","MessageID":"m-{number}","Recipient":"ann@a.example"}}"#)
}

#[test]
fn a_signal_to_stop_ends_serve_with_what_it_accepted_durable() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let configuration = "[[webhook]]\nendpoint = \"postmark\"\nprovider = \"postmark\"\n\
                             basic_auth = [\"mail:trail\"]\n";
        fs::write(folder.join("mailtrail.toml"), configuration).unwrap();
        let mut serve = Serve::start(folder);
        for number in 0..20 {
            assert_eq!(serve.post("postmark", "bWFpbDp0cmFpbA==", &body(number)), 200);
        }
        // One that has begun, and ends after the signal. The server reads it once it answers `Expect`.
        let (mut begun, last) = (serve.connect(), body(20));
        let length = last.len();
        write!(
            begun,
            "POST /webhooks/postmark HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Authorization: Basic bWFpbDp0cmFpbA==\r\nExpect: 100-continue\r\n\
             Content-Length: {length}\r\n\r\n"
        )
        .unwrap();
        let mut interim = [0; 25];
        std::io::Read::read_exact(&mut begun, &mut interim).unwrap();
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        serve.signal(signal);
        serve.says("stopping");
        begun.write_all(last.as_bytes()).unwrap();
        assert_eq!(status(begun), 200, "{signal}");
        let (code, said) = serve.ended();
        assert_eq!(code, Some(0), "{signal}: {said}");

        text(&mailtrail(folder, &["export", "all.jsonl"]));
        let events = fs::read_to_string(folder.join("all.jsonl")).unwrap();
        assert_eq!(events.matches("\"delivered\"").count(), 21, "{signal}");
        assert!(text(&mailtrail(folder, &["verify"])).contains("intact"));
    }
}
