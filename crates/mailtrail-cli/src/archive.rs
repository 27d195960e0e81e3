//! The files of exports: plain, or compressed where the name ends in `.zst`; `-` is a pipe.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Reads an export.
pub(crate) fn read(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let missing = |error| Failure::input(format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(missing)?;
    if is_compressed(path) { decompress(file) } else { Ok(Box::new(BufReader::new(file))) }
}

/// Why there is no new file. What the operating system says decides whether to try again.
#[derive(Debug, thiserror::Error)]
#[error("{} can't be made", path.display())]
struct NotMade {
    path: PathBuf,
    #[source]
    cause: io::Error,
}

/// Writes an export. Call [`finish`](Output::finish) at its end: without it the file is cut off.
pub(crate) enum Output {
    Pipe(io::Stdout),
    Plain(BufWriter<File>),
    #[cfg(feature = "zstd")]
    Compressed(Box<zstd::Encoder<'static, BufWriter<File>>>),
}

impl Output {
    /// A new file, or standard output.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self::Pipe(io::stdout()));
        }
        let failed = |cause| NotMade { path: path.into(), cause };
        let file = BufWriter::new(File::create_new(path).map_err(failed)?);
        if is_compressed(path) { compress(file) } else { Ok(Self::Plain(file)) }
    }

    /// A plain file that goes on after so many bytes.
    pub(crate) fn resume(path: &Path, bytes: u64) -> Result<Self, Failure> {
        let mut file = File::options().write(true).open(path).map_err(Failure::input)?;
        file.set_len(bytes)?;
        io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
        Ok(Self::Plain(BufWriter::new(file)))
    }

    /// Brings it to the disk.
    pub(crate) fn finish(self) -> io::Result<()> {
        let file = match self {
            Self::Pipe(mut pipe) => return pipe.flush(),
            Self::Plain(file) => file,
            #[cfg(feature = "zstd")]
            Self::Compressed(encoder) => encoder.finish()?,
        };
        file.into_inner()?.sync_all()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Pipe(pipe) => pipe.write(bytes),
            Self::Plain(file) => file.write(bytes),
            #[cfg(feature = "zstd")]
            Self::Compressed(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Pipe(pipe) => pipe.flush(),
            Self::Plain(file) => file.flush(),
            #[cfg(feature = "zstd")]
            Self::Compressed(encoder) => encoder.flush(),
        }
    }
}

pub(crate) fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "zst")
}

#[cfg(feature = "zstd")]
fn decompress(file: File) -> Result<Box<dyn BufRead>, Failure> {
    let decoder = zstd::Decoder::new(file).map_err(Failure::data)?;
    Ok(Box::new(BufReader::new(decoder)))
}

#[cfg(feature = "zstd")]
fn compress(file: BufWriter<File>) -> Result<Output, Failure> {
    let encoder = zstd::Encoder::new(file, zstd::DEFAULT_COMPRESSION_LEVEL)?;
    Ok(Output::Compressed(Box::new(encoder)))
}

#[cfg(not(feature = "zstd"))]
fn decompress(_: File) -> Result<Box<dyn BufRead>, Failure> {
    Err(Failure::data("this mailtrail was built without zstd: decompress the file first"))
}

#[cfg(not(feature = "zstd"))]
fn compress(_: BufWriter<File>) -> Result<Output, Failure> {
    Err(Failure::data("this mailtrail was built without zstd: give a name without .zst"))
}
