//! Use cases from end to end, one file each.
#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod auditor;
mod better_rule;
mod change_of_provider;
mod did_a_person_read_it;
mod early_feedback;
mod every_order;
mod fix_your_addresses;
mod forged_bounce;
mod forged_webhook;
mod forgotten;
mod liars_week;
mod no_email_selected;
mod real_postfix;
mod real_servers;
mod relays_log;
mod rows_add_up;
