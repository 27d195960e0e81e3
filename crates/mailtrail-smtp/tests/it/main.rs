//! Sending to a real server in process, and taking back what bounces.
#![cfg(all(test, feature = "sink"))]

mod sending;
