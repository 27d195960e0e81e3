//! Replies, one by one, also when several were asked for at once.

use mailtrail_core::diagnosis::{EnhancedCode, ReplyCode};
use mailtrail_core::store::BoxError;
use smtp_proto::response::parser::ResponseReceiver;
use smtp_proto::{Error, Response};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::super::facts::Reply;

/// What has come and was not read yet. A reply is at most 4 KiB long.
#[derive(Debug, Default)]
pub(super) struct Reader {
    ahead: Vec<u8>,
}

impl Reader {
    /// The next reply.
    pub(super) async fn next<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
    ) -> Result<Reply, BoxError> {
        let mut parser = ResponseReceiver::default();
        let mut ahead = std::mem::take(&mut self.ahead);
        loop {
            let mut bytes = ahead.iter();
            match parser.parse(&mut bytes) {
                Ok(response) => {
                    self.ahead = bytes.as_slice().to_vec();
                    return reply(response);
                }
                Err(Error::NeedsMoreData { .. }) => {}
                Err(_) => return Err("the server's reply is none (RFC 5321 §4.2)".into()),
            }
            ahead.clear();
            ahead.reserve(CHUNK);
            if stream.read_buf(&mut ahead).await? == 0 {
                return Err("the server ended the connection".into());
            }
        }
    }

    /// Whether the server has said something that nobody asked for.
    pub(super) fn is_ahead(&self) -> bool {
        !self.ahead.is_empty()
    }
}

/// A reply of the parser's, as ours.
pub(in crate::send) fn reply(response: Response<String>) -> Result<Reply, BoxError> {
    let code = ReplyCode::new(response.code()).ok_or("the server's reply has no valid code")?;
    let [class, subject, detail] = response.esc;
    let enhanced = EnhancedCode::new(class, subject.into(), detail.into());
    Ok(Reply { code, enhanced, text: response.message })
}

const CHUNK: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(first: &[u8], rest: &[u8], count: usize) -> Vec<Result<(u16, String), String>> {
        let (mut stream, mut reader) = (first.chain(rest), Reader::default());
        let mut replies = Vec::new();
        for _ in 0..count {
            let reply = reader.next(&mut stream).await;
            replies
                .push(reply.map(|reply| (reply.code.get(), reply.text)).map_err(|e| e.to_string()));
        }
        replies
    }

    #[tokio::test]
    async fn however_they_are_cut_the_replies_are_the_same() {
        let all = b"250 2.1.0 one\r\n550-5.1.1 no\r\n550 5.1.1 such user\r\n354 go\r\n";
        let whole = read(all, b"", 3).await;
        assert_eq!(whole.iter().filter(|reply| reply.is_ok()).count(), 3, "{whole:?}");
        for cut in 1..all.len() {
            assert_eq!(read(&all[..cut], &all[cut..], 3).await, whole, "{cut}");
        }
    }

    #[tokio::test]
    async fn what_is_no_reply_is_an_error() {
        let endless = [b"250-".as_slice(), &[b'x'; 5000]].concat();
        for bytes in [b"hello\r\n".as_slice(), b"2", &endless] {
            assert!(read(bytes, b"", 1).await[0].is_err());
        }
    }
}
