//! Messages as lines: to a file, or to whatever can be written to.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use mailtrail_webhook::outbound::{Answer, Failed, Message};

use super::poster::Poster;

/// Writes each message as a line of JSON: its `id`, and what would be posted.
///
/// # Guarantees
/// Of a [file](Self::file): a message is synced before it counts as taken, many with one sync. What a crash left of a
/// line is cut off, as its message comes again.
///
/// # Example
/// ```
/// use mailtrail::outbound::JsonLines;
/// let folder = tempfile::tempdir()?;
/// let crm = JsonLines::file(folder.path().join("crm.jsonl"))?;
/// # let _ = crm;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct JsonLines(Arc<Out>);

enum Out {
    Writer(Mutex<Box<dyn Write + Send>>),
    File(SyncedFile),
}

impl JsonLines {
    /// To the end of a file, which is made if it isn't there, for its owner and group.
    ///
    /// # Errors
    /// That of the operating system; [`InvalidData`](io::ErrorKind::InvalidData) if the file ends with something that
    /// is no line of ours: it is left alone.
    pub fn file(path: impl Into<PathBuf>) -> io::Result<Self> {
        Ok(Self(Arc::new(Out::File(SyncedFile::open(path.into())?))))
    }

    /// To this writer, such as standard output, which is flushed after each line.
    pub fn writer(writer: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Out::Writer(Mutex::new(Box::new(writer)))))
    }
}

#[async_trait]
impl Poster for JsonLines {
    async fn post(&self, message: &Message) -> Result<Answer, Failed> {
        let (out, line) = (Arc::clone(&self.0), line(message));
        let writing = tokio::task::spawn_blocking(move || out.write(&line));
        match writing.await {
            Ok(Ok(())) => Ok(Answer::status(200)),
            Ok(Err(error)) => Err(Failed::Unreachable(error.to_string().into())),
            Err(_) => Err(Failed::Unreachable("it was given up".into())),
        }
    }
}

impl fmt::Debug for JsonLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Out::Writer(_) => f.write_str("JsonLines(writer)"),
            Out::File(file) => write!(f, "JsonLines({})", file.path.display()),
        }
    }
}

impl Out {
    fn write(&self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.write(line),
            Self::Writer(writer) => {
                let mut writer = lock(writer);
                writer.write_all(line)?;
                writer.flush()
            }
        }
    }
}

/// A file whose lines are whole, and synced in groups.
struct SyncedFile {
    path: PathBuf,
    written: Mutex<Written>,
    /// Lines up to here are on the disk, and those up to there may never be.
    synced: Mutex<(u64, u64)>,
}

struct Written {
    file: File,
    lines: u64,
    /// Whether a line was begun and not ended.
    torn: bool,
}

impl SyncedFile {
    fn open(path: PathBuf) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).mode(0o640).open(&path)?;
        mend(&mut file)?;
        file.sync_all()?;
        if let Some(folder) = path.canonicalize()?.parent() {
            File::open(folder)?.sync_all()?;
        }
        let written = Mutex::new(Written { file, lines: 0, torn: false });
        Ok(Self { path, written, synced: Mutex::default() })
    }

    fn write(&self, line: &[u8]) -> io::Result<()> {
        let number = lock(&self.written).append(line)?;
        let mut synced = lock(&self.synced);
        // Whoever waits here while another one syncs is mostly synced with it.
        if synced.0 < number {
            let (file, upto) = {
                let written = lock(&self.written);
                (written.file.try_clone()?, written.lines)
            };
            match file.sync_data() {
                Ok(()) => synced.0 = upto,
                // Linux says so once: a later sync that succeeds proves nothing of these lines.
                Err(error) => {
                    *synced = (upto, upto);
                    return Err(error);
                }
            }
        }
        if number <= synced.1 { Err(io::Error::other("an earlier sync failed")) } else { Ok(()) }
    }
}

impl Written {
    /// The number of the line.
    fn append(&mut self, line: &[u8]) -> io::Result<u64> {
        if self.torn {
            mend(&mut self.file)?;
            self.torn = false;
        }
        self.file.write_all(line).inspect_err(|_| self.torn = true)?;
        self.lines = self.lines.saturating_add(1);
        Ok(self.lines)
    }
}

/// Cuts off what stands behind the last line end, if it is of ours.
fn mend(file: &mut File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let (mut end, mut tail) = (length, Vec::new());
    while end > 0 {
        let from = end.saturating_sub(BLOCK);
        let mut block = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        Read::by_ref(file).take(end.saturating_sub(from)).read_to_end(&mut block)?;
        let line_end = block.iter().rposition(|byte| *byte == b'\n');
        let begins = line_end.map_or(0, |at| at.saturating_add(1));
        block.drain(..begins);
        block.extend(tail);
        tail = block;
        end = if line_end.is_some() { 0 } else { from };
    }
    if tail.is_empty() {
        return Ok(());
    }
    let begun = tail.len().min(BEGINS.len());
    if tail.get(..begun) != BEGINS.get(..begun) {
        let what = "the file does not end with a line of messages: name another one";
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    let whole = length.saturating_sub(u64::try_from(tail.len()).unwrap_or(u64::MAX));
    file.set_len(whole)
}

/// The message's JSON, with its id before all else.
fn line(message: &Message) -> Vec<u8> {
    let mut line = BEGINS.to_vec();
    let id = message.id.as_str().strip_prefix(PREFIX).unwrap_or_default();
    line.extend_from_slice(id.as_bytes());
    line.extend_from_slice(b"\",");
    line.extend_from_slice(message.body.get(1..).unwrap_or_default());
    line.push(b'\n');
    line
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What every id begins with, and every line.
const PREFIX: &str = "msg_";
const BEGINS: &[u8] = br#"{"id":"msg_"#;
const BLOCK: u64 = 65_536;
