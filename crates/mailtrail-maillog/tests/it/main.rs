//! Logs as servers write them, and anything else that may stand in one.
#![cfg(test)]

mod golden;
mod laws;
mod support;
