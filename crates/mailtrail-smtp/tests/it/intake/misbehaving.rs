//! Clients of ill will or of ill health, over TCP: each loses its own session and nobody else's.

use std::sync::Arc;
use std::time::Duration;

use mailtrail_smtp::intake::SmtpIntake;
use mailtrail_smtp::server::{Limits, Protocol, Running};
use tokio::io::AsyncWriteExt;
use tokio::time::{interval, timeout};

use super::{Client, Place, forged, listen, report, return_path};

const SOON: Duration = Duration::from_millis(300);

async fn serve(place: &Place, change: impl FnOnce(&mut Limits)) -> Running {
    let mut limits = SmtpIntake::limits();
    change(&mut limits);
    listen(Protocol::Smtp, SmtpIntake::new(Arc::clone(&place.intake)), limits).await
}

/// Writes a byte again and again until the server has had enough: what it says then.
async fn drip(mut client: Client, bytes: &[u8]) -> String {
    let (mut tick, mut bytes) = (interval(SOON / 30), bytes.iter().cycle());
    let ended = async {
        loop {
            tokio::select! {
                said = client.rest() => return said,
                _ = tick.tick() => {}
            }
            // It may have hung up between the two.
            client.0.get_mut().write_all(&[*bytes.next().unwrap()]).await.ok();
        }
    };
    timeout(SOON * 30, ended).await.expect("it is cut off")
}

/// Somebody else is served.
async fn is_well(server: &Running, place: &Place) {
    let mut client = Client::connect(server).await;
    client.begin_data("EHLO mx.example", &return_path(1)).await;
    client.write(&report(1)).await;
    assert_eq!(client.say(".").await, "250 2.0.0 ok");
    assert_eq!(client.say("QUIT").await, "221 2.0.0 goodbye");
    assert_eq!(place.types().await, ["bounced"]);
}

#[tokio::test]
async fn a_command_that_drips_is_cut_off() {
    let place = Place::new();
    let server = serve(&place, |limits| limits.command_timeout = SOON).await;
    let said = drip(Client::connect(&server).await, b"EHLO").await;
    assert!(said.ends_with("421 4.4.2 that took too long\r\n"), "{said}");
    assert_eq!(server.connections().too_slow, 1);
    is_well(&server, &place).await;
}

#[tokio::test]
async fn a_message_that_drips_is_cut_off_by_its_rate_and_one_at_full_speed_by_its_time() {
    let place = Place::new();
    let slow = serve(&place, |limits| (limits.least_data_rate, limits.data_grace) = (10_000, SOON));
    let slow = slow.await;
    let mut client = Client::connect(&slow).await;
    client.begin_data("EHLO x", &return_path(1)).await;
    let said = drip(client, b"Subject: x\r\n").await;
    assert_eq!(said, "421 4.4.2 that took too long\r\n");
    is_well(&slow, &place).await;

    let endless = serve(&place, |limits| limits.data_timeout = SOON).await;
    let mut client = Client::connect(&endless).await;
    client.begin_data("EHLO x", &return_path(1)).await;
    let (mut reader, mut writer) = client.0.into_inner().into_split();
    let writing = tokio::spawn(async move {
        let lines = b"never a dot\r\n".repeat(1000);
        while writer.write_all(&lines).await.is_ok() {}
    });
    let mut said = Vec::new();
    // A reset may come in place of the last words when so much is on its way.
    tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut said).await.ok();
    timeout(SOON * 30, writing).await.unwrap().unwrap();
    assert_eq!(endless.connections().too_slow, 1);
    assert_eq!(place.types().await, ["bounced"], "of what was cut off nothing is recorded");
}

#[tokio::test]
async fn a_message_over_the_announced_size_is_refused_and_the_session_goes_on() {
    let place = Place::new();
    let server = serve(&place, |limits| limits.message_bytes = 10_000).await;
    let mut client = Client::connect(&server).await;
    client.hear().await;
    client.write(b"EHLO x\r\n").await;
    let mut offers = String::new();
    while !offers.contains("250 ") {
        tokio::io::AsyncBufReadExt::read_line(&mut client.0, &mut offers).await.unwrap();
    }
    assert!(offers.contains("250-SIZE 10000\r\n"), "{offers}");
    assert!(client.say("MAIL FROM:<> SIZE=10001").await.starts_with("552"));
    assert_eq!(client.say("MAIL FROM:<> SIZE=1").await, "250 2.1.0 sender taken");
    client.say(&format!("RCPT TO:<{}>", return_path(1))).await;
    client.say("DATA").await;
    // Whatever it announced, what comes is counted.
    client.write(&b"0123456789".repeat(100_000)).await;
    assert_eq!(client.say("\r\n.").await, "552 5.3.4 message too large");
    assert_eq!(client.say("NOOP").await, "250 2.0.0 ok");
    is_well(&server, &place).await;
}

