//! The recipients' side, in a process of its own, so that its work is nobody's here.

use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mailtrail::smtp::server::{
    Answer, Envelope, Handler, Limits, Protocol, Recipient, Reply, Server,
};

/// A running sink.
pub(crate) struct Sink {
    child: Child,
    pub(crate) port: u16,
}

impl Sink {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("sink")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().unwrap() }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

struct Takes;

#[async_trait]
impl Handler for Takes {
    async fn recipient(&self, _: &Envelope, _: &Recipient) -> Reply {
        Reply::OK
    }

    async fn message(&self, _: Envelope, _: Bytes) -> Answer {
        Answer::All(Reply::OK)
    }
}

/// A host of a domain that is well.
pub(crate) const HEALTHY: [u8; 4] = [127, 0, 0, 1];
/// Each reply takes two seconds.
pub(crate) const SLOW: [u8; 4] = [127, 0, 0, 2];
/// It takes connections, and says nothing.
pub(crate) const MUTE: [u8; 4] = [127, 0, 0, 3];
/// Nobody listens.
pub(crate) const DEAD: [u8; 4] = [127, 0, 0, 4];

struct Slow;

#[async_trait]
impl Handler for Slow {
    async fn recipient(&self, _: &Envelope, _: &Recipient) -> Reply {
        tokio::time::sleep(Duration::from_secs(2)).await;
        Reply::OK
    }

    async fn message(&self, _: Envelope, _: Bytes) -> Answer {
        tokio::time::sleep(Duration::from_secs(2)).await;
        Answer::All(Reply::OK)
    }
}

/// Listens until standard input ends.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        // It plays a thousand hosts.
        let mut limits = Limits::default();
        limits.connections = 10_000;
        let healthy = Server::new(Protocol::Smtp, Takes)
            .limits(limits.clone())
            .bind((HEALTHY, 0).into())
            .await
            .unwrap();
        let port = healthy.local_addr().port();
        let _slow = Server::new(Protocol::Smtp, Slow)
            .limits(limits)
            .bind((SLOW, port).into())
            .await
            .unwrap();
        let mute = tokio::net::TcpListener::bind((IpAddr::from(MUTE), port)).await.unwrap();
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok(accepted) = mute.accept().await {
                open.push(accepted);
            }
        });
        println!("{port}");
        tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await.ok();
    });
}
