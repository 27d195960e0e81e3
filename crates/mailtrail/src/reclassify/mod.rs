//! Old facts, read again by newer rules: what would change, and then the change.

mod change;
#[cfg(feature = "webhook")]
mod hit;
mod reread;
mod sum;
mod unread;

pub use change::{Change, RowChange};
pub use sum::{LeftAlone, Sum};

use std::collections::VecDeque;

use mailtrail_bounce::Reader;
use mailtrail_classify::Classifier;
use mailtrail_core::event::EncodeError;
use mailtrail_core::projection::StateError;
use mailtrail_core::store::{AppendError, EventStoreExt, Filter, RawError, RawStore, ReadError};
use mailtrail_core::token::Keys;
use mailtrail_core::{Envelope, Position};
use mailtrail_report::EmailLogState;

use crate::{ReportError, Tracker};

/// The failures and hits of a whole store, read again: a plan that is asked change by change, and applied as far
/// as the caller wants it.
///
/// # What is read again?
/// Every `Bounced` and `Deferred` whose reason a classifier gave, by what is stored of it: codes, hosts and
/// the server's words. What a port or provider decided by itself stays, and of a person who was erased what
/// a text had said: nobody can read that again. With [`unread`](Self::unread) also mails that no reader
/// could read when they came; with `hits` also every verdict on a hit that an older
/// table of machines gave.
///
/// # What does it change?
/// A `Reclassified` on the stream of the event says how it is read now. The first reading stays as
/// evidence, and a status never moves back: such rows say *since corrected*. A reading counts if no other
/// one is by rules of a higher sequence, or else digest.
///
/// # Limits
/// The log is read in pages. Rows are looked up in the Email Log: where the tracker keeps states, on
/// disk; else that report is in memory as long as this lives.
///
/// # Example
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use mailtrail::classify::Classifier;
/// use mailtrail::Tracker;
/// use mailtrail::reclassify::Sum;
/// let tracker = Tracker::builder(mailtrail::memory::MemoryStore::new()).open();
/// let classifier = Classifier::builtin()?;
/// let (mut plan, mut sum) = (tracker.reclassify(&classifier), Sum::default());
/// while let Some(change) = plan.next().await? {
///     sum.count(&change);
///     plan.apply([change], "office").await?;               // without this line it is a dry run
/// }
/// assert_eq!(sum.changes, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Reclassify<'a> {
    tracker: &'a Tracker,
    classifier: &'a Classifier,
    mails: Option<(&'a dyn RawStore, &'a Keys)>,
    #[cfg(feature = "webhook")]
    machines: Option<&'a mailtrail_webhook::track::Machines>,
    log: Option<EmailLogState>,
    pass: Pass,
    ready: VecDeque<Change>,
    left_alone: LeftAlone,
}

/// What is read: failures first, so that what a mail adds is seen beside their new readings.
#[derive(Debug)]
enum Pass {
    Begin,
    Failures(Pages),
    #[cfg(feature = "webhook")]
    Hits(Pages),
    Mails(Pages),
    End,
}

/// The events of some types, up to what was stored when it began.
#[derive(Debug)]
struct Pages {
    filter: Filter,
    events: VecDeque<Envelope>,
    next: Option<Position>,
    until: Position,
}

impl Tracker {
    /// Reads old failures again by these rules. Nothing is changed until it is
    /// [applied](Reclassify::apply).
    pub fn reclassify<'a>(&'a self, classifier: &'a Classifier) -> Reclassify<'a> {
        Reclassify {
            tracker: self,
            classifier,
            mails: None,
            #[cfg(feature = "webhook")]
            machines: None,
            log: None,
            pass: Pass::Begin,
            ready: VecDeque::new(),
            left_alone: LeftAlone::default(),
        }
    }
}

impl<'a> Reclassify<'a> {
    /// That reads also the mails which were kept unread, where their bytes are still there.
    pub fn unread(mut self, raw: &'a dyn RawStore, keys: &'a Keys) -> Self {
        self.mails = Some((raw, keys));
        self
    }

    /// That judges hits again, where an older table did.
    #[cfg(feature = "webhook")]
    pub fn hits(mut self, machines: &'a mailtrail_webhook::track::Machines) -> Self {
        self.machines = Some(machines);
        self
    }

