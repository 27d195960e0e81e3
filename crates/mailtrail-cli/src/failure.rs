//! Why a command failed, and with which exit code.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use mailtrail::ReportError;
use mailtrail::audit::ExportError;
use mailtrail::core::projection::{CheckpointError, StateError};
use mailtrail::core::store::{Advice, AppendError, OpenError, RawError, ReadError, RedactError};
use mailtrail::remote::LeaseError;
use mailtrail::webhook::intake::RetryError;
use mailtrail::webhook::refused::RingError;

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

    /// What is wrong, each cause behind a colon.
    pub(crate) fn text(&self) -> String {
        in_full(&*self.error)
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
        output::note(format!("mailtrail: {}", in_full(&*self.error)));
        if let Some(advice) = advice(&*self.error) {
            output::note(format!("mailtrail: {advice}"));
        }
        ExitCode::from(self.code)
    }
}

/// What an error says, each cause behind a colon.
pub(crate) fn in_full(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Whoever read our output has gone: nothing is wrong.
fn is_closed_pipe(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    let error: Option<&io::Error> = match error.downcast_ref() {
        Some(ExportError::Write(error)) => Some(error),
        _ => error.downcast_ref(),
    };
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let code = code_of(&error);
        Self { error: Box::new(error), code }
    }
}

/// What to do about it, where that is more than the errors themselves can say: they know nothing of this program.
fn advice(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(ReportError::Paused { projection, .. }) = error.downcast_ref() {
            return Some(format!(
                "once that is mended, `mailtrail projection resume {projection}` tries the event again; \
                 `mailtrail projection skip {projection}` leaves it out"
            ));
        }
        if let Some(kind) = disk_trouble(error) {
            let first = match kind {
                io::ErrorKind::ReadOnlyFilesystem => "make its folder writable again",
                _ => "make room on its disk",
            };
            return Some(format!(
                "{first}, then run this again: what was stored is there, and what was not is stored then"
            ));
        }
        next = error.source();
    }
    None
}

/// The exit code by what went wrong, wherever in the chain of causes it is.
fn code_of(error: &(dyn Error + 'static)) -> u8 {
    let mut next = Some(error);
    while let Some(error) = next {
        if is_passing(error) {
            return 75;
        }
        if let Some(contacts) = error.downcast_ref::<ContactsError>() {
            return if matches!(contacts, ContactsError::Io { .. }) { 66 } else { 65 };
        }
        next = error.source();
    }
    1
}

/// Whether the same may be done later.
fn is_passing(error: &(dyn Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(OpenError::InUse { .. } | OpenError::Io(_)))
        || matches!(error.downcast_ref(), Some(ReadError::Unavailable { .. }))
        || matches!(error.downcast_ref(), Some(RedactError::Unavailable { .. }))
        || matches!(error.downcast_ref(), Some(RawError::Unavailable { .. }))
        || matches!(error.downcast_ref(), Some(StateError::Unavailable { .. } | StateError::Moved))
        || matches!(error.downcast_ref(), Some(CheckpointError::Unavailable { .. }))
        || matches!(error.downcast_ref(), Some(LeaseError::Unavailable(_)))
        || matches!(error.downcast_ref(), Some(RingError::Unavailable { .. }))
        || matches!(
            error.downcast_ref(),
            Some(RetryError::NotRecorded { .. } | RetryError::Ring(_))
        )
        || disk_trouble(error).is_some()
        || error
            .downcast_ref::<AppendError>()
            .is_some_and(|error| matches!(error.advice(), Advice::Later | Advice::SameBatchAgain))
}

/// A disk that takes nothing now.
fn disk_trouble(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let kind = error.downcast_ref::<io::Error>()?.kind();
    let passing = matches!(
        kind,
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::ReadOnlyFilesystem
    );
    passing.then_some(kind)
}

#[cfg(test)]
mod tests {
    use mailtrail::PolicyError;
    use mailtrail::core::store::BoxError;
    use mailtrail::core::store::writer::RestoreError;
    use mailtrail::projection::RunError;

    use super::*;

    fn full() -> BoxError {
        io::Error::from(io::ErrorKind::StorageFull).into()
    }

    #[test]
    fn what_may_be_done_later_exits_75_however_deep_it_is() {
        let state = || StateError::Unavailable { cause: "gone".into() };
        let passing: [Failure; 8] = [
            state().into(),
            CheckpointError::Unavailable { cause: "gone".into() }.into(),
            RawError::Unavailable { cause: "gone".into() }.into(),
            RedactError::Unavailable { cause: "gone".into() }.into(),
            ReportError::Run(RunError::State(state())).into(),
            PolicyError::Report(ReportError::Run(RunError::State(state()))).into(),
            RestoreError::Open(OpenError::InUse { owner: None }).into(),
            io::Error::from(io::ErrorKind::ReadOnlyFilesystem).into(),
        ];
        for failure in passing {
            assert_eq!(failure.code, 75, "{failure:?}");
        }
        let damaged: Failure = StateError::Corrupt { cause: "damaged".into() }.into();
        assert_eq!(damaged.code, 1);
    }

    #[test]
    fn a_full_disk_is_found_behind_every_error_and_a_damaged_one_is_none() {
        let full: [Failure; 3] = [
            OpenError::Io(io::Error::from(io::ErrorKind::StorageFull)).into(),
            AppendError::Unavailable { cause: full() }.into(),
            ReportError::Run(RunError::State(StateError::Unavailable { cause: full() })).into(),
        ];
        for failure in full {
            assert!(advice(&*failure.error).unwrap().starts_with("make room"), "{failure:?}");
        }
        assert_eq!(advice(&OpenError::Io(io::Error::other("what?"))), None);
    }
}
