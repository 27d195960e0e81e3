//! What is sent to subscribers: in order for each delivery, at least once, to nobody who must not be reached.
#![cfg(test)]
#![expect(
    clippy::clone_on_ref_ptr,
    reason = "a test hands its stores about; the longer form says no more"
)]

mod endings;
mod files;
mod order;
mod reach;
mod receiver;
mod world;
