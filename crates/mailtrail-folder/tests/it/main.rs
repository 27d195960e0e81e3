//! Raw bodies after a crash.
#![cfg(test)]

mod full_disk;
mod power;
