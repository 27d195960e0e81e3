//! Sending to a real server in process.
#![cfg(test)]

mod composing;
#[cfg(all(feature = "dns", feature = "sink"))]
mod direct;
#[cfg(feature = "sink")]
mod dispatching;
mod encryption;
mod endpoint;
mod intake;
mod login;
#[cfg(all(feature = "dns", feature = "sink"))]
mod name_server;
mod pipelining;
mod planned;
mod policy;
#[cfg(feature = "sink")]
mod retrying;
#[cfg(feature = "sink")]
mod sending;
#[cfg(feature = "dkim")]
mod signing;
