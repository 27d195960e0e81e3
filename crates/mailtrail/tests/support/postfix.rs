//! A Postfix of our own: other folders and ports than the system's, stopped and removed when dropped.
//!
//! It relays the domains that it is told to where it is told to, and hands what comes back for the
//! return path's domain to an LMTP listener. No mail leaves the machine. `MAILTRAIL_POSTFIX` names the
//! `postfix` command to use; else it is looked for on the `PATH` and in `/usr/sbin`.
//!
//! ```no_run
//! let mut config = PostfixConfig::new("bounces.school.example", lmtp.local_addr());
//! config.relay("school.example", sink.addr());
//! let postfix = match Postfix::start(&config) {
//!     Ok(postfix) => postfix,
//!     Err(NotStarted::Unavailable(why)) => return skip(why),
//!     Err(NotStarted::Failed(why)) => panic!("{why}"),
//! };
//! send(postfix.smtp_addr());
//! ```

use std::fmt::{self, Display};
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What an instance is to do.
pub(crate) struct PostfixConfig {
    relay: Vec<(String, String)>,
    return_path_domain: String,
    lmtp: SocketAddr,
    /// How long it tries before it gives up and reports failure, in whole seconds.
    pub(crate) queue_lifetime: Duration,
    /// Further lines of `main.cf`, such as `delay_warning_time = 2s`.
    pub(crate) settings: Vec<String>,
}

impl PostfixConfig {
    /// Relays nothing yet; gives up after 20 seconds.
    pub(crate) fn new(return_path_domain: &str, lmtp: SocketAddr) -> Self {
        Self {
            relay: Vec::new(),
            return_path_domain: return_path_domain.to_owned(),
            lmtp,
            queue_lifetime: Duration::from_secs(20),
            settings: Vec::new(),
        }
    }

    /// Mail for this domain goes to `HOST:PORT`: a sink's, or a dead one.
    pub(crate) fn relay(&mut self, domain: &str, next_hop: impl Display) {
        self.relay.push((domain.to_owned(), next_hop.to_string()));
    }

    fn main_cf(&self, folder: &Path) -> String {
        let folder = folder.display();
        let seconds = self.queue_lifetime.as_secs();
        let routes: String =
            self.relay.iter().map(|(domain, next_hop)| route(domain, next_hop)).collect();
        let (lmtp, bounces) = (self.lmtp, &self.return_path_domain);
        let settings = self.settings.join("\n");
        format!(
            "{MAIN_CF}\n\
            queue_directory = {folder}/queue\n\
            data_directory = {folder}/data\n\
            maillog_file_prefixes = {folder}\n\
            maillog_file = {folder}/mail.log\n\
            transport_maps = inline:{{ {routes}{{ {bounces} = lmtp:inet:{lmtp} }} }}\n\
            maximal_queue_lifetime = {seconds}s\n\
            bounce_queue_lifetime = {seconds}s\n\
            {settings}\n"
        )
    }
}

/// A running instance.
pub(crate) struct Postfix {
    command: PathBuf,
    folder: PathBuf,
    smtp_addr: SocketAddr,
}

/// Why there is no instance.
#[derive(Debug)]
pub(crate) enum NotStarted {
    /// There is none to start here: a reason to skip a test.
    Unavailable(String),
    /// There is, but it doesn't start: a reason to fail.
    Failed(String),
}

impl Postfix {
    /// Starts an instance; it listens when this returns.
    pub(crate) fn start(config: &PostfixConfig) -> Result<Self, NotStarted> {
        let command = command()?;
        let mut failed = String::new();
        for _ in 0..PORT_TRIES {
            let instance = Self::prepare(config, &command).map_err(|error| {
                NotStarted::Failed(format!("can't write the instance's folder: {error}"))
            })?;
            match instance.control("start") {
                Ok(output) if output.status.success() => return Ok(instance),
                Ok(output) => failed = instance.failure(&output),
                Err(error) => failed = format!("{}: {error}", command.display()),
            }
            // Another process may have taken the port since it was chosen.
            if !failed.contains("Address already in use") {
                break;
            }
        }
        Err(NotStarted::Failed(failed))
    }

