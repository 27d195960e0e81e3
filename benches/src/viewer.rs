//! Somebody who looks at a live page of a broadcast.

use std::net::SocketAddr;
use std::time::Instant;

use mailtrail_core::DeliveryId;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A stream of server-sent events, read as a browser reads it: what came last takes the place of what was there.
#[derive(Debug)]
pub struct Viewer {
    stream: BufReader<TcpStream>,
    line: Vec<u8>,
    fragment: String,
}

impl Viewer {
    /// Looks at this path.
    ///
    /// # Panics
    /// If there is nothing to see: a bench stops where it can't measure.
    pub async fn of(address: SocketAddr, path: &str, secret: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut viewer =
            Self { stream: BufReader::new(stream), line: Vec::new(), fragment: String::new() };
        assert!(viewer.line().await);
        assert_eq!(viewer.line, b"HTTP/1.1 200 OK");
        viewer
    }

    /// The next fragment of the page, and when it was there as a whole.
    ///
    /// # Panics
    /// If the stream has ended.
    pub async fn fragment(&mut self) -> (Instant, Shown<'_>) {
        self.fragment.clear();
        let mut is_fragment = false;
        while self.line().await {
            if self.line == b"event: fragment" {
                is_fragment = true;
            } else if let Some(data) = self.line.strip_prefix(b"data: ") {
                self.fragment.push_str(std::str::from_utf8(data).unwrap());
            } else if self.line.is_empty() && is_fragment {
                return (Instant::now(), Shown(&self.fragment));
            }
        }
        panic!("the stream has ended");
    }

    /// Reads a line, without its end.
    async fn line(&mut self) -> bool {
        self.line.clear();
        let length = self.stream.read_until(b'\n', &mut self.line).await.unwrap();
        while self.line.last().is_some_and(|last| b"\r\n".contains(last)) {
            self.line.pop();
        }
        length > 0
    }
}

/// What a viewer sees.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(&'a str);

impl<'a> Shown<'a> {
    /// The count of Delivered.
    ///
    /// # Panics
    /// If there is none.
    pub fn delivered(self) -> usize {
        let (_, rest) = self.0.split_once("<b data-status=\"delivered\">").unwrap();
        rest.split_once('<').unwrap().0.parse().unwrap()
    }

    /// The rows that are Delivered.
    pub fn delivered_rows(self) -> impl Iterator<Item = DeliveryId> + use<'a> {
        let rows = self.0.split("<tr id=\"row-").skip(1);
        let delivered = rows.filter(|row| row.contains("<td data-status=\"delivered\">"));
        delivered.filter_map(|row| row.split_once('"')?.0.parse().ok())
    }
}
