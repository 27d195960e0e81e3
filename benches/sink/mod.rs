//! The recipients' side, in a process of its own, so that its work is nobody's here.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use async_trait::async_trait;
use bytes::Bytes;
use mailtrail::smtp::server::{Answer, Envelope, Handler, Protocol, Recipient, Reply, Server};

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

/// Listens until standard input ends.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let server = Server::new(Protocol::Smtp, Takes).bind(([0, 0, 0, 0], 0).into()).await.unwrap();
        println!("{}", server.local_addr().port());
        tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await.ok();
    });
}
