//! The machine: reads, orders, posts, tries again, pauses, keeps its place.

mod answers;

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_channel::oneshot;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use mailtrail_core::clock::Clock;
use mailtrail_core::store::Filter;
use mailtrail_core::{Envelope, EventStore, Position};
use mailtrail_report::EmailLog;
use mailtrail_webhook::outbound::{Answer, Failed};
use tokio::time::sleep;

use super::folder::{Kept, SubscriberFolder, Waiting};
use super::lanes::{Lanes, Ticket};
use super::maker::{Made, Maker};
use super::outgoing::{Again, Outgoing};
use super::subscriber::Subscriber;
use super::worker::{CLOSE_WITHIN, Shared, StartError};
use crate::Tracker;
use crate::projection::{Live, Subscription, chain};

/// All that sends to one subscriber. Everything that takes time is one of the futures in `under_way`.
pub(super) struct Sending {
    subscriber: Subscriber,
    maker: Arc<Maker>,
    clock: Arc<dyn Clock>,
    folder: SubscriberFolder,
    shared: Arc<Shared>,
    under_way: FuturesUnordered<Pin<Box<dyn Future<Output = Happened> + Send>>>,
    /// Where it reads, while it doesn't.
    subscription: Option<Subscription>,
    /// Messages of events that were read before, to be made once more.
    again: VecDeque<Again>,
    is_making_again: bool,
    lanes: Lanes<Outgoing>,
    /// Those that may go: tried before, and not.
    due: BTreeSet<Ticket>,
    fresh: BTreeSet<Ticket>,
    posting: usize,
    /// Nothing begins before.
    rests_until: Option<Instant>,
    kept: Kept,
    is_changed: bool,
}

/// What has happened.
enum Happened {
    Read(Subscription, Box<Envelope>, Vec<Made>),
    /// The messages that are the first in `again`.
    MadeAgain(Option<Box<Envelope>>, Vec<Made>),
    Posted(Ticket, Result<Answer, Failed>),
    Due(Ticket, u32),
    /// It is time to look whether someone asks for something.
    Look(Option<Position>),
}

impl Sending {
    pub(super) async fn open(
        subscriber: Subscriber,
        tracker: &Tracker,
        log: Arc<Live<EmailLog>>,
        folder: SubscriberFolder,
        shared: Arc<Shared>,
    ) -> Result<Self, StartError> {
        let store = Arc::clone(tracker.store());
        let kept = match folder.kept()? {
            Some(kept) => kept,
            None => begin(&subscriber, &*store, &folder).await?,
        };
        let (name, place) = (subscriber.name.clone(), Arc::new(folder.clone()));
        let subscription = Subscription::open(Arc::clone(&store), place, &name, Filter::all())?;
        let letters =
            folder.dead_letters()?.into_iter().map(|letter| letter.message).collect::<HashSet<_>>();
        {
            let mut standing = shared.standing();
            standing.dead_letters = letters.len();
            (standing.position, standing.head) = (kept.position, kept.position);
            (standing.waiting, standing.paused) = (kept.waiting.len(), kept.paused.clone());
        }
        let again = Again::of(&kept.waiting, &letters);
        let wanted = subscriber.wanted.clone();
        Ok(Self {
            subscriber,
            maker: Arc::new(Maker { store, log, name, wanted }),
            clock: Arc::clone(tracker.clock()),
            folder,
            shared,
            under_way: FuturesUnordered::new(),
            subscription: Some(subscription),
            again,
            is_making_again: false,
            lanes: Lanes::default(),
            due: BTreeSet::new(),
            fresh: BTreeSet::new(),
            posting: 0,
            rests_until: None,
            kept,
            is_changed: false,
        })
    }

