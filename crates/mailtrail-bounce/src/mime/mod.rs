//! Where the parts of a mail lie. What is in them is decoded when someone asks for it.

mod header;
mod part;
mod quoted;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use header::Header;
pub(crate) use part::{Part, Shape};
pub(crate) use walk::parts;
