//! A folder that a server sees as the whole system, so that it may be of a package that conflicts with
//! another's, write where it always writes, and run as users that this system doesn't have. A copy for each
//! instance; stopped and removed when dropped. `cargo xtask test` makes the original, and says where it lies.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::postfix::NotStarted;

pub(crate) struct Cage {
    folder: PathBuf,
    server: Option<Child>,
}

impl Cage {
    /// A copy of the folder that this variable names.
    pub(crate) fn of(variable: &str) -> Result<Self, NotStarted> {
        let unavailable = |why: String| NotStarted::Unavailable(why);
        if std::env::var_os("MAILTRAIL_QUICK").is_some_and(|quick| quick == "1") {
            return Err(unavailable("no servers are started with --quick".into()));
        }
        let original = std::env::var_os(variable).map(PathBuf::from);
        let original = original.ok_or_else(|| unavailable(format!("{variable} is not set")))?;
        let cage = Self { folder: new_folder()?, server: None };
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(original.join(".")).arg(&cage.folder);
        successful(&copy.output()?)?;
        Ok(cage)
    }

    /// Writes a file, which only root may change.
    pub(crate) fn write(&self, path: &str, text: &str) -> Result<(), NotStarted> {
        let path = self.folder.join(path);
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder)?;
        Ok(fs::write(path, text)?)
    }

    /// Makes a folder of this mode for a user of the cage.
    pub(crate) fn folder(&self, path: &str, mode: u32, user: &str) -> Result<(), NotStarted> {
        let path = self.folder.join(path);
        let id = self.user(user)?;
        fs::create_dir_all(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        Ok(chown(&path, Some(id), Some(id))?)
    }

    /// Starts the server, whose process stays in the foreground; it listens when this returns.
    pub(crate) fn start(
        &mut self,
        program: &[&str],
        listens: SocketAddr,
    ) -> Result<(), NotStarted> {
        let said = fs::File::create(self.folder.join(SAID))?;
        let mut command = Command::new("chroot");
        command.arg(&self.folder).args(program).process_group(0).stdin(Stdio::null());
        command.stdout(said.try_clone()?).stderr(said);
        let server = self.server.insert(command.spawn()?);
        let until = Instant::now() + STARTS_WITHIN;
        loop {
            if TcpStream::connect(listens).is_ok() {
                return Ok(());
            }
            let has_ended = server.try_wait()?.is_some();
            if has_ended || Instant::now() > until {
                let said = fs::read_to_string(self.folder.join(SAID)).unwrap_or_default();
                return Err(NotStarted::Failed(format!("{program:?} doesn't listen: {said}")));
            }
            thread::sleep(PAUSE);
        }
    }

    /// A command to run in the cage as root with the group of this user.
    pub(crate) fn command(&self, user: &str) -> Result<Command, NotStarted> {
        let group = self.user(user)?;
        let mut command = Command::new("chroot");
        command.arg(format!("--userspec=0:{group}")).arg(&self.folder).stdin(Stdio::null());
        Ok(command)
    }

    /// What the server has said, or written to a file.
    pub(crate) fn log(&self, path: Option<&str>) -> String {
        let log = fs::read(self.folder.join(path.unwrap_or(SAID))).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    fn user(&self, name: &str) -> Result<u32, NotStarted> {
        let users = fs::read_to_string(self.folder.join("etc/passwd"))?;
        let line = users.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":x:"));
        let id = line.and_then(|line| line.split(':').next()?.parse().ok());
        id.ok_or_else(|| NotStarted::Failed(format!("the cage has no user {name}")))
    }
}

/// Stops at once, with all that the server has started.
impl Drop for Cage {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let group = format!("kill -s TERM -- -{0}", server.id());
            drop(Command::new("sh").args(["-c", &group]).output());
            drop(server.wait());
        }
        // The last of its processes may still write into the folder.
        for _ in 0..END_TRIES {
            match fs::remove_dir_all(&self.folder) {
                Err(error) if error.kind() != ErrorKind::NotFound => thread::sleep(PAUSE),
                _ => return,
            }
        }
    }
}

/// A free port of an address that is this process's own, so that nobody else takes it meanwhile.
pub(crate) fn free_addr() -> Result<SocketAddr, NotStarted> {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let ip = Ipv4Addr::new(127, 64 | (high & 63), middle, low);
    Ok(TcpListener::bind((ip, 0))?.local_addr()?)
}

fn successful(output: &Output) -> Result<(), NotStarted> {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(NotStarted::Failed(said)) }
}

impl From<io::Error> for NotStarted {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

fn new_folder() -> io::Result<PathBuf> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("mailtrail-cage-{}-{number}", std::process::id());
        let folder: PathBuf = Path::new(&std::env::temp_dir()).join(name);
        // Servers run as other users, who must get through.
        match fs::DirBuilder::new().mode(0o755).create(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return made.map(|()| folder),
        }
    }
}

const SAID: &str = "said";
const STARTS_WITHIN: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(25);
const END_TRIES: u32 = 400;