#[tokio::test]
async fn a_line_without_end_is_cut_off() {
    let place = Place::new();
    let server = serve(&place, |_| {}).await;
    let mut client = Client::connect(&server).await;
    client.write(&b"x".repeat(100_000)).await;
    let said = client.rest().await;
    assert!(said.ends_with("500 5.5.2 line too long\r\n"), "{said}");
    assert_eq!(server.connections().cut_off, 1);
}

#[tokio::test]
async fn one_peer_has_so_many_connections_and_all_have_so_many() {
    let place = Place::new();
    let few = serve(&place, |limits| limits.connections_per_peer = 2).await;
    let mut held = [Client::connect(&few).await, Client::connect(&few).await];
    for client in &mut held {
        assert!(client.hear().await.starts_with("220"));
    }
    let refused = "421 4.7.0 too many connections of yours, come again";
    assert_eq!(Client::connect(&few).await.hear().await, refused);
    assert_eq!(few.connections().too_many_of_peer, 1);
    // A place is free when the client has gone.
    let [mut first, _second] = held;
    assert_eq!(first.say("QUIT").await, "221 2.0.0 goodbye");
    assert_eq!(first.rest().await, "");
    drop(first);
    let again = async {
        while !Client::connect(&few).await.hear().await.starts_with("220") {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON * 30, again).await.unwrap();

    let full = serve(&place, |limits| limits.connections = 1).await;
    let mut held = Client::connect(&full).await;
    held.hear().await;
    let refused = "421 4.3.2 too many clients, come again";
    assert_eq!(Client::connect(&full).await.hear().await, refused);
    assert_eq!((full.connections().served, full.connections().too_many), (1, 1));
}

#[tokio::test]
async fn a_client_that_is_gone_without_a_word_gives_its_place_back() {
    let place = Place::new();
    let server = serve(&place, |limits| {
        (limits.connections, limits.command_timeout) = (1, SOON);
    });
    let server = server.await;
    for say_before in ["", "EHLO x\r\nMAIL FROM:<>\r\n"] {
        let mut silent = Client::connect(&server).await;
        silent.write(say_before.as_bytes()).await;
        let said = timeout(SOON * 30, silent.rest()).await.expect("it is not waited for");
        assert!(said.ends_with("421 4.4.2 that took too long\r\n"), "{said}");
    }
    // Gone in the middle of a message: that is none.
    let mut gone = Client::connect(&server).await;
    gone.begin_data("EHLO x", &return_path(2)).await;
    gone.write(&report(2)).await;
    drop(gone);
    let free = async {
        while server.connections().served < 4 {
            Client::connect(&server).await.hear().await;
        }
    };
    timeout(SOON * 30, free).await.unwrap();
    assert!(place.types().await.is_empty());
}

#[tokio::test]
async fn who_keeps_busy_without_a_message_has_so_much_time() {
    let place = Place::new();
    let server = serve(&place, |limits| limits.session_timeout = SOON).await;
    let mut client = Client::connect(&server).await;
    client.hear().await;
    client.say("EHLO x").await;
    let busy = async {
        loop {
            for line in ["MAIL FROM:<>", "RSET"] {
                let reply = client.say(line).await;
                if reply.starts_with('4') {
                    return reply;
                }
            }
        }
    };
    let reply = timeout(SOON * 30, busy).await.unwrap();
    assert_eq!(reply, "421 4.4.2 that took too long");
}

#[tokio::test]
async fn who_guesses_recipients_is_sent_away() {
    let place = Place::new();
    let server = serve(&place, |limits| limits.refused_recipients = 3).await;
    let mut client = Client::connect(&server).await;
    client.hear().await;
    client.say("EHLO x").await;
    client.say("MAIL FROM:<>").await;
    for _ in 0..4 {
        assert!(client.say(&format!("RCPT TO:<{}>", forged())).await.starts_with("550 5.7.1"));
    }
    assert_eq!(client.hear().await, "421 4.7.0 too many recipients that are not here");
    assert_eq!(client.rest().await, "");
    assert_eq!(server.connections().cut_off, 1);
    assert_eq!(place.intake.counts().refused_recipients["forged"], 4);
}

/// Replies are no more than fits on their way; then the server waits, as long as for a command.
#[tokio::test]
async fn who_pipelines_and_never_reads_is_cut_off() {
    let place = Place::new();
    let server = serve(&place, |limits| limits.command_timeout = SOON).await;
    let client = Client::connect(&server).await;
    let (_unread, mut writer) = client.0.into_inner().into_split();
    let ended = async {
        writer.write_all(b"EHLO x\r\n").await.ok();
        let commands = b"MAIL FROM:<>\r\nRSET\r\n".repeat(1000);
        while writer.write_all(&commands).await.is_ok() {}
    };
    timeout(SOON * 60, ended).await.expect("it is cut off");
    is_well(&server, &place).await;
}
