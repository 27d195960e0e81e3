//! Raw bodies after a crash.

mod full_disk;
mod power;
