//! The live page: what people look at after "Send Now", in a browser, and the same data for programs.
//!
//! Pages are made on the server and need no script; with it, the counts and the Email Log of a broadcast follow what comes
//! in. Nobody sees anything without a session.
//!
//! | path | what it shows |
//! |---|---|
//! | `/` | the broadcasts |
//! | `/broadcast?id=…` | one: its counts, its Email Log with filter, search, order and pages |
//! | `/delivery/{id}` | the trail of one delivery, and the Blocked Email list's word on its address |
//! | `/contact?id=…` | what one contact was sent |
//! | `/sheets/{name}` | any other report: ours, and those given as a [`Sheet`] |
//! | `/api/…` | the same as JSON; `/api/openapi.json` describes it |

mod api;
mod block;
mod broadcast;
mod contact;
mod delivery;
mod fault;
mod frame;
mod guard;
mod listing;
mod live;
mod login;
mod overview;
mod rows;
mod session;
mod shared;
mod sheets;
mod user;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use mailtrail_report::sheet::Sheet;
use mailtrail_report::{BroadcastSummary, EmailLog, Trails};

use crate::Tracker;
use crate::projection::Live;
use shared::Shared;

pub use session::TokenError;
pub use user::{Role, User, UserError};

/// What the live page shows, and to whom.
///
/// # Guarantees
/// - Nothing is shown without a session, but for the login itself: by a [one-time link](OpenPage::login_link), or by the
///   secret of a [`User`]. Programs show the secret as a bearer token.
/// - Requests to a host that is neither [named](Self::host) nor this computer's own get 421.
/// - Only a [`Role::Admin`] changes anything, and only from the page itself.
/// - An open page sees the last state of what it shows within a second after the projections have it. What a viewer costs
///   doesn't grow, however much comes in.
///
/// # Example
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use std::sync::Arc;
/// use mailtrail::Tracker;
/// use mailtrail::memory::{MemoryStates, MemoryStore};
/// use mailtrail::page::{Page, Role, User};
/// use mailtrail::projection::Runner;
/// use mailtrail::report::{BroadcastSummary, EmailLog, Trails};
///
/// let (store, states) = (Arc::new(MemoryStore::new()), Arc::new(MemoryStates::default()));
/// let tracker = Tracker::shared(store.clone()).open();
/// let log = Runner::parted(store.clone(), states.clone(), EmailLog).spawn()?;
/// let summary = Runner::parted(store.clone(), states.clone(), BroadcastSummary).spawn()?;
/// let trails = Runner::parted(store, states, Trails).spawn()?;
/// let page = Page::new(tracker, Arc::new(log), Arc::new(summary), Arc::new(trails))
///     .host("mail.school.example")
///     .user(User::new("office", Role::ReadOnly, "correct-horse-battery-staple")?)
///     .open();
/// let app = axum::Router::new().merge(page.router());
/// # let _: axum::Router = app;
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Page {
    tracker: Tracker,
    log: Arc<Live<EmailLog>>,
    summary: Arc<Live<BroadcastSummary>>,
    trails: Arc<Live<Trails>>,
    users: Vec<User>,
    hosts: BTreeSet<String>,
    tls: bool,
    sheets: Vec<NamedSheet>,
}

/// A report that gets a page of its own.
struct NamedSheet {
    name: Box<str>,
    title: Box<str>,
    make: Box<Make>,
}

type Make = dyn Fn() -> Result<Sheet, Box<dyn std::error::Error + Send + Sync>> + Send + Sync;

impl Page {
    /// A page of what these know, with all reports that are made of them.
    pub fn new(
        tracker: Tracker,
        log: Arc<Live<EmailLog>>,
        summary: Arc<Live<BroadcastSummary>>,
        trails: Arc<Live<Trails>>,
    ) -> Self {
        let (users, hosts, sheets) = (Vec::new(), BTreeSet::new(), Vec::new());
        let page = Self { tracker, log, summary, trails, users, hosts, tls: false, sheets };
        sheets::of_trails(sheets::of_log(page))
    }

    /// For this user, too.
    pub fn user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// At this host, too: a name or an address, without a port.
    pub fn host(mut self, host: &str) -> Self {
        self.hosts.insert(host.trim_end_matches('.').to_ascii_lowercase());
        self
    }

    /// Reached by TLS only, also on this computer: then every cookie says so. At other hosts it says so in any case.
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    /// With a report of its own page, and of its own name in the API. It is made anew whenever it is looked at, on a thread
    /// that may wait.
    pub fn sheet(
        mut self,
        name: &str,
        title: &str,
        make: impl Fn() -> Result<Sheet, Box<dyn std::error::Error + Send + Sync>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.sheets.push(NamedSheet {
            name: name.into(),
            title: title.into(),
            make: Box::new(make),
        });
        self
    }

    /// Opens it.
    pub fn open(self) -> OpenPage {
        let shared = Arc::new(Shared::of(self));
        rows::begin(&shared);
        OpenPage(shared)
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("users", &self.users)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

/// A page that is open: its routes, and its sessions.
#[derive(Clone)]
pub struct OpenPage(Arc<Shared>);

impl OpenPage {
    /// The routes, with all that guards them. They stand beside those of webhooks and hits.
    pub fn router(&self) -> Router {
        let shared = Arc::clone(&self.0);
        Router::new()
            .route("/", get(overview::show))
            .route("/broadcast", get(broadcast::show))
            .route("/delivery/{id}", get(delivery::show))
            .route("/contact", get(contact::show))
            .route("/sheets/{name}", get(sheets::show))
            .route("/block", post(block::block))
            .route("/unblock", post(block::unblock))
            .route("/live/overview", get(live::overview))
            .route("/live/broadcast", get(live::broadcast))
            .route(login::PATH, get(login::show).post(login::with_secret))
            .route("/logout", post(login::leave))
            .route(frame::STYLE_PATH, get(frame::style))
            .route(frame::SCRIPT_PATH, get(frame::script))
            .merge(api::routes())
            // Not of what has no route: a webhook at a wrong address is not to be sent to a login.
            .route_layer(from_fn_with_state(Arc::clone(&shared), guard::guard))
            .with_state(shared)
    }

    /// A link that logs in as an admin, once, within ten minutes. Show it to whoever runs this process, and to nobody else.
    ///
    /// # Errors
    /// [`TokenError`] if the operating system has no randomness.
    pub fn login_link(&self, base: &str) -> Result<String, TokenError> {
        let token = self.0.sessions.link(self.0.now())?;
        Ok(format!("{}{}?once={token}", base.trim_end_matches('/'), login::PATH))
    }

    /// Ends the streams of open pages, so that a server that stops doesn't wait for them. The pages ask again.
    pub fn close(&self) {
        self.0.live.close();
    }
}

impl fmt::Debug for OpenPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenPage").finish_non_exhaustive()
    }
}
