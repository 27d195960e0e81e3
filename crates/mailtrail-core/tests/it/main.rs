//! What the design promises of the core, as laws over generated histories.

mod golden;
mod laws;
mod planning;
