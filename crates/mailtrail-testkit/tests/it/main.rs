//! The kit is itself tested: each broken store fails exactly its promises.
#![cfg(test)]

mod broken;
