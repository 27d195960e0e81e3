//! Opens, clicks and unsubscribing: what is asked of us by whoever reads a message, and verdicts on who that was.
//!
//! A request for the pixel or a link is stored at once as a `Hit`. If it alone says who made it, the verdict goes into
//! the same append; else a judge appends it when the settle window has passed. A GET never unsubscribes.

mod counters;
mod hit;
mod hits;
mod judge;
mod limit;
mod link;
pub(crate) mod machines;
mod pending;
mod pixel;
mod scene;
mod settle;
mod unsubscribe;
mod visit;

pub use counters::HitCounts;
pub use hit::{HitRequest, hit, hits_capped};
pub use hits::{Click, Hits, MOST_WAITING, Unsubscribe};
pub use judge::{SETTLE_SECONDS, verdict_at_once, verdict_on, verdicts};
pub use limit::{Admission, HitLimiter};
pub use link::{TRAP_LINK, click_url, trap_url, unsubscribe_url};
pub use machines::{Machine, Machines, MachinesError};
pub use pending::{LostHit, Pending};
pub use pixel::{GIF, NO_STORE, pixel_url, token_of};
pub use settle::{Judge, JudgeError};
pub use unsubscribe::how_unsubscribed;
pub use visit::{Visit, is_prefetch};
