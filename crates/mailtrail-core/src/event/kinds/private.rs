//! What identifies a person.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

payload! {
    /// What identifies a person, kept apart so that it can be erased while facts and sums stay.
    Private {
        /// The address as given.
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<Box<str>>,
        /// What a `Custom` event holds.
        #[serde(skip_serializing_if = "Option::is_none")]
        custom: Option<Value>,
        /// The peer's IP address.
        #[serde(skip_serializing_if = "Option::is_none")]
        ip: Option<Box<str>>,
        /// The labels of the row.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        labels: BTreeMap<String, String>,
        /// The contact's name as given.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<Box<str>>,
        /// The address that an auto-reply names.
        #[serde(skip_serializing_if = "Option::is_none")]
        new_address: Option<Box<str>>,
        /// Its normal form.
        #[serde(skip_serializing_if = "Option::is_none")]
        normal_address: Option<Box<str>>,
        /// The claimed time as written, if it can't be one.
        #[serde(skip_serializing_if = "Option::is_none")]
        occurred_at_text: Option<Box<str>>,
        /// Other addresses of the contact.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        other_addresses: Vec<Box<str>>,
        /// The recipient that the feedback names, as written.
        #[serde(skip_serializing_if = "Option::is_none")]
        recipient: Option<Box<str>>,
        /// The texts of the replies of a [`Transcript`](crate::event::Transcript), each at its place.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        replies: Vec<Box<str>>,
        /// The subject line.
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<Box<str>>,
        /// The text of others: a reply, a diagnostic text, a note.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<Box<str>>,
        /// The user agent.
        #[serde(skip_serializing_if = "Option::is_none")]
        user_agent: Option<Box<str>>,
    }
}

impl Private {
    /// Whether there is nothing to keep apart.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
