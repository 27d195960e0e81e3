//! The ring of refused requests on disk: a file each, in a folder beside the store.

use std::fs::{self, DirBuilder, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use data_encoding::BASE64;
use mailtrail_core::event::RawHash;
use mailtrail_core::id::Endpoint;
use mailtrail_webhook::provider::Refused;
use mailtrail_webhook::refused::{
    Index, Kept, Limits, RefusedId, RefusedRequest, RefusedRing, RingError,
};
use mailtrail_webhook::{Headers, Request};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

/// Refused requests in a folder, which several processes may have open.
///
/// # Guarantees
/// What is kept is there after kill −9, whole or not at all. A power cut may lose the last ones: whoever finds the
/// URL makes us write, so nothing is synced.
///
/// # Privacy
/// The files hold what strangers sent, with credentials that were nearly right: the folder is its owner's
/// only (mode 0700). Call [`expire`](RefusedRing::expire) now and then.
///
/// # Example
/// ```
/// use mailtrail::RefusedFolder;
/// use mailtrail::core::id::Endpoint;
/// use mailtrail::webhook::Request;
/// use mailtrail::webhook::provider::Refused;
/// use mailtrail::webhook::refused::{RefusedRequest, RefusedRing};
/// let folder = tempfile::tempdir()?;
/// let request = Request::new(b"[]", chrono::DateTime::UNIX_EPOCH);
/// let refused = RefusedRequest::new(Endpoint::new("postmark")?, &request, Refused::WrongCredentials);
/// RefusedFolder::new(folder.path().join("refused")).keep(&refused)?;
///
/// let again = RefusedFolder::new(folder.path().join("refused"));
/// let kept = again.list(None)?;
/// assert_eq!(kept[0].cause, Refused::WrongCredentials);
/// assert_eq!(&again.read(kept[0].id)?.unwrap().body[..], b"[]");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RefusedFolder {
    path: PathBuf,
    limits: Limits,
    /// As the folder was when it was looked at last; none if it never was.
    state: Mutex<Option<State>>,
}

#[derive(Debug, Default)]
struct State {
    index: Index,
    next: RefusedId,
}

impl RefusedFolder {
    /// In this folder, which is made when something is kept; by custom `refused` in the store's.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::with_limits(path, Limits::default())
    }

    /// With other limits than the usual ones.
    pub fn with_limits(path: impl Into<PathBuf>, limits: Limits) -> Self {
        Self { path: path.into(), limits, state: Mutex::default() }
    }

    /// Calls this with what is there: as it was last seen, or looked at again, because other processes may have let
    /// go of some.
    fn with_state<T>(
        &self,
        again: bool,
        call: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> Result<T, RingError> {
        let mut seen = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = match seen.take().filter(|_| !again) {
            Some(state) => state,
            None => scan(&self.path, self.limits).map_err(unavailable)?,
        };
        let result = call(&mut state);
        *seen = Some(state);
        result.map_err(unavailable)
    }

    /// Keeps a file under the first number that is free.
    fn put(&self, state: &mut State, request: &RefusedRequest) -> io::Result<()> {
        let file = write(&self.path, request)?;
        // Another process may keep requests too.
        while self.file(state.next).exists() {
            state.next = state.next.next();
        }
        let id = state.next;
        let Some(gone) = state.index.admit(request.kept(id)) else { return Ok(()) };
        state.next = id.next();
        if let Err(error) = file.persist_noclobber(self.file(id)) {
            state.index.remove(id);
            return Err(error.error);
        }
        gone.into_iter().try_for_each(|id| remove(&self.file(id)))
    }

    fn file(&self, id: RefusedId) -> PathBuf {
        self.path.join(id.to_string())
    }
}

impl RefusedRing for RefusedFolder {
    fn keep(&self, request: &RefusedRequest) -> Result<(), RingError> {
        self.with_state(false, |state| self.put(state, request))
    }

    fn list(&self, endpoint: Option<&Endpoint>) -> Result<Vec<Kept>, RingError> {
        self.with_state(true, |state| Ok(state.index.list(endpoint)))
    }

    fn read(&self, id: RefusedId) -> Result<Option<RefusedRequest>, RingError> {
        read(&self.file(id)).map_err(unavailable)
    }

    fn refuse_again(&self, id: RefusedId, cause: Refused) -> Result<(), RingError> {
        self.with_state(false, |state| {
            let Some(mut request) = read(&self.file(id))? else { return Ok(()) };
            request.cause = cause;
            write(&self.path, &request)?.persist(self.file(id)).map_err(|error| error.error)?;
            state.index.refuse_again(id, cause);
            Ok(())
        })
    }

