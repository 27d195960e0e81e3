//! Sending to a real server in process.
#![cfg(test)]

mod encryption;
mod endpoint;
mod login;
mod planned;
#[cfg(feature = "sink")]
mod retrying;
#[cfg(feature = "sink")]
mod sending;
