//! Pages that follow what comes in: one rendering for all who look at the same, by server-sent events.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Extension, RawQuery, State};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::unfold;
use mailtrail_core::Position;
use maud::{Markup, html};
use tokio::sync::watch;

use super::fault::Fault;
use super::frame::safe;
use super::listing::Listing;
use super::overview::Overview;
use super::session::Viewer;
use super::shared::Shared;

/// The part of a page that changes with what comes in, and how far it is at least.
pub(super) struct Fragment {
    pub(super) html: Markup,
    /// The position of the Email Log.
    pub(super) log: Position,
    /// The position of the summaries.
    pub(super) summary: Position,
    /// The position of the trails.
    pub(super) trails: Position,
}

/// The fragment in its page, where the script finds it.
pub(super) fn part(address: &str, fragment: &Fragment) -> Markup {
    html! {
        p class="note" role="status" id="live-state" {}
        div data-live=(address) { (fragment.html) }
    }
}

/// What has to be said about how far this is.
pub(super) fn notice(shared: &Shared) -> Markup {
    html! { @if let Some(notice) = shared.notice() { p class="notice" { (safe(&notice)) } } }
}

pub(super) async fn overview(
    State(shared): State<Arc<Shared>>,
    Extension(viewer): Extension<Viewer>,
    RawQuery(query): RawQuery,
) -> Result<impl IntoResponse, Fault> {
    let overview = Overview::read(query.as_deref().unwrap_or_default());
    follow(&shared, viewer, View::Overview(overview))
}

pub(super) async fn broadcast(
    State(shared): State<Arc<Shared>>,
    Extension(viewer): Extension<Viewer>,
    RawQuery(query): RawQuery,
) -> Result<impl IntoResponse, Fault> {
    let listing = Listing::read(query.as_deref().unwrap_or_default())?;
    follow(&shared, viewer, View::Broadcast(listing))
}

/// What somebody looks at.
#[derive(Debug, Clone)]
enum View {
    Overview(Overview),
    Broadcast(Listing),
}

impl View {
    /// The same for who sees the same.
    fn key(&self) -> String {
        match self {
            Self::Overview(overview) => format!("overview?{}", overview.query()),
            Self::Broadcast(listing) => format!("broadcast?{}", listing.query()),
        }
    }

    fn fragment(&self, shared: &Shared) -> Result<Fragment, Fault> {
        match self {
            Self::Overview(overview) => overview.fragment(shared),
            Self::Broadcast(listing) => super::broadcast::fragment(listing, shared),
        }
    }
}

/// What those see who look at the same.
#[derive(Debug, Clone, Default)]
struct Seen {
    html: Option<Arc<str>>,
    /// Why it is no longer kept up to date; empty if it is.
    trouble: Arc<str>,
}

/// What is looked at now, by key. A viewer holds a place in a channel of one value: the latest. So nobody misses the last
/// state, and nobody who is slow holds more than that.
#[derive(Debug)]
pub(super) struct Views {
    watched: Mutex<HashMap<String, Arc<watch::Sender<Seen>>>>,
    pub(super) closed: watch::Sender<bool>,
}

impl Default for Views {
    fn default() -> Self {
        Self { watched: Mutex::default(), closed: watch::Sender::new(false) }
    }
}

