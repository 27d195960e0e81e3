//! The kit is itself tested: what is broken fails exactly its promises.
#![cfg(test)]

mod broken;
mod chaos;
mod given;
mod projections;
mod reproduction;
mod shapes;
