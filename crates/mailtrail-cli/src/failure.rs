//! Why a command failed, and with which exit code.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use mailtrail::ReportError;
use mailtrail::core::store::{Advice, AppendError, OpenError, ReadError};

use crate::contacts::ContactsError;
use crate::output;

/// An error on its way to the user.
#[derive(Debug)]
pub(crate) struct Failure {
    error: Box<dyn Error + Send + Sync>,
    code: u8,
}

impl Failure {
    /// The input is not what it should be (`EX_DATAERR`).
    pub(crate) fn data(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { error: error.into(), code: 65 }
    }

    /// An input can't be read (`EX_NOINPUT`).
    pub(crate) fn input(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { error: error.into(), code: 66 }
    }

    /// It can't be done now (`EX_TEMPFAIL`).
    pub(crate) fn again(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { error: error.into(), code: 75 }
    }

    /// Anything else.
    pub(crate) fn other(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { error: error.into(), code: 1 }
    }

    /// The same, with another exit code.
    pub(crate) fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// Why a store could not be opened, if that is what failed.
    pub(crate) fn cause(&self) -> Option<&OpenError> {
        let error: &(dyn Error + 'static) = &*self.error;
        error.downcast_ref()
    }

    /// Says what is wrong, each cause behind a colon.
    pub(crate) fn report(self) -> ExitCode {
        if is_closed_pipe(&*self.error) {
            return ExitCode::SUCCESS;
        }
        let mut text = self.error.to_string();
        let mut cause = self.error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        output::note(format!("mailtrail: {text}"));
        if let Some(advice) = advice(&*self.error) {
            output::note(format!("mailtrail: {advice}"));
        }
        ExitCode::from(self.code)
    }
}

/// Whoever read our output has gone: nothing is wrong.
fn is_closed_pipe(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let code = code_of(&error);
        Self { error: Box::new(error), code }
    }
}

/// What to do about it, where that is more than the errors themselves can say: they know nothing of this program.
fn advice(error: &(dyn Error + 'static)) -> Option<String> {
    match error.downcast_ref() {
        Some(ReportError::Paused { projection, .. }) => Some(format!(
            "once that is mended, `mailtrail projection resume {projection}` tries the event again; \
             `mailtrail projection skip {projection}` leaves it out"
        )),
        _ => None,
    }
}

/// The exit code by what went wrong, wherever in the chain of causes it is.
fn code_of(error: &(dyn Error + 'static)) -> u8 {
    let mut next = Some(error);
    while let Some(error) = next {
        let passing =
            matches!(error.downcast_ref(), Some(OpenError::InUse { .. } | OpenError::Io(_)))
                || matches!(error.downcast_ref(), Some(ReadError::Unavailable { .. }))
                || error.downcast_ref::<AppendError>().is_some_and(|error| {
                    matches!(error.advice(), Advice::Later | Advice::SameBatchAgain)
                });
        if passing {
            return 75;
        }
        if let Some(contacts) = error.downcast_ref::<ContactsError>() {
            return if matches!(contacts, ContactsError::Io { .. }) { 66 } else { 65 };
        }
        next = error.source();
    }
    1
}
