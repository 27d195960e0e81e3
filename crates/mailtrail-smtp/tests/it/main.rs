//! Sending to a real server in process.
#![cfg(test)]

#[cfg(feature = "sink")]
mod sending;
