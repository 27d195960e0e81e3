//! A submission server with TLS and logins, as small as its tests allow.

mod certificate;
mod dialogue;
mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use mailtrail_smtp::send::{Relay, Tls};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub(crate) use certificate::Authority;
use dialogue::{Dialogue, Next};
use wire::Wire;

pub(crate) const HOST: &str = "127.0.0.1";
pub(crate) const USER: &str = "office@school.example";
pub(crate) const PASSWORD: &str = "correct horse";

/// How the server encrypts.
#[derive(Clone)]
pub(crate) enum Encrypts {
    Never,
    AfterStartTls(TlsAcceptor),
    /// It offers STARTTLS, and then says what is no handshake.
    Breaks,
    /// It offers STARTTLS, and then says that it can't just now.
    NotNow,
    Always(TlsAcceptor),
}

/// What the server does; changed while it runs.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) encrypts: Encrypts,
    /// The mechanisms that it offers, `PLAIN LOGIN`.
    pub(crate) logins: &'static str,
    pub(crate) password: &'static str,
    /// The reply to credentials that are wrong.
    pub(crate) wrong: &'static str,
    /// The reply to a recipient.
    pub(crate) recipient: &'static str,
    /// Ends the connection after a message.
    pub(crate) hangs_up: bool,
    /// Ends the connection at this command, once it has taken a message on it.
    pub(crate) ends_at: &'static str,
    /// What it says then.
    pub(crate) last_words: &'static str,
}

impl Rules {
    pub(crate) fn new(encrypts: Encrypts) -> Self {
        Self {
            encrypts,
            logins: "",
            password: PASSWORD,
            wrong: "535 5.7.8 no such password for office@school.example",
            recipient: "250 2.1.5 fine",
            hangs_up: false,
            ends_at: "",
            last_words: "",
        }
    }

    /// It takes messages from those only who have logged in by one of these.
    pub(crate) fn logins(mut self, mechanisms: &'static str) -> Self {
        self.logins = mechanisms;
        self
    }
}

#[derive(Default)]
struct Heard {
    commands: Mutex<Vec<String>>,
    messages: Mutex<Vec<String>>,
    wire: Arc<Mutex<Vec<u8>>>,
}

pub(crate) struct Endpoint {
    addr: SocketAddr,
    rules: Arc<Mutex<Rules>>,
    heard: Arc<Heard>,
    _connections: JoinSet<()>,
}

impl Endpoint {
    pub(crate) async fn start(rules: Rules) -> Self {
        let listener = TcpListener::bind((HOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (rules, heard) = (Arc::new(Mutex::new(rules)), Arc::new(Heard::default()));
        let (now, ears) = (Arc::clone(&rules), Arc::clone(&heard));
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            // One client at a time: so what is heard is in order.
            while let Ok((stream, _)) = listener.accept().await {
                let rules = now.lock().unwrap().clone();
                serve(&rules, &ears, stream).await;
            }
        });
        Self { addr, rules, heard, _connections: connections }
    }

    pub(crate) fn port(&self) -> u16 {
        self.addr.port()
    }

    pub(crate) fn relay(&self, tls: Tls) -> Relay {
        Relay::new(HOST, self.addr.port()).tls(tls)
    }

    /// What it does from the next connection on.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.rules.lock().unwrap());
    }

    /// The commands, `+` before those that were encrypted and `-` before those in clear.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.heard.commands.lock().unwrap().clone()
    }

    pub(crate) fn messages(&self) -> Vec<String> {
        self.heard.messages.lock().unwrap().clone()
    }

    /// Whether the client wrote this text in clear.
    pub(crate) fn overhears(&self, text: &str) -> bool {
        let wire = self.heard.wire.lock().unwrap();
        wire.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

async fn serve(rules: &Rules, heard: &Heard, stream: TcpStream) {
    let wire = Wire::new(stream, Arc::clone(&heard.wire));
    if let Encrypts::Always(acceptor) = &rules.encrypts {
        if let Ok(stream) = acceptor.accept(wire).await {
            Dialogue::new(rules, heard, stream, true).run(true).await;
        }
        return;
    }
    let next = Dialogue::new(rules, heard, wire, false).run(true).await;
    if let (Next::Encrypt(wire), Encrypts::AfterStartTls(acceptor)) = (next, &rules.encrypts)
        && let Ok(stream) = acceptor.accept(wire).await
    {
        Dialogue::new(rules, heard, stream, true).run(false).await;
    }
}
