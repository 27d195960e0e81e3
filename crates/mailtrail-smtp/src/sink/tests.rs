use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// Sends one message in a session of its own: the replies, one code a line.
async fn send(sink: &Sink, recipients: &[&str]) -> Vec<String> {
    let recipients = recipients.join(">\r\nRCPT TO:<");
    let session =
        format!("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<{recipients}>\r\nDATA\r\nHi.\r\n.\r\nQUIT\r\n");
    let mut client = TcpStream::connect(sink.addr()).await.unwrap();
    client.write_all(session.as_bytes()).await.unwrap();
    let mut replies = String::new();
    // A sink that hangs up may leave the QUIT unread.
    drop(client.read_to_string(&mut replies).await);
    let codes = replies.lines().skip(9).map(|line| line.chars().take(3).collect());
    codes.collect()
}

#[tokio::test]
async fn each_address_goes_through_the_first_script_that_fits() {
    let sink = Sink::builder()
        .on("a@x.example", Script::refuse("452 4.2.2 full").unwrap().then_accept())
        .on("*@x.example", Script::refuse("550 5.1.1 gone").unwrap())
        .start()
        .await
        .unwrap();
    assert_eq!(
        send(&sink, &["a@x.example", "ok@y.example"]).await,
        ["452", "250", "354", "250", "221"]
    );
    assert_eq!(send(&sink, &["A@X.example"]).await, ["250", "354", "250", "221"]);
    assert_eq!(
        send(&sink, &["b@x.example", "ok@y.example"]).await,
        ["550", "250", "354", "250", "221"]
    );
    let recipients: Vec<_> =
        sink.messages().into_iter().map(|m| m.envelope.recipients[0].address.clone()).collect();
    assert_eq!(recipients, ["ok@y.example", "A@X.example", "ok@y.example"]);
}

#[tokio::test]
async fn what_is_refused_after_the_data_is_kept_with_the_reply() {
    let spam = Script::refuse_message("554 5.7.1 spam").unwrap().then_hang_up();
    let sink = Sink::builder().on("spam@*", spam).start().await.unwrap();
    assert_eq!(
        send(&sink, &["ok@x.example", "spam@x.example"]).await,
        ["250", "250", "354", "554", "221"]
    );
    assert_eq!(send(&sink, &["spam@x.example"]).await, ["250", "354"]);
    let replies = [sink.next_message().await.reply, sink.next_message().await.reply];
    assert_eq!(replies.map(|reply| reply.map(|r| r.code())), [Some(554), None]);
}

#[tokio::test]
async fn the_next_message_is_waited_for() {
    let sink = Arc::new(Sink::builder().start().await.unwrap());
    let waiting = tokio::spawn({
        let sink = Arc::clone(&sink);
        async move { sink.next_message().await }
    });
    tokio::task::yield_now().await;
    send(&sink, &["a@x.example"]).await;
    assert_eq!(&waiting.await.unwrap().bytes[..], b"Hi.\r\n");
}
