//! The reports, over generated histories and over one realistic log.
#![cfg(test)]

mod golden;
mod index;
mod kept;
mod laws;
#[cfg(all(feature = "html", feature = "parquet"))]
mod renderings;
mod story;
mod views;
