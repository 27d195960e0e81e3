//! What the server answers.

use data_encoding::BASE64;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

use super::{Encrypts, Heard, Rules, USER};

pub(super) struct Dialogue<'a, S> {
    rules: &'a Rules,
    heard: &'a Heard,
    stream: BufReader<S>,
    encrypted: bool,
    logged_in: bool,
    has_taken: bool,
}

pub(super) enum Next<S> {
    Encrypt(S),
    End,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Dialogue<'a, S> {
    pub(super) fn new(rules: &'a Rules, heard: &'a Heard, stream: S, encrypted: bool) -> Self {
        let stream = BufReader::new(stream);
        let logged_in = rules.logins.is_empty();
        Self { rules, heard, stream, encrypted, logged_in, has_taken: false }
    }

    pub(super) async fn run(mut self, greet: bool) -> Next<S> {
        if greet {
            self.say("220 mx.example ESMTP").await;
        }
        while let Some(line) = self.line().await {
            let sign = if self.encrypted { '+' } else { '-' };
            self.heard.commands.lock().unwrap().push(format!("{sign}{line}"));
            let verb = line.split_once([' ', ':']).map_or(line.as_str(), |(verb, _)| verb);
            if self.has_taken && verb == self.rules.ends_at {
                self.stream.write_all(self.rules.last_words.as_bytes()).await.ok();
                self.stream.flush().await.ok();
                return Next::End;
            }
            match verb {
                "EHLO" => self.capabilities().await,
                "STARTTLS" if matches!(self.rules.encrypts, Encrypts::NotNow) => {
                    self.say("454 4.7.0 TLS not available").await;
                }
                "STARTTLS" => {
                    self.say("220 2.0.0 go ahead").await;
                    return Next::Encrypt(self.stream.into_inner());
                }
                "AUTH" => self.log_in(&line).await,
                "MAIL" if !self.logged_in => self.say("530 5.7.0 log in first").await,
                "RCPT" => self.say(self.rules.recipient).await,
                "DATA" => {
                    self.take().await;
                    if self.rules.hangs_up {
                        return Next::End;
                    }
                }
                "QUIT" => {
                    self.say("221 2.0.0 bye").await;
                    return Next::End;
                }
                _ => self.say("250 2.0.0 fine").await,
            }
        }
        Next::End
    }

    async fn capabilities(&mut self) {
        let offers = matches!(
            self.rules.encrypts,
            Encrypts::AfterStartTls(_) | Encrypts::Breaks | Encrypts::NotNow
        );
        if !self.encrypted && offers {
            return self.say("250-mx.example\r\n250 STARTTLS").await;
        }
        match self.rules.logins {
            "" => self.say("250-mx.example\r\n250 8BITMIME").await,
            logins => self.say(&format!("250-mx.example\r\n250 AUTH {logins}")).await,
        }
    }

    async fn log_in(&mut self, line: &str) {
        let (user, password) = if let Some(response) = line.strip_prefix("AUTH PLAIN ") {
            let text = decode(response);
            let mut parts = text.split('\0').skip(1).map(String::from);
            (parts.next().unwrap(), parts.next().unwrap())
        } else {
            self.say(&format!("334 {}", BASE64.encode(b"Username:"))).await;
            let user = decode(&self.line().await.unwrap());
            self.say(&format!("334 {}", BASE64.encode(b"Password:"))).await;
            (user, decode(&self.line().await.unwrap()))
        };
        self.logged_in = user == USER && password == self.rules.password;
        self.say(if self.logged_in { "235 2.7.0 welcome" } else { self.rules.wrong }).await;
    }

    async fn take(&mut self) {
        self.say("354 go ahead").await;
        let mut message = String::new();
        while let Some(line) = self.line().await.filter(|line| line != ".") {
            message.push_str(&line);
            message.push('\n');
        }
        self.heard.messages.lock().unwrap().push(message);
        self.has_taken = true;
        self.say("250 2.0.0 queued as 1A").await;
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await.unwrap_or(0);
        (read > 0).then(|| line.trim_end().into())
    }

    /// A client that has gone hears nothing.
    async fn say(&mut self, reply: &str) {
        self.stream.write_all(format!("{reply}\r\n").as_bytes()).await.ok();
        self.stream.flush().await.ok();
    }
}

fn decode(response: &str) -> String {
    String::from_utf8(BASE64.decode(response.as_bytes()).unwrap()).unwrap()
}
