//! Commands and their parameters.

use super::address::split_path;
use super::envelope::{Body, Notify, OriginalRecipient, Recipient, Return};
use super::reply::Reply;
use super::xtext;

/// A command, as far as the session needs it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Hello(Hello, String),
    Mail(Mail),
    Rcpt(Recipient),
    Data,
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hello {
    Helo,
    Ehlo,
    Lhlo,
}

/// `MAIL FROM` with its parameters.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mail {
    pub(super) from: String,
    pub(super) size: Option<u64>,
    pub(super) body: Body,
    pub(super) smtputf8: bool,
    pub(super) ret: Option<Return>,
    pub(super) envid: Option<String>,
}

impl Command {
    /// Reads a line without its CR LF; else the reply that it deserves.
    pub(super) fn parse(line: &[u8]) -> Result<Self, Reply> {
        let line = std::str::from_utf8(line).map_err(|_| NOT_TEXT)?;
        if line.contains(char::is_control) {
            return Err(NOT_TEXT);
        }
        let line = line.trim_end_matches(' ');
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "HELO" => hello(Hello::Helo, rest),
            "EHLO" => hello(Hello::Ehlo, rest),
            "LHLO" => hello(Hello::Lhlo, rest),
            "MAIL" => mail(rest).map(Self::Mail),
            "RCPT" => recipient(rest).map(Self::Rcpt),
            "DATA" => alone(rest, Self::Data),
            "RSET" => alone(rest, Self::Rset),
            "QUIT" => alone(rest, Self::Quit),
            "NOOP" => Ok(Self::Noop),
            "VRFY" => Ok(Self::Vrfy),
            "HELP" => Ok(Self::Help),
            "STARTTLS" | "AUTH" | "BDAT" | "EXPN" | "ETRN" => Err(NOT_OFFERED),
            _ => Err(UNKNOWN),
        }
    }
}

fn hello(hello: Hello, name: &str) -> Result<Command, Reply> {
    if name.is_empty() { Err(SYNTAX) } else { Ok(Command::Hello(hello, name.to_owned())) }
}

fn alone(rest: &str, command: Command) -> Result<Command, Reply> {
    if rest.is_empty() { Ok(command) } else { Err(SYNTAX) }
}

/// The path after `FROM:` or `TO:` and its parameters. RFC 5321 has no space after the colon, but
/// too many clients have.
fn path<'a>(keyword: &str, rest: &'a str) -> Result<(&'a str, Parameters<'a>), Reply> {
    let (found, rest) = rest.split_at_checked(keyword.len()).ok_or(SYNTAX)?;
    if !found.eq_ignore_ascii_case(keyword) {
        return Err(SYNTAX);
    }
    let (address, rest) = split_path(rest.trim_start_matches(' ')).ok_or(BAD_PATH)?;
    if !(rest.is_empty() || rest.starts_with(' ')) {
        return Err(SYNTAX);
    }
    Ok((address, parameters(rest)))
}

type Parameters<'a> = Vec<(String, Option<&'a str>)>;

fn parameters(text: &str) -> Parameters<'_> {
    text.split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| match word.split_once('=') {
            Some((key, value)) => (key.to_ascii_uppercase(), Some(value)),
            None => (word.to_ascii_uppercase(), None),
        })
        .collect()
}

fn mail(rest: &str) -> Result<Mail, Reply> {
    let (from, parameters) = path("FROM:", rest)?;
    let mut mail = Mail { from: from.to_owned(), ..Mail::default() };
    let mut body = None;
    for (key, value) in parameters {
        match (key.as_str(), value) {
            ("SIZE", Some(value)) => set(&mut mail.size, value.parse().ok())?,
            ("BODY", Some(value)) => set(&mut body, body_of(value))?,
            ("RET", Some(value)) => set(&mut mail.ret, ret_of(value))?,
            ("ENVID", Some(value)) => set(&mut mail.envid, xtext::decode(value))?,
            ("SMTPUTF8", None) => mail.smtputf8 = true,
            ("SIZE" | "BODY" | "RET" | "ENVID" | "SMTPUTF8", _) => return Err(BAD_PARAMETER),
            _ => return Err(UNKNOWN_PARAMETER),
        }
    }
    mail.body = body.unwrap_or_default();
    // RFC 6531 §3.4.
    if !mail.smtputf8 && !mail.from.is_ascii() {
        return Err(NEEDS_SMTPUTF8);
    }
    Ok(mail)
}

fn recipient(rest: &str) -> Result<Recipient, Reply> {
    let (address, parameters) = path("TO:", rest)?;
    if address.is_empty() {
        return Err(BAD_PATH);
    }
    let mut recipient = Recipient { address: address.to_owned(), notify: None, orcpt: None };
    for (key, value) in parameters {
        match (key.as_str(), value) {
            ("NOTIFY", Some(value)) => set(&mut recipient.notify, notify_of(value))?,
            ("ORCPT", Some(value)) => set(&mut recipient.orcpt, orcpt_of(value))?,
            ("NOTIFY" | "ORCPT", None) => return Err(BAD_PARAMETER),
            _ => return Err(UNKNOWN_PARAMETER),
        }
    }
    Ok(recipient)
}

