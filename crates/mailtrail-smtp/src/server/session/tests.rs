use std::sync::Mutex;

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::Builder;
use tokio::task::JoinHandle;

use super::*;
use crate::server::{Body, Notify, Recipient, Return};

/// Takes everybody but `no@…`, keeps what comes, and refuses what `full@…` gets in LMTP.
#[derive(Clone, Default)]
struct Mailbox(Arc<Mutex<Vec<(Envelope, Bytes)>>>);

impl Mailbox {
    fn taken(&self) -> Vec<(Envelope, Bytes)> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl Handler for Mailbox {
    async fn recipient(&self, _: &Envelope, recipient: &Recipient) -> Reply {
        if recipient.address.starts_with("no@") { Reply::NO_SUCH_USER } else { Reply::OK }
    }

    async fn message(&self, envelope: Envelope, message: Bytes) -> Answer {
        let full = |r: &Recipient| r.address.starts_with("full@");
        let reply = |r| if full(r) { "452 4.2.2 mailbox full".parse().unwrap() } else { Reply::OK };
        let answer = Answer::Each(envelope.recipients.iter().map(reply).collect());
        self.0.lock().unwrap().push((envelope, message));
        answer
    }
}

fn limits() -> Limits {
    Limits {
        message_bytes: 300,
        command_octets: 100,
        skipped_octets: 200,
        recipients: 3,
        junk_commands: 5,
        ..Limits::default()
    }
}

fn session(
    protocol: Protocol,
    limits: Limits,
    handler: impl Handler,
) -> (DuplexStream, JoinHandle<io::Result<()>>, watch::Sender<bool>) {
    let (client, server) = duplex(64);
    let (stop, stopping) = watch::channel(false);
    let hostname = "mx.example".to_owned();
    let (handler, tally) = (Box::new(handler), Tally::default());
    let shared = Shared { protocol, limits, hostname, handler, tally };
    let peer = ([127, 0, 0, 1], 2525).into();
    let session = Session::new(Arc::new(shared), server, peer, stopping);
    (client, tokio::spawn(session.run()), stop)
}

/// Sends it all at once and leaves: the replies, and what the mailbox has then.
fn converse(protocol: Protocol, input: &[u8]) -> (String, Vec<(Envelope, Bytes)>) {
    let mailbox = Mailbox::default();
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let replies = runtime.block_on(async {
        let (client, session, _stop) = session(protocol, limits(), mailbox.clone());
        let (mut from_server, mut to_server) = tokio::io::split(client);
        let input = input.to_vec();
        let sending = tokio::spawn(async move {
            // The server may hang up first.
            drop(to_server.write_all(&input).await);
            drop(to_server.shutdown().await);
        });
        let mut replies = String::new();
        from_server.read_to_string(&mut replies).await.unwrap();
        drop(from_server);
        sending.await.unwrap();
        drop(session.await.expect("a session never panics"));
        replies
    });
    (replies, mailbox.taken())
}

/// The last lines of the replies, without those of the greetings.
fn codes(replies: &str) -> Vec<&str> {
    replies.lines().filter(|l| !l.contains("mx.example") && !l.starts_with("250-")).collect()
}

#[test]
fn a_pipelined_session_is_answered_in_order() {
    let (replies, taken) = converse(
        Protocol::Smtp,
        b"EHLO client.example\r\n\
          MAIL FROM:<b+abc@bounces.example> SIZE=20 BODY=8BITMIME RET=HDRS ENVID=e+2B1\r\n\
          RCPT TO:<yes@x.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;old@x.example\r\n\
          RCPT TO:<no@x.example>\r\nDATA\r\n..dot\r\nlast\r\n.\r\n\
          MAIL FROM:<>\r\nRSET\r\nMAIL FROM:<>\r\nRCPT TO:<yes@x.example>\r\nDATA\r\n.\r\nQUIT\r\n",
    );
    let expected = "220 mx.example ESMTP Mailtrail\r\n\
        250-mx.example\r\n250-PIPELINING\r\n250-SIZE 300\r\n250-8BITMIME\r\n\
        250-ENHANCEDSTATUSCODES\r\n250-SMTPUTF8\r\n250 DSN\r\n\
        250 2.1.0 sender taken\r\n250 2.0.0 ok\r\n550 5.1.1 no such user here\r\n\
        354 end with a dot on a line of its own\r\n250 2.0.0 ok\r\n\
        250 2.1.0 sender taken\r\n250 2.0.0 forgotten\r\n250 2.1.0 sender taken\r\n250 2.0.0 ok\r\n\
        354 end with a dot on a line of its own\r\n250 2.0.0 ok\r\n221 2.0.0 goodbye\r\n";
    assert_eq!(replies, expected);

    let [(envelope, message), (second, empty)] = &taken[..] else { panic!("{taken:?}") };
    assert_eq!(&message[..], b".dot\r\nlast\r\n");
    assert_eq!((envelope.helo.as_str(), envelope.size), ("client.example", Some(20)));
    assert_eq!(envelope.mail_from, "b+abc@bounces.example");
    assert_eq!((envelope.body, envelope.ret), (Body::EightBitMime, Some(Return::Headers)));
    assert_eq!(envelope.envid.as_deref(), Some("e+1"));
    let recipient = &envelope.recipients[0];
    assert_eq!(recipient.notify, Some(Notify { success: true, failure: true, delay: false }));
    assert_eq!(recipient.orcpt.as_ref().unwrap().address, "old@x.example");
    assert_eq!((second.mail_from.as_str(), second.envid.as_deref(), empty.len()), ("", None, 0));
}

#[test]
fn lmtp_answers_each_recipient_that_was_taken() {
    let input = b"EHLO x\r\nLHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<a@x.example>\r\n\
        RCPT TO:<no@x.example>\r\nRCPT TO:<full@x.example>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n";
    let (replies, taken) = converse(Protocol::Lmtp, input);
    assert_eq!(
        codes(&replies),
        [
            "500 5.5.1 this is LMTP: say LHLO",
            "250 DSN",
            "250 2.1.0 sender taken",
            "250 2.0.0 ok",
            "550 5.1.1 no such user here",
            "250 2.0.0 ok",
            "354 end with a dot on a line of its own",
            "250 2.0.0 ok",
            "452 4.2.2 mailbox full",
            "221 2.0.0 goodbye",
        ]
    );
    assert_eq!(taken.len(), 1);
}

#[test]
fn smtp_answers_with_the_worst() {
    let input = b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<full@x.example>\r\nRCPT TO:<a@x.example>\r\n\
        DATA\r\n.\r\n";
    assert_eq!(codes(&converse(Protocol::Smtp, input).0)[4], "452 4.2.2 mailbox full");
}

#[test]
fn a_message_over_the_limit_is_drained_and_refused() {
    let start = "LHLO x\r\nMAIL FROM:<> SIZE=301\r\nMAIL FROM:<>\r\nRCPT TO:<a@x.example>\r\n\
        RCPT TO:<b@x.example>\r\nDATA\r\n";
    let input = format!("{start}{}\r\n.\r\nNOOP\r\n", "x".repeat(10_000));
    let (replies, taken) = converse(Protocol::Lmtp, input.as_bytes());
    assert_eq!(codes(&replies)[1], "552 5.3.4 message too large");
    let refused = "552 5.3.4 message too large";
    assert_eq!(codes(&replies)[6..], [refused, refused, "250 2.0.0 ok"]);
    assert!(taken.is_empty());
}

#[test]
fn commands_out_of_order_or_out_of_limits_are_refused() {
    let many = "RCPT TO:<a@x.example>\r\n".repeat(4);
    let long = "x".repeat(150);
    let input = format!(
        "MAIL FROM:<>\r\nEHLO x\r\nDATA\r\nRCPT TO:<a@x.example>\r\nNOOP\n{long}\r\nMAIL FROM:<>\r\n\
         MAIL FROM:<>\r\nRCPT TO:<\u{e4}@x.example>\r\n{many}VRFY a\r\nQUIT\r\n"
    );
    let (replies, _) = converse(Protocol::Smtp, input.as_bytes());
    assert_eq!(
        codes(&replies),
        [
            "503 5.5.1 say hello first",
            "250 DSN",
            "503 5.5.1 no recipient was taken",
            "503 5.5.1 MAIL FROM comes first",
            "500 5.5.2 a line ends in CR LF",
            "500 5.5.2 line too long",
            "250 2.1.0 sender taken",
            "421 4.7.0 too many commands without a message",
        ]
    );
}

#[test]
fn recipients_beyond_the_limit_may_come_with_the_next_message() {
    let many = "RCPT TO:<a@x.example>\r\n".repeat(4);
    let input =
        format!("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<\u{e4}@x.example>\r\n{many}DATA\r\n.\r\n");
    let (replies, taken) = converse(Protocol::Smtp, input.as_bytes());
    assert_eq!(codes(&replies)[2], "553 5.6.7 an address in UTF-8 needs SMTPUTF8");
    assert_eq!(codes(&replies)[6], "452 4.5.3 too many recipients");
    assert_eq!(taken[0].0.recipients.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_dawdles_is_sent_away() {
    for start in ["EHLO", "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@x.example>\r\nDATA\r\nhalf"] {
        let (mut client, session, _stop) = session(Protocol::Smtp, limits(), Mailbox::default());
        client.write_all(start.as_bytes()).await.unwrap();
        let mut replies = String::new();
        client.read_to_string(&mut replies).await.unwrap();
        assert!(replies.ends_with("421 4.4.2 that took too long\r\n"), "{replies}");
        session.await.unwrap().unwrap();
    }
}

/// Answers only when told to.
struct Gate(Arc<tokio::sync::Notify>);

#[async_trait::async_trait]
impl Handler for Gate {
    async fn recipient(&self, _: &Envelope, _: &Recipient) -> Reply {
        Reply::OK
    }

    async fn message(&self, _: Envelope, _: Bytes) -> Answer {
        self.0.notified().await;
        Answer::All(Reply::OK)
    }
}

#[tokio::test(start_paused = true)]
async fn the_yes_waits_for_the_handler_and_stopping_waits_for_the_yes() {
    let gate = Arc::new(tokio::sync::Notify::new());
    let (mut client, _session, stop) = session(Protocol::Smtp, limits(), Gate(Arc::clone(&gate)));
    client
        .write_all(b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@x.example>\r\nDATA\r\n.\r\n")
        .await
        .unwrap();
    let mut replies = String::new();
    let mut buffer = [0; 64];
    while !replies.contains("354") {
        let read = client.read(&mut buffer).await.unwrap();
        replies.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    stop.send_replace(true);
    let early = timeout(Duration::from_secs(60), client.read(&mut buffer)).await;
    assert!(early.is_err(), "an answer before the handler's: {early:?}");
    gate.notify_one();
    client.read_to_string(&mut replies).await.unwrap();
    assert!(replies.ends_with("250 2.0.0 ok\r\n421 4.3.2 stopping, come again\r\n"), "{replies}");
}

/// Pieces of real sessions, broken ones and noise, in any order.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<&'static [u8]> = vec![
        b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n",
        b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n",
        b"MAIL FROM:<a@b.example>\r\n",
        b"MAIL FROM:<> SIZE=99999999999999999999\r\n",
        b"RCPT TO:<a@b.example> ORCPT=rfc822;+\r\n",
        b"RCPT TO:<a@b.example>\r\n",
        b"DATA\r\n",
        b".\r\n",
        b"\r\n.\r\n",
        b"\n.\n",
        b"RSET\r\n",
        b"QUIT",
        b"\r\n",
        b"\"\\<>@:;=+[]",
        b"\xc3\xa4\xff\0",
    ];
    let piece = prop_oneof![
        4 => proptest::sample::select(words).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..150),
    ];
    vec(piece, 0..80).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_give_replies_within_the_limits(input in noise(), lmtp in any::<bool>()) {
        let protocol = if lmtp { Protocol::Lmtp } else { Protocol::Smtp };
        let (replies, taken) = converse(protocol, &input);
        for line in replies.split_terminator("\r\n") {
            let known = ["220", "221", "214", "250", "252", "354", "421", "452", "500", "501", "502", "503", "550", "552", "553", "555"];
            prop_assert!(line.get(..3).is_some_and(|code| known.contains(&code)), "{line:?}");
            prop_assert!(!line.contains(char::is_control), "{line:?}");
        }
        for (envelope, message) in taken {
            prop_assert!(message.len() <= limits().message_bytes);
            prop_assert!((1..=limits().recipients).contains(&envelope.recipients.len()));
            prop_assert!(message.is_empty() || message.ends_with(b"\r\n"));
        }
    }
}