    /// Sends until it is told to stop; then ends what is under way, and keeps its place.
    pub(super) async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        self.look_later();
        loop {
            self.begin_posts();
            self.read_on();
            match select(self.under_way.next(), &mut stopped).await {
                Either::Left((Some(happened), _)) => self.take(happened),
                // There is always the next look.
                Either::Left((None, _)) | Either::Right(_) => break,
            }
        }
        let ending = async {
            while self.posting > 0
                && let Some(happened) = self.under_way.next().await
            {
                if let Happened::Posted(ticket, answer) = happened {
                    self.answered(ticket, answer);
                }
            }
        };
        tokio::time::timeout(CLOSE_WITHIN, ending).await.ok();
        self.keep();
    }

    fn take(&mut self, happened: Happened) {
        match happened {
            Happened::Read(subscription, envelope, made) => {
                self.subscription = Some(subscription);
                self.kept.position = envelope.position;
                self.is_changed = true;
                for made in made {
                    self.push(made, &envelope, None, false);
                }
                self.tell();
            }
            Happened::MadeAgain(envelope, made) => self.made_again(envelope, made),
            Happened::Posted(ticket, answer) => self.answered(ticket, answer),
            Happened::Due(ticket, attempts) => {
                let waits = |out: &mut Outgoing| !out.is_posting && out.attempts == attempts;
                if self.lanes.get_mut(ticket).is_some_and(waits) {
                    self.due.insert(ticket);
                }
            }
            Happened::Look(head) => self.look(head),
        }
    }

    /// Begins as many attempts as may be under way.
    fn begin_posts(&mut self) {
        if self.kept.paused.is_some()
            || self.rests_until.is_some_and(|until| until > Instant::now())
        {
            return;
        }
        while self.posting < self.subscriber.at_once
            && let Some(ticket) = self.next_to_post()
        {
            let taken = self.kept.taken;
            let Some(out) = self.lanes.get_mut(ticket) else { continue };
            if out.attempts == 0 {
                out.taken_before = taken;
            }
            out.is_posting = true;
            self.posting = self.posting.saturating_add(1);
            let (poster, message) = (Arc::clone(&self.subscriber.poster), Arc::clone(&out.message));
            self.under_way.push(Box::pin(async move {
                let answer = poster.post(&message).await;
                Happened::Posted(ticket, answer)
            }));
        }
    }

    fn next_to_post(&mut self) -> Option<Ticket> {
        if let Some(ticket) = self.due.pop_first() {
            return Some(ticket);
        }
        let tried = self.lanes.iter().filter(|(_, out)| out.attempts > 0).count();
        if tried < MOST_TRIED { self.fresh.pop_first() } else { None }
    }

    /// Reads the next event, if there is room for its messages: first those that were read in another life.
    fn read_on(&mut self) {
        if self.kept.paused.is_some() || self.lanes.len() >= MOST_WAITING || self.is_making_again {
            return;
        }
        let (maker, shared) = (Arc::clone(&self.maker), Arc::clone(&self.shared));
        if let Some(position) = self.again.front().map(|again| again.position) {
            self.is_making_again = true;
            self.under_way.push(Box::pin(async move {
                let (envelope, made) = loop {
                    match maker.event_at(position).await {
                        Ok(None) => break (None, Vec::new()),
                        Ok(Some(envelope)) => {
                            let made = make(&maker, &shared, &envelope).await;
                            break (Some(Box::new(envelope)), made);
                        }
                        Err(error) => wait_for(&shared, &error).await,
                    }
                };
                Happened::MadeAgain(envelope, made)
            }));
        } else if let Some(mut subscription) = self.subscription.take() {
            self.under_way.push(Box::pin(async move {
                let envelope = loop {
                    match subscription.next().await {
                        Ok(envelope) => break envelope,
                        Err(error) => wait_for(&shared, &error).await,
                    }
                };
                let made = make(&maker, &shared, &envelope).await;
                Happened::Read(subscription, Box::new(envelope), made)
            }));
        }
    }

    fn push(&mut self, made: Made, envelope: &Envelope, before: Option<&Waiting>, is_letter: bool) {
        let outgoing = Outgoing {
            message: Arc::new(made.message),
            event: envelope.event.event_id,
            position: envelope.position,
            attempts: before.map_or(0, |waiting| waiting.attempts),
            taken_before: before.map_or(0, |waiting| waiting.taken_before),
            due_at: before.and_then(|waiting| waiting.due_at),
            is_posting: false,
            is_letter,
        };
        let ticket = self.lanes.push(made.lanes, outgoing);
        self.may_go([ticket]);
    }

    /// These may go, where they are first.
    fn may_go(&mut self, tickets: impl IntoIterator<Item = Ticket>) {
        for ticket in tickets {
            if !self.lanes.is_first(ticket) {
                continue;
            }
            let now = self.clock.now();
            match self.lanes.get_mut(ticket) {
                Some(out) if out.is_posting => {}
                Some(out) if out.attempts == 0 => drop(self.fresh.insert(ticket)),
                Some(out) => {
                    let wait = out.due_at.and_then(|due| (due - now).to_std().ok());
                    let (attempts, wait) = (out.attempts, wait.unwrap_or_default());
                    self.try_later(ticket, attempts, wait.min(LONGEST));
                }
                None => {}
            }
        }
    }

    fn made_again(&mut self, envelope: Option<Box<Envelope>>, made: Vec<Made>) {
        self.is_making_again = false;
        let Some(mut again) = self.again.pop_front() else { return };
        if let Some(envelope) = envelope {
            for made in made {
                if let Some((waiting, is_letter)) = again.waiting.remove(&made.message.id) {
                    self.push(made, &envelope, Some(&waiting), is_letter);
                }
            }
        }
        // What the subscriber doesn't want any more is not made.
        for (message, (_, is_letter)) in again.waiting {
            if is_letter {
                self.unbury(&message);
            }
        }
        self.is_changed = true;
        self.tell();
    }

    fn look(&mut self, head: Option<Position>) {
        if let Some(head) = head {
            self.shared.standing().head = head;
        }
        if let Err(error) = self.look_into_folder() {
            self.shared.standing().error = Some(chain(&error));
        }
        if self.is_changed {
            self.keep();
        }
        self.tell();
        self.look_later();
    }

    fn look_into_folder(&mut self) -> io::Result<()> {
        if self.folder.take_resume()? {
            self.resume();
        }
        let letters = self.folder.take_replay()?;
        if !letters.is_empty() {
            let waiting = self.lanes.iter().map(|(_, out)| &out.message.id);
            let again = self.again.iter().flat_map(|again| again.waiting.keys());
            let waiting: HashSet<_> = waiting.chain(again).cloned().collect();
            let new = letters.into_iter().filter(|letter| !waiting.contains(&letter.message));
            self.again.extend(new.map(Again::letter));
        }
        Ok(())
    }

    fn look_later(&self) {
        let store = Arc::clone(&self.maker.store);
        self.under_way.push(Box::pin(async move {
            sleep(LOOK_EVERY).await;
            Happened::Look(store.head().await.ok().map(|head| head.position))
        }));
    }

    /// Writes down how far it is. What it can't, it tries again.
    fn keep(&mut self) {
        let outgoing = self.lanes.iter().map(|(_, out)| (out.waiting(), out.is_letter));
        let again = self.again.iter().flat_map(|again| again.waiting.values().cloned());
        // A dead letter is kept as one until it is taken.
        let waiting = again.chain(outgoing).filter(|(_, is_letter)| !is_letter);
        let mut waiting: Vec<_> = waiting.map(|(waiting, _)| waiting).collect();
        waiting.sort_by_key(|waiting| waiting.position);
        self.kept.waiting = waiting;
        match self.folder.keep(&self.kept) {
            Ok(()) => self.is_changed = false,
            Err(error) => {
                self.is_changed = true;
                self.shared.standing().error = Some(chain(&error));
            }
        }
        self.tell();
    }

    fn tell(&self) {
        let mut standing = self.shared.standing();
        let again = self.again.iter().map(|again| again.waiting.len()).sum();
        standing.waiting = self.lanes.len().saturating_add(again);
        standing.position = self.kept.position;
        standing.head = standing.head.max(self.kept.position);
        standing.paused.clone_from(&self.kept.paused);
    }
}

