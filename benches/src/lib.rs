//! What the benches share: seeded events, a large data set, and how a figure is printed.

pub mod dataset;
mod figure;
mod history;
mod memory;
pub mod postgres;
pub mod server;
pub mod viewer;

pub use figure::{Figure, Wanted, best_of, percentile};
pub use history::{History, broadcast, delivery, envelopes, history, keyed};
pub use memory::{peak_bytes, resident_bytes};

/// The allocator of the command line, whose speed is measured.
#[macro_export]
macro_rules! allocator {
    () => {
        #[global_allocator]
        static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
    };
}
