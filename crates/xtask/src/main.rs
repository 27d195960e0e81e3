//! The chores of the Mailtrail project.

fn main() {}
