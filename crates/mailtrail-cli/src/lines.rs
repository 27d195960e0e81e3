//! The lines of a log: of a file (also compressed), of a pipe, or of a file that grows and is rotated.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flate2::bufread::MultiGzDecoder;
use tokio::sync::mpsc;

use crate::archive;
use crate::failure::Failure;

/// Reads lines of any length in bounded memory: of a longer one than asked for only its beginning.
pub(crate) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    most: usize,
}

impl<R: BufRead> Lines<R> {
    /// Keeps at most so many bytes of a line.
    pub(crate) fn new(input: R, most: usize) -> Self {
        Self { input, line: Vec::new(), most }
    }

    /// The next line without its end; `None` if there is no whole one (yet).
    pub(crate) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let bytes = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                bytes => bytes?,
            };
            if bytes.is_empty() {
                return Ok(None);
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let of_line = &bytes[..end.unwrap_or(bytes.len())];
            let room = self.most - self.line.len();
            self.line.extend_from_slice(&of_line[..of_line.len().min(room)]);
            let read = of_line.len() + usize::from(end.is_some());
            self.input.consume(read);
            if end.is_some() {
                return Ok(Some(std::mem::take(&mut self.line)));
            }
        }
    }

    /// The next line, or at the end of all what stands behind the last line end.
    pub(crate) fn next_or_rest(&mut self) -> io::Result<Option<Vec<u8>>> {
        let rest = |line: &mut Vec<u8>| Some(std::mem::take(line)).filter(|line| !line.is_empty());
        Ok(self.next()?.or_else(|| rest(&mut self.line)))
    }
}

/// What comes next of a log that is still written.
pub(crate) enum Next {
    Line(Vec<u8>),
    /// Nothing, for the moment.
    Idle,
    End,
}

/// Standard input, read by a thread of its own: a pipe may be silent for hours.
pub(crate) struct Pipe(mpsc::Receiver<io::Result<Vec<u8>>>);