    /// The next change: of failures in the order of the log, then of hits, then of mails; `None` at the end.
    ///
    /// # Errors
    /// [`ReclassifyError`]: begin again.
    pub async fn next(&mut self) -> Result<Option<Change>, ReclassifyError> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Ok(Some(change));
            }
            let store = &**self.tracker.store();
            match &mut self.pass {
                Pass::Begin => {
                    let filter = Filter::all().event_type("bounced").event_type("deferred");
                    let until = store.head().await?.position;
                    self.pass = Pass::Failures(Pages::of(filter, until));
                }
                Pass::Failures(pages) => {
                    if let Some(envelope) = pages.next(self.tracker).await? {
                        self.event(&envelope).await?;
                    } else {
                        self.pass = Self::after_failures(pages.until);
                    }
                }
                #[cfg(feature = "webhook")]
                Pass::Hits(pages) => match (pages.next(self.tracker).await?, self.machines) {
                    (Some(envelope), Some(machines)) => {
                        if hit::is_older(machines, &envelope) {
                            self.event(&envelope).await?;
                        }
                    }
                    (Some(_) | None, _) => self.pass = Self::mails(pages.until),
                },
                Pass::Mails(pages) => match (pages.next(self.tracker).await?, self.mails) {
                    (Some(envelope), Some((raw, keys))) => {
                        self.mail(&envelope, raw, keys).await?;
                    }
                    (Some(_) | None, _) => self.pass = Pass::End,
                },
                Pass::End => return Ok(None),
            }
        }
    }

    /// What it left as it is so far, and why.
    pub fn left_alone(&self) -> &LeftAlone {
        &self.left_alone
    }

    /// Appends changes, in one batch as far as the store takes it. `actor` is who wants them. Says how many
    /// are new: applied again they add nothing.
    ///
    /// # Errors
    /// [`ReclassifyError`]: some may be stored; apply them again.
    pub async fn apply(
        &self,
        changes: impl IntoIterator<Item = Change>,
        actor: &str,
    ) -> Result<usize, ReclassifyError> {
        let events = changes.into_iter().map(|change| change.into_event(actor)).collect();
        Ok(self.tracker.store().record(events).await?.new_events())
    }

    #[cfg(feature = "webhook")]
    fn after_failures(until: Position) -> Pass {
        let filter = Filter::all().event_type("opened").event_type("clicked");
        Pass::Hits(Pages::of(filter, until))
    }

    #[cfg(not(feature = "webhook"))]
    fn after_failures(until: Position) -> Pass {
        Self::mails(until)
    }

    fn mails(until: Position) -> Pass {
        Pass::Mails(Pages::of(Filter::all().event_type("custom"), until))
    }

    async fn event(&mut self, envelope: &Envelope) -> Result<(), ReclassifyError> {
        let stream = self.tracker.store().stream(envelope.stream).await?;
        let reread = match self.read_again(envelope, &stream)? {
            reread::Outcome::Changed(reread) => reread,
            outcome => {
                self.left_alone.count(&outcome);
                return Ok(());
            }
        };
        let rows = self.rows(envelope.stream, &reread).await?;
        self.ready.push_back(Change::of_reread(*reread, envelope, rows));
        Ok(())
    }

    fn read_again(
        &self,
        envelope: &Envelope,
        stream: &[Envelope],
    ) -> Result<reread::Outcome, EncodeError> {
        #[cfg(feature = "webhook")]
        if let (Some(machines), "opened" | "clicked") =
            (self.machines, envelope.event.event_type.as_str())
        {
            return hit::read(self.tracker, machines, envelope, stream);
        }
        reread::read(self.tracker, self.classifier, envelope, stream)
    }

    async fn mail(
        &mut self,
        envelope: &Envelope,
        raw: &dyn RawStore,
        keys: &Keys,
    ) -> Result<(), ReclassifyError> {
        let Some(mail) = unread::Mail::of(envelope) else { return Ok(()) };
        let bytes = match raw.read(mail.hash).await {
            Ok(Some(bytes)) => bytes,
            // What is damaged is as good as gone; another mail may still be read.
            Ok(None) | Err(RawError::Corrupt { .. }) => {
                self.left_alone.mails_gone = self.left_alone.mails_gone.saturating_add(1);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let reader = Reader::new(self.classifier, keys);
        let namespace = self.tracker.store().namespace();
        let found = mail.read(&reader, &bytes, &namespace)?;
        if found.is_empty() {
            self.left_alone.mails = self.left_alone.mails.saturating_add(1);
        }
        let known = self.tracker.store().stream(envelope.stream).await?;
        for (event, fact) in found {
            if known.iter().any(|known| known.event.event_id == event.event_id) {
                continue;
            }
            let rows = self.rows_with(envelope.stream, &event, &fact).await?;
            self.ready.push_back(Change::of_mail(envelope, event, &fact, rows));
        }
        Ok(())
    }

    /// The Email Log as it was when it was first needed.
    async fn log(&mut self) -> Result<&EmailLogState, ReclassifyError> {
        let log = match self.log.take() {
            Some(log) => log,
            None => self.tracker.email_log().await?,
        };
        Ok(self.log.insert(log))
    }
}

impl Pages {
    fn of(filter: Filter, until: Position) -> Self {
        Self { filter, events: VecDeque::new(), next: Some(Position::START), until }
    }

    async fn next(&mut self, tracker: &Tracker) -> Result<Option<Envelope>, ReadError> {
        loop {
            if let Some(envelope) = self.events.pop_front() {
                // What is appended meanwhile was read by today's rules.
                return Ok((envelope.position <= self.until).then_some(envelope));
            }
            let Some(after) = self.next else { return Ok(None) };
            let page = tracker.store().read_all(&self.filter, after, PAGE).await?;
            (self.events, self.next) = (page.events.into(), page.next);
        }
    }
}

/// Why old facts could not be read again, or the change not be stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReclassifyError {
    /// The events can't be read. What was applied stays.
    #[error("the events can't be read")]
    Read(#[from] ReadError),
    /// The raw bytes of a mail can't be read now. What was applied stays.
    #[error("the raw bytes of a mail can't be read")]
    Raw(#[from] RawError),
    /// The Email Log can't be made, by which rows are named. What was applied stays.
    #[error("the Email Log can't be made, by which rows are named")]
    Report(#[from] ReportError),
    /// The state of the Email Log can't be read. What was applied stays.
    #[error("the Email Log can't be read, by which rows are named")]
    State(#[from] StateError),
    /// A new reading can't be written.
    #[error("a new reading can't be written")]
    Encode(#[from] EncodeError),
    /// The changes could not be stored, or not all of them: apply them again.
    #[error("the changes could not be stored")]
    Append(#[from] AppendError),
}

/// Events read at once.
const PAGE: usize = 1_000;

#[cfg(test)]
mod tests;
