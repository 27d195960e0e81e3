//! What the design promises of the core, as laws over generated histories.
#![cfg(test)]

mod appending;
mod golden;
mod kept;
mod laws;
mod planning;
