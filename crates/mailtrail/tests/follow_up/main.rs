//! The next broadcast from the rows of an earlier one: which are taken over, and which are not.
#![cfg(test)]

mod laws;
mod rows;
mod world;
