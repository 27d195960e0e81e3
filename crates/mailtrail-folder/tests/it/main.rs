//! Raw bodies after a crash.

mod power;
