//! Commands in one go or one by one, replies in any pieces: the trail is the same.

use mailtrail_core::event::{Event, Stage};
use mailtrail_core::{EventStoreExt, Status, StreamId};
use mailtrail_smtp::send::{Outcome, Relay};
use proptest::prelude::*;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::planned::Planned;

/// What a server says at each stage, and how.
#[derive(Debug, Clone)]
struct Manner {
    pipelining: bool,
    /// To `MAIL`, `RCPT`, `DATA` and the message; nothing: it hangs up.
    replies: [&'static str; 4],
    /// In pieces of so many bytes.
    piece: usize,
}

/// Serves one connection after the other.
async fn serve(listener: TcpListener, manner: Manner) {
    while let Ok((stream, _)) = listener.accept().await {
        drop(talk(stream, &manner).await);
    }
}

async fn talk(stream: tokio::net::TcpStream, manner: &Manner) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    say(&mut stream, "220 mx.example", 100).await?;
    let mut line = String::new();
    let mut refused = false;
    while stream.read_line(&mut line).await? > 0 {
        let stage = match line.get(..4).unwrap_or_default() {
            "EHLO" if manner.pipelining => {
                say(&mut stream, "250-mx.example\r\n250 PIPELINING", 100).await?;
                None
            }
            "MAIL" => {
                refused = false;
                Some(0)
            }
            "RCPT" => Some(1),
            "DATA" => Some(2),
            "QUIT" => return Ok(()),
            _ => {
                say(&mut stream, "250 fine", 100).await?;
                None
            }
        };
        line.clear();
        let Some(stage) = stage else { continue };
        // As servers do: after a refusal there is nobody to send to.
        let reply =
            if refused && stage > 0 { "503 5.5.1 no recipients" } else { manner.replies[stage] };
        if reply.is_empty() {
            return Ok(());
        }
        refused |= !reply.starts_with(['2', '3']);
        say(&mut stream, reply, manner.piece).await?;
        if reply.starts_with("354") {
            let mut message = Vec::new();
            while !message.ends_with(b"\r\n.\r\n") && message != b".\r\n" {
                message.push(stream.read_u8().await?);
            }
            if manner.replies[3].is_empty() {
                return Ok(());
            }
            say(&mut stream, manner.replies[3], manner.piece).await?;
        }
    }
    Ok(())
}

async fn say(
    stream: &mut BufReader<tokio::net::TcpStream>,
    reply: &str,
    piece: usize,
) -> std::io::Result<()> {
    for piece in format!("{reply}\r\n").into_bytes().chunks(piece) {
        stream.write_all(piece).await?;
        stream.flush().await?;
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// What it came to, as the trail has it.
type Told = (Status, Vec<(Stage, u16, Box<str>)>, Option<String>);

fn told(manner: Manner) -> Told {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(serve(listener, manner));
        let planned = Planned::new(&["ann@a.example"]).await;
        let sender = planned.sender(Relay::new("127.0.0.1", port));
        let outcome = planned.deliver(&sender, 0).await.unwrap();
        sender.close().await;
        server.abort();
        let evidence = planned.evidence(0).await;
        assert_eq!(evidence.in_doubt().count(), usize::from(outcome == Outcome::InDoubt));
        let stream = StreamId::delivery(planned.rows[0].delivery);
        let last = planned.store.stream(stream).await.unwrap().pop().unwrap();
        let fact = last.fact().unwrap().event;
        let words = last.private().replies;
        let replies = fact.transcript().map(|transcript| &transcript.replies[..]);
        let replies = replies.unwrap_or_default().iter().zip(words);
        let replies =
            replies.map(|(said, words)| (said.stage, said.reply_code.unwrap().get(), words));
        let reason = match &fact {
            Event::Deferred(deferred) => Some(deferred.diagnosis.reason.to_string()),
            Event::Bounced(bounced) => Some(bounced.diagnosis.reason.to_string()),
            _ => None,
        };
        (evidence.status(), replies.collect(), reason)
    })
}

fn reply() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "250 2.1.0 fine",
        "250 2.1.0 fine",
        "250 2.1.0 fine",
        "450 4.2.1 try later",
        "550-5.1.1 no\r\n550 5.1.1 such user",
        "421 4.3.2 going down",
        "",
    ])
}

fn replies() -> impl Strategy<Value = [&'static str; 4]> {
    let data =
        prop::sample::select(vec!["354 go on", "354 go on", "451 4.3.0 later", "554 5.5.1 no", ""]);
    (reply(), reply(), data, reply())
        .prop_map(|(mail, rcpt, data, message)| [mail, rcpt, data, message])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_trail_is_the_same_in_one_go_and_in_any_pieces(replies in replies(), piece in 1_usize..30) {
        let one_by_one = told(Manner { pipelining: false, replies, piece: 1_000 });
        let in_one_go = told(Manner { pipelining: true, replies, piece });
        prop_assert_eq!(one_by_one, in_one_go);
    }
}

#[test]
fn each_reply_that_concerns_the_recipient_is_kept_with_its_stage() {
    let fine = ["250 2.1.0 who", "250 2.1.5 to whom", "354 go on", "250 2.0.0 queued as 4F1"];
    let (status, replies, _) = told(Manner { pipelining: true, replies: fine, piece: 3 });
    assert_eq!(status, Status::Sent);
    let expected = [
        (Stage::Mail, 250, "who"),
        (Stage::Rcpt, 250, "to whom"),
        (Stage::Data, 354, "go on"),
        (Stage::Message, 250, "queued as 4F1"),
    ];
    let actual: Vec<_> =
        replies.iter().map(|(stage, code, text)| (*stage, *code, text.trim())).collect();
    assert_eq!(actual, expected);
}

#[test]
fn a_server_that_wants_a_message_to_nobody_gets_an_empty_one() {
    // It refuses the recipient, and says 354 all the same.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            say(&mut stream, "220 mx.example", 100).await.unwrap();
            let (mut line, mut said) = (String::new(), Vec::new());
            while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
                let reply = match line.get(..4).unwrap_or_default() {
                    "EHLO" => "250-mx.example\r\n250 PIPELINING",
                    "RCPT" => "550 5.1.1 no such user",
                    "DATA" => "354 go on",
                    ".\r\n" => "554 5.5.1 no recipients",
                    _ => "250 fine",
                };
                said.push(std::mem::take(&mut line).trim_end().to_owned());
                say(&mut stream, reply, 100).await.unwrap();
            }
            said
        });
        let planned = Planned::new(&["gone@a.example", "gone@b.example"]).await;
        let sender = planned.sender(Relay::new("127.0.0.1", port));
        for number in 0..2 {
            assert_eq!(planned.deliver(&sender, number).await.unwrap(), Outcome::Bounced);
            assert_eq!(planned.evidence(number).await.status(), Status::Failed);
        }
        sender.close().await;
        drop(sender);
        let said = server.await.unwrap();
        assert_eq!(said.iter().filter(|line| *line == ".").count(), 2, "{said:?}");
        assert!(!said.iter().any(|line| line.contains("Subject")), "{said:?}");
    });
}
