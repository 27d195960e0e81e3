//! Projections that run: kept exactly once, paused where they can't go on, never mixed.
#![cfg(test)]
#![expect(
    clippy::clone_on_ref_ptr,
    reason = "a test hands its stores about; the longer form says no more"
)]

mod building;
mod counting;
mod erased;
mod paused;
mod racing;
mod subscribed;