/// A parameter stands once, with a value that makes sense.
fn set<T>(slot: &mut Option<T>, value: Option<T>) -> Result<(), Reply> {
    if slot.is_some() || value.is_none() {
        return Err(BAD_PARAMETER);
    }
    *slot = value;
    Ok(())
}

fn body_of(value: &str) -> Option<Body> {
    match value.to_ascii_uppercase().as_str() {
        "7BIT" => Some(Body::SevenBit),
        "8BITMIME" => Some(Body::EightBitMime),
        _ => None,
    }
}

fn ret_of(value: &str) -> Option<Return> {
    match value.to_ascii_uppercase().as_str() {
        "FULL" => Some(Return::Full),
        "HDRS" => Some(Return::Headers),
        _ => None,
    }
}

fn notify_of(value: &str) -> Option<Notify> {
    if value.eq_ignore_ascii_case("NEVER") {
        return Some(Notify::NEVER);
    }
    let mut notify = Notify::default();
    for word in value.split(',') {
        match word.to_ascii_uppercase().as_str() {
            "SUCCESS" => notify.success = true,
            "FAILURE" => notify.failure = true,
            "DELAY" => notify.delay = true,
            _ => return None,
        }
    }
    Some(notify)
}

fn orcpt_of(value: &str) -> Option<OriginalRecipient> {
    let (address_type, address) = value.split_once(';')?;
    let address_type = address_type.to_ascii_lowercase();
    let mut address = xtext::decode(address)?;
    if address_type == "utf-8" {
        address = xtext::decode_unicode(&address)?;
    }
    let named = !address_type.is_empty() && !address.is_empty();
    named.then_some(OriginalRecipient { address_type, address })
}

pub(super) const NEEDS_SMTPUTF8: Reply =
    Reply::fixed(553, (5, 6, 7), "an address in UTF-8 needs SMTPUTF8");
const NOT_TEXT: Reply = Reply::fixed(500, (5, 5, 2), "a command is a line of text");
const UNKNOWN: Reply = Reply::fixed(500, (5, 5, 1), "unknown command");
const NOT_OFFERED: Reply = Reply::fixed(502, (5, 5, 1), "not offered here");
const SYNTAX: Reply = Reply::fixed(501, (5, 5, 4), "this command has another syntax");
const BAD_PATH: Reply =
    Reply::fixed(501, (5, 1, 3), "an address stands in brackets: <user@domain>");
const BAD_PARAMETER: Reply = Reply::fixed(501, (5, 5, 4), "a parameter has no or a wrong value");
const UNKNOWN_PARAMETER: Reply = Reply::fixed(555, (5, 5, 4), "unknown parameter");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivery_report_parameters_are_read() {
        let mail =
            Command::parse(b"mail from:<b+x@b.example> RET=HDRS ENVID=a+2Bb size=12 BODY=8bitmime");
        let expected = Mail {
            from: "b+x@b.example".to_owned(),
            size: Some(12),
            body: Body::EightBitMime,
            smtputf8: false,
            ret: Some(Return::Headers),
            envid: Some("a+b".to_owned()),
        };
        assert_eq!(mail, Ok(Command::Mail(expected)));

        let rcpt = Command::parse(
            b"RCPT TO:<d@x.example> NOTIFY=SUCCESS,delay ORCPT=utf-8;d\\x{F6}rte@x.example",
        );
        let expected = Recipient {
            address: "d@x.example".to_owned(),
            notify: Some(Notify { success: true, failure: false, delay: true }),
            orcpt: Some(OriginalRecipient {
                address_type: "utf-8".to_owned(),
                address: "dörte@x.example".to_owned(),
            }),
        };
        assert_eq!(rcpt, Ok(Command::Rcpt(expected)));
    }

    #[test]
    fn each_mistake_gets_its_reply() {
        for (line, code) in [
            (&b"\xff"[..], "500 5.5.2"),
            (b"NOOP\rRSET", "500 5.5.2"),
            (b"", "500 5.5.1"),
            (b"XYZZY", "500 5.5.1"),
            (b"STARTTLS", "502 5.5.1"),
            (b"EHLO", "501 5.5.4"),
            (b"DATA now", "501 5.5.4"),
            (b"MAIL FROM <a@b.example>", "501 5.5.4"),
            (b"MAIL FROM:a@b.example", "501 5.1.3"),
            (b"MAIL FROM:<a@b.example>SIZE=1", "501 5.5.4"),
            (b"MAIL FROM:<> SIZE=-1", "501 5.5.4"),
            (b"MAIL FROM:<> SIZE=1 SIZE=1", "501 5.5.4"),
            (b"MAIL FROM:<> BODY=BINARYMIME", "501 5.5.4"),
            (b"MAIL FROM:<> AUTH=<>", "555 5.5.4"),
            ("MAIL FROM:<ä@b.example>".as_bytes(), "553 5.6.7"),
            (b"RCPT TO:<>", "501 5.1.3"),
            (b"RCPT TO:<a@b.example> NOTIFY=NEVER,DELAY", "501 5.5.4"),
            (b"RCPT TO:<a@b.example> ORCPT=a@b.example", "501 5.5.4"),
        ] {
            let reply = Command::parse(line).unwrap_err().to_string();
            assert!(reply.starts_with(code), "{} got {reply}", line.escape_ascii());
        }
    }
}
