//! Mails that a service sends with lettre have a trail.
#![cfg(test)]

mod failing;
mod laws;
mod sending;
mod spool;
mod world;