    fn remove(&self, id: RefusedId) -> Result<(), RingError> {
        self.with_state(false, |state| {
            remove(&self.file(id))?;
            state.index.remove(id);
            Ok(())
        })
    }

    fn expire(&self, before: DateTime<Utc>) -> Result<u64, RingError> {
        self.with_state(true, |state| {
            let gone = state.index.expire(before);
            gone.iter().try_for_each(|id| remove(&self.file(*id)))?;
            remove_remains(&self.path, before)?;
            Ok(u64::try_from(gone.len()).unwrap_or(u64::MAX))
        })
    }
}

/// The first line of a file; the body is the rest.
#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
    endpoint: Endpoint,
    received_at: DateTime<Utc>,
    cause: String,
    peer: Option<IpAddr>,
    method: Box<str>,
    query: Option<Box<str>>,
    /// Names, and values in base64: they need not be text.
    headers: Vec<(String, String)>,
    /// How much it counts against the limits.
    bytes: u64,
    body_sha256: String,
}

impl Head {
    fn of(request: &RefusedRequest) -> Self {
        let field = |(name, value): (&str, &[u8])| (name.to_owned(), BASE64.encode(value));
        Self {
            format: FORMAT,
            endpoint: request.endpoint.clone(),
            received_at: request.received_at,
            cause: request.cause.name().to_owned(),
            peer: request.peer,
            method: request.method.clone(),
            query: request.query.clone(),
            headers: request.headers.iter().map(field).collect(),
            bytes: request.bytes(),
            body_sha256: RawHash::of(&request.body).to_string(),
        }
    }

    /// `None` if it is damaged, or of a later version.
    fn parse(line: &[u8]) -> Option<Self> {
        let head: Self = serde_json::from_slice(line).ok()?;
        (head.format == FORMAT).then_some(head)
    }

    fn cause(&self) -> Option<Refused> {
        Refused::ALL.iter().copied().find(|cause| cause.name() == self.cause)
    }

    fn kept(self, id: RefusedId) -> Option<Kept> {
        let cause = self.cause()?;
        // The body is not needed for a list, and its size is known.
        let request = Request::new(&[], self.received_at).peer(self.peer);
        let mut kept = RefusedRequest::new(self.endpoint, &request, cause).kept(id);
        kept.bytes = self.bytes;
        Some(kept)
    }

    fn request(self, body: Vec<u8>) -> Option<RefusedRequest> {
        let cause = self.cause()?;
        let mut headers = Headers::new();
        for (name, value) in &self.headers {
            headers = headers.with(name, BASE64.decode(value.as_bytes()).ok()?);
        }
        let request = Request::new(&[], self.received_at)
            .method(&self.method)
            .query(self.query.as_deref())
            .headers(headers)
            .peer(self.peer);
        let mut request = RefusedRequest::new(self.endpoint, &request, cause);
        request.body = Bytes::from(body);
        (RawHash::of(&request.body).to_string() == self.body_sha256).then_some(request)
    }
}

fn write(folder: &Path, request: &RefusedRequest) -> io::Result<NamedTempFile> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    let mut bytes = serde_json::to_vec(&Head::of(request)).map_err(io::Error::other)?;
    bytes.push(b'\n');
    bytes.extend_from_slice(&request.body);
    file.write_all(&bytes)?;
    Ok(file)
}

/// One that is damaged is as good as gone.
fn read(path: &Path) -> io::Result<Option<RefusedRequest>> {
    let Some((head, mut rest)) = head(path)? else { return Ok(None) };
    let mut body = Vec::new();
    rest.read_to_end(&mut body)?;
    Ok(head.request(body))
}

fn head(path: &Path) -> io::Result<Option<(Head, BufReader<File>)>> {
    let mut file = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut line = Vec::new();
    file.read_until(b'\n', &mut line)?;
    Ok(Head::parse(&line).map(|head| (head, file)))
}

fn scan(folder: &Path, limits: Limits) -> io::Result<State> {
    let mut ids = Vec::new();
    for path in files(folder)? {
        let name = path.file_name().and_then(|name| name.to_str());
        ids.extend(name.and_then(|name| name.parse::<RefusedId>().ok()));
    }
    ids.sort_unstable();
    let mut state = State { index: Index::new(limits), next: RefusedId::default() };
    for id in ids {
        state.next = id.next();
        let path = folder.join(id.to_string());
        let Some(kept) = head(&path)?.and_then(|(head, _)| head.kept(id)) else { continue };
        // What a crash left beyond the limits.
        match state.index.admit(kept) {
            Some(gone) => gone.iter().try_for_each(|id| remove(&folder.join(id.to_string())))?,
            None => remove(&path)?,
        }
    }
    Ok(state)
}

