//! The mailtrail program.

fn main() {}
