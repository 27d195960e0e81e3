//! Other stores beside ours, in the same run, with the same events: how many a second become durable, and how many are
//! read back and folded. What each promises stands beside its number; only equal durability is compared.
//!
//! Run by `cargo xtask bench peers`. Where a rival is absent, that is said, and no figure printed.

mod append;
mod bare;
mod duckdb;
mod evento;
mod events;
mod ours;
mod peer;
mod postgres_es;
mod replay;
mod sqlite;
mod stage;

use mailtrail_benches::Wanted;

use crate::stage::Stage;

fn main() {
    let wanted = Wanted::from_args();
    let stage = Stage::set();
    eprintln!("{} events", stage.events.len());
    append::append(&stage, &wanted);
    replay::replay(&stage, &wanted);
}
