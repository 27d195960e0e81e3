//! The servers: one file each, with the same function `read`.

mod exim;
mod opensmtpd;
mod postfix;

use crate::entry::Entry;
use crate::line::Line;

/// Whose log it is.
///
/// ```
/// use mailtrail_maillog::Mta;
/// assert_eq!(Mta::OpenSmtpd.name(), "opensmtpd");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mta {
    /// Through syslog, or its own `maillog_file`.
    Postfix,
    /// The main log, or through syslog.
    Exim,
    /// OpenSMTPD, through syslog.
    OpenSmtpd,
}

impl Mta {
    /// Its name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postfix => "postfix",
            Self::Exim => "exim",
            Self::OpenSmtpd => "opensmtpd",
        }
    }

    /// The name of the source in events.
    pub(crate) fn source(self) -> &'static str {
        match self {
            Self::Postfix => "log:postfix",
            Self::Exim => "log:exim",
            Self::OpenSmtpd => "log:opensmtpd",
        }
    }

    /// The line without its prefix.
    pub(crate) fn line(self, line: &str) -> Option<Line<'_>> {
        match self {
            Self::Postfix | Self::OpenSmtpd => Line::syslog(line),
            Self::Exim => Line::exim(line),
        }
    }

    /// What a line says, if it says anything of a message.
    pub(crate) fn read<'a>(self, line: &Line<'a>) -> Option<Entry<'a>> {
        match self {
            Self::Postfix => postfix::read(line),
            Self::Exim => exim::read(line),
            Self::OpenSmtpd => opensmtpd::read(line),
        }
    }
}

/// The text between the first `start` and the next `end`.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(found, _)| found)
}
