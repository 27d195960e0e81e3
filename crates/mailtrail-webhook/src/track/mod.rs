//! Opens: the pixel, the hits on it, and verdicts on who made them.
//!
//! A request for the pixel is stored at once as a `Hit`. If its user agent alone says who made it,
//! the verdict goes into the same append; else a judge appends it when the settle window has passed.

mod hit;
mod judge;
mod limit;
mod link;
pub mod machines;
mod pixel;
mod settle;

pub use hit::{PixelRequest, hit, hits_capped};
pub use judge::{SETTLE_SECONDS, verdict_at_once, verdicts};
pub use limit::{Admission, HitLimiter};
pub use link::{TRAP_LINK, click_url, trap_url, unsubscribe_url};
pub use pixel::{GIF, NO_STORE, pixel_url, token_of};
pub use settle::{Judge, JudgeError};
