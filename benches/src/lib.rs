//! What the benches share: seeded events, and how a figure is printed.

mod figure;
mod history;

pub use figure::{Figure, Wanted, best_of};
pub use history::{History, envelopes, history};
