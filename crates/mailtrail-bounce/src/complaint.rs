//! Complaints: abuse reports (RFC 5965), and what providers send in their place.

use crate::address;
use crate::fields::Fields;
use crate::recipient::{Action, Recipient};

/// What a `message/feedback-report` is.
#[derive(Debug)]
pub(crate) enum Complaint {
    /// A recipient, or several, want no such mail.
    Of(Vec<Recipient>),
    /// A server tells how it authenticated a message (RFC 6591): nobody complains.
    Authentication,
    /// A recipient says that it was no spam.
    NotSpam,
}

/// Reads a report. `returned` is the header of the message that it is about.
pub(crate) fn read(report: &Fields, returned: &Fields) -> Complaint {
    let kind = report.get("feedback-type").unwrap_or("abuse").trim().to_ascii_lowercase();
    match kind.as_str() {
        "auth-failure" | "auth_failure" | "dmarc" => Complaint::Authentication,
        "not-spam" | "not_spam" | "notspam" => Complaint::NotSpam,
        _ => Complaint::Of(of(&kind, "arf", recipients(report, returned))),
    }
}

/// Some providers return the message without a report, and name in its header who complains.
pub(crate) fn by_returned(returned: &Fields) -> Option<Vec<Recipient>> {
    let named: Vec<String> = returned
        .all("x-hmxmroriginalrecipient")
        .flat_map(address::found)
        .map(|found| found.address.to_owned())
        .collect();
    (!named.is_empty()).then(|| of("abuse", "jmrp", named))
}

/// A complaint of one kind by each recipient; by one that is hidden if none is named.
pub(crate) fn of(kind: &str, rule: &'static str, recipients: Vec<String>) -> Vec<Recipient> {
    let complained = |recipient: Option<String>| Recipient {
        recipient,
        action: Action::Complained,
        feedback_type: Some(kind.to_owned()),
        rule,
        ..Recipient::default()
    };
    if recipients.is_empty() {
        return vec![complained(None)];
    }
    recipients.into_iter().map(|recipient| complained(Some(recipient))).collect()
}

/// Who complains: as the report says, else whom the message was sent to.
fn recipients(report: &Fields, returned: &Fields) -> Vec<String> {
    let mut named: Vec<String> = Vec::new();
    let from = |fields: &Fields, name: &str, named: &mut Vec<String>| {
        for value in fields.all(name) {
            for found in address::found(value) {
                if !named.iter().any(|own| address::same(own, found.address)) {
                    named.push(found.address.to_owned());
                }
            }
        }
    };
    for name in ["original-rcpt-to", "removal-recipient"] {
        from(report, name, &mut named);
        if !named.is_empty() {
            return named;
        }
    }
    for name in RECIPIENT_FIELDS {
        from(returned, name, &mut named);
        match named.len() {
            0 => {}
            1 => return named,
            // Which of several people complained is not said.
            _ => return Vec::new(),
        }
    }
    named
}

/// Where the header of a message says whom it was sent to; the envelope goes first.
const RECIPIENT_FIELDS: [&str; 5] =
    ["x-hmxmroriginalrecipient", "x-envelope-to", "x-original-to", "delivered-to", "to"];
