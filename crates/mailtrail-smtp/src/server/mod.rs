//! The server's side of SMTP (RFC 5321) and LMTP (RFC 2033): small, strict and total.
//!
//! It takes mail and hands it to a [`Handler`]; it relays nothing, stores nothing and judges nothing.
//! TLS and AUTH are left to the mail server in front: bind it to a loopback or private address.
//!
//! ```text
//!  client ──▶ lines ──▶ Command ──▶ Session ──▶ Handler::recipient ──▶ Reply
//!                  └──▶ dots undone ───────────▶ Handler::message ───▶ Answer: one Reply, or one each
//! ```
//!
//! # Guarantees
//! - **No early yes**: a positive reply to a message goes out only after [`Handler::message`] has
//!   returned it. A client that leaves earlier doesn't cancel the handler.
//! - **One end of data**: only CR LF `.` CR LF ends a message. A bare CR or LF stays in the message
//!   as it is and neither ends it nor makes a dot special, so that no second message can be smuggled
//!   in. A command that ends in a bare LF is refused.
//! - **Bounded**: every byte stream gives replies or a closed connection; what a session keeps in
//!   memory is at most what [`Limits`] says. A client may be slow, silent, endless or gone: it gets a
//!   last 421, and its place is free again.
//!
//! `smtp-proto` reads the same grammar, but refuses `ORCPT=utf-8;…` (RFC 6533), takes a bare LF as a
//! line's end and misses the dot on a message's first line; hence the parser here.
//!
//! # Example
//! ```
//! use mailtrail_smtp::server::{Answer, Envelope, Handler, Protocol, Recipient, Reply, Server};
//! use bytes::Bytes;
//!
//! /// Takes what is for one mailbox.
//! struct Postbox;
//!
//! #[async_trait::async_trait]
//! impl Handler for Postbox {
//!     async fn recipient(&self, _: &Envelope, recipient: &Recipient) -> Reply {
//!         if recipient.address.starts_with("b+") { Reply::OK } else { Reply::NO_SUCH_USER }
//!     }
//!
//!     async fn message(&self, envelope: Envelope, message: Bytes) -> Answer {
//!         assert_eq!(envelope.recipients.len(), 1);
//!         assert_eq!(&message[..], b"Subject: returned\r\n\r\nSorry.\r\n");
//!         Answer::All(Reply::OK)          // stored by now
//!     }
//! }
//!
//! # use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let server = Server::new(Protocol::Lmtp, Postbox).bind(([127, 0, 0, 1], 0).into()).await?;
//!
//! let mut client = tokio::net::TcpStream::connect(server.local_addr()).await?;
//! client.write_all(b"LHLO mx.example\r\nMAIL FROM:<>\r\nRCPT TO:<b+1@bounces.example>\r\n\
//!     RCPT TO:<other@bounces.example>\r\nDATA\r\n\
//!     Subject: returned\r\n\r\nSorry.\r\n.\r\nQUIT\r\n").await?;
//! let mut replies = String::new();
//! client.read_to_string(&mut replies).await?;
//! let ends: Vec<&str> = replies.lines().skip(8).collect();
//! assert_eq!(ends, [
//!     "250 2.1.0 sender taken",
//!     "250 2.0.0 ok",
//!     "550 5.1.1 no such user here",
//!     "354 end with a dot on a line of its own",
//!     "250 2.0.0 ok",
//!     "221 2.0.0 goodbye",
//! ]);
//! server.stop().await;
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod address;
mod command;
mod data;
mod envelope;
mod handler;
mod limits;
mod line;
mod listener;
mod peers;
mod reply;
mod session;
mod tally;
mod wire;
mod xtext;

pub use envelope::{Body, Envelope, Notify, OriginalRecipient, Protocol, Recipient, Return};
pub use handler::{Answer, Handler};
pub use limits::Limits;
pub use listener::{BindError, Running, Server};
pub use reply::{Reply, ReplyError};
pub use tally::Connections;