/// The messages of an event, as soon as they can be made.
async fn make(maker: &Maker, shared: &Shared, envelope: &Envelope) -> Vec<Made> {
    loop {
        match maker.make(envelope).await {
            Ok(made) => return made,
            Err(error) => wait_for(shared, &error).await,
        }
    }
}

/// The place of a new subscriber.
async fn begin(
    subscriber: &Subscriber,
    store: &dyn EventStore,
    folder: &SubscriberFolder,
) -> Result<Kept, StartError> {
    let mut kept = Kept::default();
    if subscriber.from_now {
        kept.position = store.head().await?.position;
    }
    folder.keep(&kept)?;
    Ok(kept)
}

/// Says what is wrong, and lets some time pass.
async fn wait_for(shared: &Shared, error: &(dyn Error + Sync)) {
    shared.standing().error = Some(chain(error));
    sleep(TRY_AGAIN).await;
}

/// How many messages wait before no more events are read.
const MOST_WAITING: usize = 256;
/// How many messages are tried again at the same time, before no others are tried.
const MOST_TRIED: usize = 64;
/// How often the place is kept, and looked for what is asked.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How soon it is tried again to read and to write.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// No wait is longer, whatever a clock says.
const LONGEST: Duration = Duration::from_secs(2 * 86_400);