/// Half a file that a crash left, and what nobody can read, by their own age.
fn remove_remains(folder: &Path, before: DateTime<Utc>) -> io::Result<()> {
    for path in files(folder)? {
        let modified = match fs::metadata(&path).and_then(|data| data.modified()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            modified => modified?,
        };
        if DateTime::<Utc>::from(modified) < before && head(&path)?.is_none() {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Before anything was kept there is no folder.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn unavailable(error: io::Error) -> RingError {
    RingError::Unavailable { cause: error.into() }
}

const FORMAT: u32 = 1;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn request(body: &[u8], at: i64) -> RefusedRequest {
        let headers = Headers::new().with("X-Odd", b"\xff\x00").with("X-Two", "2");
        let request = Request::new(body, DateTime::from_timestamp(at, 0).unwrap())
            .headers(headers)
            .query(Some("a=b"))
            .peer(Some("192.0.2.1".parse().unwrap()));
        RefusedRequest::new(Endpoint::new("../a/b").unwrap(), &request, Refused::Stale)
    }

    #[test]
    fn a_file_is_as_the_book_says_and_its_folder_the_owners_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refused");
        let ring = RefusedFolder::new(&path);
        ring.keep(&request(b"{}\n{}", 0)).unwrap();
        let file = fs::read(path.join("00000000000000000000")).unwrap();
        let head = r#"{"format":1,"endpoint":"../a/b","received_at":"1970-01-01T00:00:00Z","cause":"stale","peer":"192.0.2.1","method":"POST","query":"a=b","headers":[["X-Odd","/wA="],["X-Two","Mg=="]],"bytes":25,"body_sha256":"#;
        let text = String::from_utf8(file).unwrap();
        assert!(text.starts_with(head), "{text}");
        assert!(text.ends_with("\n{}\n{}"), "{text}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let back = ring.read(RefusedId::default()).unwrap().unwrap();
        let (odd, sent) = (back.headers.only("x-odd"), request(b"{}\n{}", 0));
        assert_eq!((odd, &back.body), (Some(b"\xff\x00".as_slice()), &sent.body));
        assert_eq!((&back.query, back.peer, back.bytes()), (&sent.query, sent.peer, sent.bytes()));
    }

    #[test]
    fn what_a_crash_left_is_never_read_and_expires() {
        let folder = tempfile::tempdir().unwrap();
        let ring = RefusedFolder::new(folder.path());
        ring.keep(&request(b"one", 100)).unwrap();
        ring.keep(&request(b"two", 200)).unwrap();
        let second = folder.path().join(RefusedId::new(1).to_string());
        let whole = fs::read(&second).unwrap();
        fs::write(&second, &whole[..whole.len() - 1]).unwrap();
        fs::write(folder.path().join(RefusedId::new(7).to_string()), b"\0\0\0").unwrap();
        fs::write(folder.path().join(".tmpQ"), b"{").unwrap();

        assert!(ring.read(RefusedId::new(1)).unwrap().is_none(), "its body is cut");
        assert_eq!(ring.list(None).unwrap().len(), 2);
        ring.keep(&request(b"three", 300)).unwrap();
        assert_eq!(ring.list(None).unwrap()[2].id, RefusedId::new(8));
        assert_eq!(ring.expire(DateTime::from_timestamp(200, 0).unwrap()).unwrap(), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "remains are young");
        assert_eq!(ring.expire(DateTime::from_timestamp(1 << 33, 0).unwrap()).unwrap(), 2);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn two_processes_lose_nothing_of_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits::new(40, 10_000);
        let open = || RefusedFolder::with_limits(folder.path(), limits);
        let (one, two) = (open(), open());
        for at in 0..2 {
            one.keep(&request(b"one", at)).unwrap();
            two.keep(&request(b"two", at)).unwrap();
        }
        assert_eq!(one.list(None).unwrap().len(), 4);
        let first = one.list(None).unwrap()[0].id;
        two.refuse_again(first, Refused::WrongSignature).unwrap();
        assert_eq!(one.list(None).unwrap()[0].cause, Refused::WrongSignature);
        two.remove(first).unwrap();
        one.refuse_again(first, Refused::Stale).unwrap();
        assert!(one.read(first).unwrap().is_none(), "what is gone stays so");
        one.keep(&request(b"again", 9)).unwrap();
        two.keep(&request(b"again", 9)).unwrap();
        let left = one.list(None).unwrap();
        assert_eq!(left.len(), 4, "one peer has a tenth: {left:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
    }
}
