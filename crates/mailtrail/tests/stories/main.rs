//! Use cases from end to end, one file each.
#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod auditor;
mod early_feedback;
mod every_order;
mod forgotten;
mod liars_week;
mod no_email_selected;
mod real_postfix;
mod relays_log;
mod rows_add_up;