    /// Where it takes mail.
    pub(crate) fn smtp_addr(&self) -> SocketAddr {
        self.smtp_addr
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("mail.log")).unwrap_or_default()
    }

    fn prepare(config: &PostfixConfig, command: &Path) -> io::Result<Self> {
        let smtp_addr = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let folder = new_folder()?;
        // From here on, dropping it removes the folder.
        let instance = Self { command: command.to_owned(), folder, smtp_addr };
        let folder = &instance.folder;
        folder_for_all(&folder.join("queue"))?;
        // Beside the queue: whatever lies below the configuration should be root's.
        folder_for_all(&folder.join("etc"))?;
        fs::write(folder.join("etc/main.cf"), config.main_cf(folder))?;
        fs::write(
            folder.join("etc/master.cf"),
            format!("{smtp_addr} inet n - n - - smtpd\n{MASTER_CF}"),
        )?;
        Ok(instance)
    }

    fn control(&self, word: &str) -> io::Result<Output> {
        let mut command = Command::new(&self.command);
        command.arg("-c").arg(self.folder.join("etc")).arg(word);
        // Daemons inherit what we give them: pipes would stay open as long as they run.
        let said = fs::File::create(self.folder.join("said"))?;
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
        command.output()
    }

    fn failure(&self, output: &Output) -> String {
        let said = fs::read_to_string(self.folder.join("said")).unwrap_or_default();
        format!("postfix start: {}\n{said}{}", output.status, self.log())
    }
}

/// Stops at once and leaves nothing.
impl Drop for Postfix {
    fn drop(&mut self) {
        let master = fs::read_to_string(self.folder.join("queue/pid/master.pid"));
        // Nothing more can be done about an error here.
        drop(self.control("abort"));
        let pid = master.unwrap_or_default();
        // `abort` returns before the last process has ended, which may still write into the folder.
        for _ in 0..END_TRIES {
            if has_ended(pid.trim()) && fs::remove_dir_all(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(END_PAUSE);
        }
    }
}

impl Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}

fn route(domain: &str, next_hop: &str) -> String {
    let (host, port) = next_hop.rsplit_once(':').unwrap_or((next_hop, "25"));
    format!("{{ {domain} = smtp:[{host}]:{port} }} ")
}

/// The `postfix` command, if an instance may be started.
fn command() -> Result<PathBuf, NotStarted> {
    let unavailable = |why: &str| Err(NotStarted::Unavailable(why.to_owned()));
    if std::env::var_os("MAILTRAIL_QUICK").is_some_and(|quick| quick == "1") {
        return unavailable("no servers are started with --quick");
    }
    let given = std::env::var_os("MAILTRAIL_POSTFIX").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = given.or_else(|| places.find_map(|place| is_file(place.join("postfix"))));
    let Some(command) = found else {
        return unavailable("no postfix here");
    };
    if fs::metadata("/proc/self").map_or(true, |process| process.uid() != 0) {
        return unavailable("a Postfix instance starts as root only");
    }
    Ok(command)
}

fn is_file(path: PathBuf) -> Option<PathBuf> {
    path.is_file().then_some(path)
}

fn new_folder() -> io::Result<PathBuf> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("mailtrail-postfix-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        match folder_for_all(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| folder),
        }
    }
}

/// Postfix's daemons run as another user, who must get through.
fn folder_for_all(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o755).create(folder)
}

/// A process that has ended has no command line, even while nobody has asked for its end.
fn has_ended(pid: &str) -> bool {
    pid.is_empty() || fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default().is_empty()
}

const PORT_TRIES: u32 = 5;
const END_TRIES: u32 = 200;
const END_PAUSE: Duration = Duration::from_millis(25);

/// One recipient a transaction, so that a script's reply to a message is one recipient's; no DNS, no
/// TLS; what has no route of its own goes nowhere. Success is reported by this Postfix itself: to a
/// next hop that offers DSN it would leave that, and a sink writes no reports.
const MAIN_CF: &str = "\
compatibility_level = 3.6
myhostname = mail.relay.example
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
lmtp_dns_support_level = disabled
lmtp_host_lookup = native
smtp_tls_security_level = none
smtpd_tls_security_level = none
default_transport = error:5.4.4 no route
smtp_discard_ehlo_keywords = dsn
lmtp_discard_lhlo_keywords = dsn
smtp_destination_recipient_limit = 1
lmtp_destination_recipient_limit = 1
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
transport_retry_time = 1s
smtp_connect_timeout = 5s
in_flow_delay = 0s
notify_classes =
biff = no";

const MASTER_CF: &str = "\
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
virtual unix - n n - - virtual
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
";
