//! The live page over HTTP: who gets in, what is shown, and that it follows what comes in.
#![cfg(test)]

mod accessible;
mod api;
mod browser;
mod fixture;
mod following;
mod login;
mod refused;
mod shown;
#[path = "../support/skip.rs"]
mod skip;
