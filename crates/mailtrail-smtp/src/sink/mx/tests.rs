use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

const SESSION: &str = "EHLO x\r\nMAIL FROM:<b@b.example>\r\nRCPT TO:<a@a.example>\r\nDATA\r\n\
                       ..Hi.\r\n.\r\nQUIT\r\n";

async fn mx(script: Vec<Conduct>) -> Mx {
    Mx::start(([127, 0, 0, 1], 0).into(), script).await.unwrap()
}

/// All that it says to a client that says all at once.
async fn says(mx: &Mx, session: &str) -> Vec<u8> {
    let mut client = TcpStream::connect(mx.addr()).await.unwrap();
    // One that hangs up may leave a part unread.
    drop(client.write_all(session.as_bytes()).await);
    let mut said = Vec::new();
    drop(client.read_to_end(&mut said).await);
    said
}

fn codes(said: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(said).into_owned();
    text.lines()
        .filter(|line| line.get(3..4) != Some("-"))
        .map(|line| line.chars().take(3).collect())
        .collect()
}

#[tokio::test]
async fn a_polite_one_takes_everything() {
    let mx = mx(Vec::new()).await;
    let codes = codes(&says(&mx, SESSION).await);
    assert_eq!(codes, ["220", "250", "250", "250", "354", "250", "221"]);
    assert_eq!(&mx.messages()[0].bytes[..], b".Hi.\r\n");
    assert_eq!(mx.messages()[0].recipients, ["a@a.example"]);
}

#[tokio::test]
async fn it_ends_at_each_stage() {
    for (stage, before) in [
        (Stage::Connect, 0),
        (Stage::Ehlo, 1),
        (Stage::Mail, 2),
        (Stage::Recipient, 3),
        (Stage::Data, 4),
        (Stage::Line, 5),
        (Stage::Message, 5),
    ] {
        let mx = mx(vec![Conduct::polite().at(stage, Act::hang_up())]).await;
        let mut client = TcpStream::connect(mx.addr()).await.unwrap();
        let mut said = Vec::new();
        for line in SESSION.split_inclusive('\n') {
            drop(client.write_all(line.as_bytes()).await);
        }
        drop(client.read_to_end(&mut said).await);
        // What was not read when it hung up may take replies with it.
        assert!(codes(&said).len() <= before, "{stage:?}");
        assert!(mx.messages().is_empty(), "{stage:?}");
    }
}

#[tokio::test]
async fn each_mail_of_a_connection_is_an_attempt() {
    let refuse = |reply: &str| Conduct::polite().at(Stage::Recipient, Act::say(reply));
    let mx = mx(vec![refuse("450 4.7.1 grey"), Conduct::polite(), refuse("550 5.1.1 gone")]).await;
    let attempt = "MAIL FROM:<>\r\nRCPT TO:<a@a.example>\r\n";
    let said = says(&mx, &format!("HELO x\r\n{attempt}{attempt}{attempt}QUIT\r\n")).await;
    assert_eq!(codes(&said), ["220", "250", "250", "450", "250", "250", "250", "550", "221"]);
    assert_eq!(mx.attempts(), 3);
}

#[tokio::test]
async fn it_says_any_bytes_slowly_and_in_parts() {
    let reply = b"550 caf\xe9\0".to_vec();
    let act = Act::say(reply.clone()).in_packets(3).after(Duration::from_millis(1));
    let mx = mx(vec![Conduct::polite().at(Stage::Recipient, act).offers("DSN")]).await;
    let said = says(&mx, SESSION).await;
    let find = |part: &[u8]| said.windows(part.len()).any(|window| window == part);
    assert!(find(&reply) && find(b"250-DSN\r\n"), "{}", String::from_utf8_lossy(&said));
    assert_eq!(codes(&said)[4..], ["503", "250", "250", "221"], "no data without a recipient");
}