impl Views {
    /// Ends all streams.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<watch::Sender<Seen>>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a place among those who look at this. The first one has it made.
fn look(shared: &Arc<Shared>, view: View) -> Result<watch::Receiver<Seen>, Fault> {
    let key = view.key();
    let mut watched = shared.live.lock();
    let viewers: usize = watched.values().map(|seen| seen.receiver_count()).sum();
    if viewers >= MOST_VIEWERS {
        return Err(Fault::TooMany);
    }
    if let Some(seen) = watched.get(&key) {
        return Ok(seen.subscribe());
    }
    let seen = Arc::new(watch::Sender::new(Seen::default()));
    let receiver = seen.subscribe();
    watched.insert(key.clone(), Arc::clone(&seen));
    tokio::spawn(keep(Arc::clone(shared), key, view, seen));
    Ok(receiver)
}

/// Makes the view anew whenever something came, at most a few times a second, for as long as somebody looks.
async fn keep(shared: Arc<Shared>, key: String, view: View, seen: Arc<watch::Sender<Seen>>) {
    let mut closed = shared.live.closed.subscribe();
    loop {
        let of = view.clone();
        let made = shared.read(move |shared| of.fragment(shared)).await;
        let ([log, summary, trails], trouble) = match made {
            Ok(Fragment { html, log, summary, trails }) => {
                show(&seen, &html.into_string());
                ([log, summary, trails], String::new())
            }
            // It is tried again, also where nothing new comes.
            Err(fault) => ([Position::START; 3], format!("Not up to date: {fault}.")),
        };
        seen.send_if_modified(|seen| {
            let differs = *seen.trouble != *trouble;
            if differs {
                seen.trouble = trouble.into();
            }
            differs
        });
        tokio::time::sleep(REST).await;
        tokio::select! {
            () = shared.log.reached(after(log)) => {}
            () = shared.summary.reached(after(summary)) => {}
            () = shared.trails.reached(after(trails)) => {}
            () = other_notice(&shared) => {}
            () = seen.closed() => {}
            _ = closed.wait_for(|closed| *closed) => {}
        }
        let mut watched = shared.live.lock();
        if seen.receiver_count() == 0 || *shared.live.closed.borrow() {
            watched.remove(&key);
            return;
        }
    }
}

/// Waits until something else has to be said about how far this is.
async fn other_notice(shared: &Shared) {
    let said = shared.notice();
    while shared.notice() == said {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn show(seen: &watch::Sender<Seen>, html: &str) {
    seen.send_if_modified(|seen| {
        let differs = seen.html.as_deref() != Some(html);
        if differs {
            seen.html = Some(html.into());
        }
        differs
    });
}

pub(super) fn after(position: Position) -> Position {
    Position::new(position.get().saturating_add(1))
}

/// The stream of one viewer: it ends with the session.
fn follow(
    shared: &Arc<Shared>,
    viewer: Viewer,
    view: View,
) -> Result<impl IntoResponse + use<>, Fault> {
    let mut seen = look(shared, view)?;
    seen.mark_changed();
    let stream = Stream { shared: Arc::clone(shared), viewer, seen, told: Seen::default() };
    let events = unfold(stream, |mut stream| async move {
        let event = stream.next().await?;
        Some((Ok::<_, Infallible>(event), stream))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

struct Stream {
    shared: Arc<Shared>,
    viewer: Viewer,
    seen: watch::Receiver<Seen>,
    told: Seen,
}

impl Stream {
    async fn next(&mut self) -> Option<Event> {
        let mut closed = self.shared.live.closed.subscribe();
        loop {
            if !self.may_look() {
                return None;
            }
            let now = self.seen.borrow_and_update().clone();
            if let Some(html) = now.html.filter(|html| !self.has_told(html)) {
                self.told.html = Some(Arc::clone(&html));
                return Some(Event::default().event("fragment").data(&*html));
            }
            if now.trouble != self.told.trouble {
                self.told.trouble = Arc::clone(&now.trouble);
                return Some(Event::default().event("trouble").data(safe(&now.trouble)));
            }
            tokio::select! {
                changed = self.seen.changed() => changed.ok()?,
                () = tokio::time::sleep(KEEP_ALIVE) => {}
                _ = closed.wait_for(|closed| *closed) => return None,
            }
        }
    }

    fn has_told(&self, html: &Arc<str>) -> bool {
        self.told.html.as_ref().is_some_and(|told| Arc::ptr_eq(told, html))
    }

    fn may_look(&self) -> bool {
        let session = self.viewer.session.as_deref();
        session.is_none_or(|token| self.shared.sessions.find(token, self.shared.now()).is_some())
    }
}

/// At most four times a second.
const REST: Duration = Duration::from_millis(250);
/// How soon it is noticed that a report stands still, or goes on.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const MOST_VIEWERS: usize = 1_000;
