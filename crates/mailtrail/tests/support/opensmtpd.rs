//! An OpenSMTPD of our own, in a cage. `MAILTRAIL_OPENSMTPD` names the folder of its unpacked package.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::cage::{Cage, free_addr};
use super::postfix::NotStarted;
use super::relay::RelayConfig;

pub(crate) struct OpenSmtpd {
    /// Tells the one who hurries it that it stops.
    stop: Option<mpsc::Sender<()>>,
    hurries: Option<JoinHandle<()>>,
    cage: Cage,
    smtp_addr: SocketAddr,
}

impl OpenSmtpd {
    pub(crate) fn start(config: &RelayConfig) -> Result<Self, NotStarted> {
        let mut cage = Cage::of("MAILTRAIL_OPENSMTPD")?;
        let smtp_addr = free_addr()?;
        cage.folder("var/spool/smtpd", 0o711, "root")?;
        cage.folder("var/lib/opensmtpd/empty", 0o755, "root")?;
        cage.folder("run", 0o755, "root")?;
        cage.folder("var/run", 0o755, "root")?;
        cage.write("etc/mailname", "mail.relay.example\n")?;
        cage.write("etc/hosts", "127.0.0.1 localhost\n")?;
        cage.write("etc/aliases", "")?;
        cage.write("etc/smtpd.conf", &conf(config, smtp_addr))?;
        cage.start(&["/usr/sbin/smtpd", "-d"], smtp_addr)?;
        let (stop, stopped) = mpsc::channel();
        let hurries = hurry(&cage, stopped)?;
        Ok(Self { stop: Some(stop), hurries: Some(hurries), cage, smtp_addr })
    }

    pub(crate) fn smtp_addr(&self) -> SocketAddr {
        self.smtp_addr
    }

    /// Its log as rsyslog has it: what it says in the foreground lacks time, host and program, and
    /// replies of several lines take several lines.
    pub(crate) fn log(&self) -> String {
        let mut log = String::new();
        for line in self.cage.log(None).lines() {
            let follows = line.get(..3).is_some_and(|code| code.parse::<u16>().is_ok())
                && matches!(line.get(3..4), Some(" " | "-"));
            log += if follows { "#012" } else { "\nNov 27 12:00:00 relay smtpd[77]: " };
            log += line;
        }
        log + "\n"
    }
}

impl Drop for OpenSmtpd {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(hurries) = self.hurries.take() {
            drop(hurries.join());
        }
    }
}

/// Its second attempt comes after 400 seconds, its third after 1600, and no setting changes that.
fn hurry(cage: &Cage, stopped: mpsc::Receiver<()>) -> Result<JoinHandle<()>, NotStarted> {
    let mut command = cage.command("opensmtpq")?;
    command.args(["/usr/sbin/smtpctl", "schedule", "all"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Ok(thread::spawn(move || {
        while stopped.recv_timeout(EACH) == Err(RecvTimeoutError::Timeout) {
            drop(command.status());
        }
    }))
}

/// No DNS, no TLS, and no pauses between connections to one host.
fn conf(config: &RelayConfig, smtp_addr: SocketAddr) -> String {
    let (lifetime, warns) = (config.lifetime.as_secs(), config.warns_after.as_secs());
    let (bounces, lmtp) = (&config.return_path_domain, config.lmtp);
    let (ip, port) = (smtp_addr.ip(), smtp_addr.port());
    let mut conf = format!(
        "queue ttl {lifetime}s
bounce warn-interval {warns}s
mta limit conn-delay-route 0
mta limit reconn-delay-route 0
mta limit max-conn-per-source 200
mta limit max-conn-per-connector 50
mta limit max-conn-per-relay 50
mta limit max-conn-per-route 50
mta limit max-conn-per-host 50
mta limit session-keepalive 0
listen on {ip} port {port} hostname mail.relay.example
action bounces relay host lmtp://{lmtp}
match from any for domain {bounces} action bounces
"
    );
    for (number, (domain, to)) in config.routes.iter().enumerate() {
        writeln!(
            conf,
            "action to{number} relay host smtp+notls://{to}\n\
             match from any for domain {domain} action to{number}"
        )
        .unwrap();
    }
    conf
}

const EACH: Duration = Duration::from_secs(1);
