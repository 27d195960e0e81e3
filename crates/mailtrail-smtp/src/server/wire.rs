//! A connection with its two buffers.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::reply::Reply;

#[derive(Debug)]
pub(super) struct Wire<S> {
    stream: S,
    input: Box<[u8; INPUT_BYTES]>,
    start: usize,
    end: usize,
    output: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, input: Box::new([0; INPUT_BYTES]), start: 0, end: 0, output: Vec::new() }
    }

    /// What has come and isn't used yet.
    pub(super) fn buffered(&self) -> &[u8] {
        self.input.get(self.start..self.end).unwrap_or_default()
    }

    pub(super) fn consume(&mut self, bytes: usize) {
        self.start = self.start.saturating_add(bytes).min(self.end);
    }

    /// Waits for more; `false` at the end. Only after everything buffered is used.
    pub(super) async fn fill(&mut self) -> io::Result<bool> {
        self.start = 0;
        self.end = 0;
        self.end = self.stream.read(&mut self.input[..]).await?;
        Ok(self.end > 0)
    }

    /// Queues a reply: pipelined commands are answered together (RFC 2920 §3.2).
    pub(super) fn reply(&mut self, reply: &Reply) {
        reply.write(&mut self.output);
    }

    /// Whether queued replies should go out although more commands are there.
    pub(super) fn is_full(&self) -> bool {
        self.output.len() >= INPUT_BYTES
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.output).await?;
        self.output.clear();
        self.stream.flush().await
    }

    /// Reads to the end, or so many bytes, and throws it away.
    pub(super) async fn drain(&mut self, most: usize) -> io::Result<()> {
        let mut bytes: usize = 0;
        while bytes < most && self.fill().await? {
            bytes = bytes.saturating_add(self.end);
        }
        Ok(())
    }

    pub(super) async fn close(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.stream.shutdown().await
    }
}

const INPUT_BYTES: usize = 8 * 1024;
