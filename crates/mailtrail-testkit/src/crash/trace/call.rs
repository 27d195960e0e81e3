//! What strace wrote, line by line, as calls.
//!
//! All text is in hexadecimal (`-xx`), also paths behind descriptors (`-yy`): so a comma or a bracket is never part of one.

use std::collections::HashMap;

use super::TraceError;

/// A call that a process made, and that came back without an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) arguments: Vec<Argument>,
    pub(super) result: Argument,
    /// The lines on which it began and ended.
    pub(super) began: usize,
    pub(super) ended: usize,
}

/// An argument of a call, or its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Argument {
    /// An open file, and its path; `AT_FDCWD` is none of a number.
    Descriptor { number: Option<u64>, path: String },
    /// A string or a buffer.
    Text(Vec<u8>),
    /// An array of buffers, as of `writev`.
    Texts(Vec<Vec<u8>>),
    /// Any other number.
    Number(u64),
    /// Flags and the like, as strace writes them.
    Word(String),
}

impl Call {
    /// The argument at this place, if it is made of flags.
    pub(super) fn word(&self, at: usize) -> Option<&str> {
        match self.arguments.get(at)? {
            Argument::Word(word) => Some(word),
            _ => None,
        }
    }

    /// The argument at this place, if it is a number.
    pub(super) fn number(&self, at: usize) -> Option<u64> {
        self.arguments.get(at).and_then(Argument::number)
    }
}

impl Argument {
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// Every call, in the order in which they ended. Those that failed changed nothing, and are left out.
pub(super) fn calls(trace: &str) -> Result<Vec<Call>, TraceError> {
    let mut unfinished: HashMap<&str, (usize, &str)> = HashMap::new();
    let mut calls = Vec::new();
    for (number, line) in trace.lines().enumerate() {
        let bad = || TraceError::Unreadable { line: number + 1, text: shortened(line) };
        let (process, rest) = line.split_once(' ').ok_or_else(bad)?;
        let rest = rest.trim_start();
        if rest.starts_with("+++") || rest.starts_with("---") {
            continue;
        }
        if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            unfinished.insert(process, (number, begun.trim_end()));
            continue;
        }
        if has_failed(rest) {
            unfinished.remove(process);
            continue;
        }
        let call = if let Some(resumed) = rest.strip_prefix("<... ") {
            let (_, end) = resumed.split_once(" resumed>").ok_or_else(bad)?;
            let (began, begun) = unfinished.remove(process).ok_or_else(bad)?;
            one(&format!("{begun}{end}"), began, number)
        } else {
            one(rest, number, number)
        };
        calls.push(call.ok_or_else(bad)?);
    }
    Ok(calls)
}

/// Whether a line ends with an error, or with nothing as the process ended.
fn has_failed(text: &str) -> bool {
    text.rsplit_once(" = ").is_some_and(|(_, result)| result.starts_with(['-', '?']))
}

fn one(text: &str, began: usize, ended: usize) -> Option<Call> {
    let (call, result) = text.rsplit_once(" = ")?;
    let (name, arguments) = call.trim_end().strip_suffix(')')?.split_once('(')?;
    let arguments = split(arguments).into_iter().map(argument).collect::<Option<_>>()?;
    Some(Call { name: name.to_owned(), arguments, result: argument(result)?, began, ended })
}

/// At the commas that are in no brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if !text[start..].trim().is_empty() {
        parts.push(text[start..].trim());
    }
    parts
}

/// `None` if it isn't whole.
fn argument(text: &str) -> Option<Argument> {
    if text.starts_with('"') {
        return string(text).map(Argument::Text);
    }
    if text.starts_with("[{iov_base=") {
        let buffers = text.split("iov_base=").skip(1);
        let buffers = buffers.map(|buffer| string(buffer.split(',').next()?));
        return buffers.collect::<Option<_>>().map(Argument::Texts);
    }
    if let Some((number, path)) = text.split_once('<') {
        let number = number.parse().ok();
        let path = path.split_once('>').map_or(path, |(path, _)| path);
        let path = unescaped(path).unwrap_or_else(|| path.into());
        return Some(Argument::Descriptor { number, path: String::from_utf8(path).ok()? });
    }
    let digits = text.split(' ').next()?;
    let number = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    Some(number.map_or_else(|_| Argument::Word(text.to_owned()), Argument::Number))
}

/// A string in quotes; none if strace cut it off.
fn string(text: &str) -> Option<Vec<u8>> {
    unescaped(text.strip_prefix('"')?.strip_suffix('"')?)
}

/// `\x2f` is a byte.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let (escapes, []) = text.as_bytes().as_chunks::<4>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |escape: &[u8; 4]| match escape {
        [b'\\', b'x', high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    escapes.iter().map(byte).collect()
}

/// A line as it is shown in an error.
fn shortened(line: &str) -> String {
    line.chars().take(200).collect()
}
