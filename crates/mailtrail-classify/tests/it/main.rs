//! What the rules make of replies, from our own and from the corpora where they are.
#![cfg(test)]

mod corpora;
mod examples;
mod replies;