impl Pipe {
    pub(crate) fn open(most: usize) -> Self {
        let (sender, receiver) = mpsc::channel(AHEAD);
        std::thread::spawn(move || {
            let mut lines = Lines::new(io::stdin().lock(), most);
            while let Some(line) = lines.next_or_rest().transpose() {
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Self(receiver)
    }

    pub(crate) async fn next(&mut self) -> io::Result<Next> {
        match tokio::time::timeout(PAUSE, self.0.recv()).await {
            Ok(Some(line)) => Ok(Next::Line(line?)),
            Ok(None) => Ok(Next::End),
            Err(_) => Ok(Next::Idle),
        }
    }
}

/// Opens a log: `.gz` and `.zst` are decompressed, `-` is standard input.
pub(crate) fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if !is_gzip(path) {
        return archive::read(path);
    }
    let missing = |error| Failure::input(format!("{}: {error}", path.display()));
    let file = BufReader::new(File::open(path).map_err(missing)?);
    Ok(Box::new(BufReader::new(MultiGzDecoder::new(file))))
}

/// A file that grows. When its name is given to another file it goes on there, and still reads the old one
/// for a while: a server writes to it until it is told of the rotation.
pub(crate) struct Follow {
    path: PathBuf,
    most: usize,
    file: Lines<BufReader<File>>,
    id: FileId,
    rotated: Option<(Lines<BufReader<File>>, Instant)>,
}

type FileId = (u64, u64);

impl Follow {
    pub(crate) fn open(path: &Path, most: usize) -> io::Result<Self> {
        if is_packed(path) {
            return Err(io::Error::other("a compressed file does not grow"));
        }
        let (file, id) = start(path, most)?;
        Ok(Self { path: path.to_owned(), most, file, id, rotated: None })
    }

    /// The next line; what is new of it after a pause.
    pub(crate) async fn next(&mut self) -> io::Result<Next> {
        if let Some(line) = self.line()? {
            return Ok(Next::Line(line));
        }
        tokio::time::sleep(PAUSE).await;
        Ok(Next::Idle)
    }

    /// The next line, of whichever file has one; `None` if there is none for now.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        if let Some((rotated, _)) = &mut self.rotated
            && let Some(line) = rotated.next()?
        {
            return Ok(Some(line));
        }
        if let Some(line) = self.file.next()? {
            return Ok(Some(line));
        }
        if self.has_moved()? { self.line() } else { Ok(None) }
    }

    /// Looks whether the name stands for another file now, or the file was cut, and goes there.
    fn has_moved(&mut self) -> io::Result<bool> {
        if self.rotated.as_ref().is_some_and(|(_, since)| since.elapsed() > UNTIL_TOLD) {
            self.rotated = None;
        }
        let found = match fs::metadata(&self.path) {
            // Moved away; the new file is not there yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            found => found?,
        };
        if id(&found) != self.id {
            let (file, id) = start(&self.path, self.most)?;
            let rotated = std::mem::replace(&mut self.file, file);
            self.id = id;
            self.rotated = Some((rotated, Instant::now()));
            return Ok(true);
        }
        // Copied and cut to nothing (logrotate's copytruncate): from the beginning again.
        if found.len() < self.file.input.stream_position()? {
            self.file.input.rewind()?;
            self.file.line.clear();
            return Ok(true);
        }
        Ok(false)
    }
}

fn start(path: &Path, most: usize) -> io::Result<(Lines<BufReader<File>>, FileId)> {
    let file = File::open(path)?;
    let id = id(&file.metadata()?);
    Ok((Lines::new(BufReader::new(file), most), id))
}

fn is_packed(path: &Path) -> bool {
    is_gzip(path) || archive::is_compressed(path)
}

fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

fn id(metadata: &fs::Metadata) -> FileId {
    (metadata.dev(), metadata.ino())
}

/// Lines of a pipe that are read ahead.
const AHEAD: usize = 1_000;

/// Between two looks at a log that has nothing new.
const PAUSE: Duration = Duration::from_millis(250);

/// How long a rotated file is still read.
const UNTIL_TOLD: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn all(follow: &mut Follow) -> Vec<String> {
        std::iter::from_fn(|| follow.line().unwrap())
            .map(|line| String::from_utf8(line).unwrap())
            .collect()
    }

    #[test]
    fn long_lines_are_cut_and_the_next_one_is_whole() {
        let mut lines = Lines::new(BufReader::with_capacity(3, &b"abcdefgh\nij\n\nk"[..]), 5);
        let read: Vec<_> = std::iter::from_fn(|| lines.next_or_rest().unwrap()).collect();
        assert_eq!(read, [&b"abcde"[..], b"ij", b"", b"k"]);
    }

    #[test]
    fn a_followed_file_goes_on_after_rotation_and_truncation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail.log");
        fs::write(&path, "a\nb").unwrap();
        let mut follow = Follow::open(&path, 100).unwrap();
        assert_eq!(all(&mut follow), ["a"], "a half line is not there yet");

        let mut old = File::options().append(true).open(&path).unwrap();
        fs::rename(&path, folder.path().join("mail.log.1")).unwrap();
        old.write_all(b"c\n").unwrap();
        assert_eq!(all(&mut follow), ["bc"], "moved away, and still written to");
        fs::write(&path, "d\n").unwrap();
        old.write_all(b"e\n").unwrap();
        let mut both = all(&mut follow);
        both.sort();
        assert_eq!(both, ["d", "e"], "both files are read");
        old.write_all(b"f\n").unwrap();
        assert_eq!(all(&mut follow), ["f"], "until the server is told");

        fs::write(&path, "").unwrap();
        assert!(all(&mut follow).is_empty());
        fs::write(&path, "g\n").unwrap();
        assert_eq!(all(&mut follow), ["g"], "cut, and begun anew");
    }
}
