//! What hosts say later about a message that they have taken.

use std::net::SocketAddr;

use mailtrail::smtp::sink::Taken;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Report {
    /// By RFC 3464: action, status and diagnostic text.
    Dsn(&'static str, &'static str, &'static str),
    /// In words for people only.
    Words(&'static str),
}

impl Report {
    /// Sends it to the return path, by the server that takes its mail.
    pub(crate) async fn send(self, relay: SocketAddr, taken: &Taken) {
        let mail = self.mail(taken).replace('\n', "\r\n");
        let to = &taken.mail_from;
        let mut stream = BufReader::new(TcpStream::connect(relay).await.unwrap());
        reply(&mut stream, '2').await;
        for (command, class) in [
            ("EHLO mx.example".to_owned(), '2'),
            ("MAIL FROM:<>".to_owned(), '2'),
            (format!("RCPT TO:<{to}>"), '2'),
            ("DATA".to_owned(), '3'),
            (format!("{mail}\r\n."), '2'),
            ("QUIT".to_owned(), '2'),
        ] {
            stream.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
            reply(&mut stream, class).await;
        }
    }

    fn mail(self, taken: &Taken) -> String {
        let recipient = taken.recipients.first().unwrap();
        let (host, id) = (recipient.replace('@', "."), self.name());
        let head = format!(
            "From: Mail Delivery Subsystem <mailer-daemon@mx.example>\nTo: <{}>\n\
             Message-ID: <{id}.{host}@mx.example>\nDate: Fri, 27 Nov 2026 12:00:00 +0000\n\
             Auto-Submitted: auto-replied\nMIME-Version: 1.0\n",
            taken.mail_from
        );
        match self {
            Self::Words(words) => format!(
                "Subject: Undelivered mail\n{head}Content-Type: text/plain; charset=utf-8\n\n\
                 Your message could not be delivered to\n\n<{recipient}>: {words}\n"
            ),
            Self::Dsn(action, status, said) => {
                let bytes = String::from_utf8_lossy(&taken.bytes).replace('\r', "");
                let header = bytes.split("\n\n").next().unwrap_or_default();
                let envid = taken.envid.as_deref();
                let envid = envid.map(|envid| format!("Original-Envelope-Id: {envid}\n"));
                format!(
                    "Subject: Delivery status\n{head}Content-Type: multipart/report; \
                     report-type=delivery-status; boundary=\"part\"\n\n\
                     --part\nContent-Type: text/plain\n\nAbout your message to {recipient}.\n\n\
                     --part\nContent-Type: message/delivery-status\n\n\
                     Reporting-MTA: dns; mx.example\n{}\n\
                     Final-Recipient: rfc822; {recipient}\nAction: {action}\nStatus: {status}\n\
                     Diagnostic-Code: smtp; {said}\n\n\
                     --part\nContent-Type: text/rfc822-headers\n\n{header}\n\n--part--\n",
                    envid.unwrap_or_default()
                )
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Dsn(action, ..) => action,
            Self::Words(_) => "words",
        }
    }
}

/// The last line of a reply, which must be of this class.
async fn reply(stream: &mut BufReader<TcpStream>, class: char) {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        assert!(line.starts_with(class), "{line}");
        if line.get(3..4) != Some("-") {
            return;
        }
    }
}
