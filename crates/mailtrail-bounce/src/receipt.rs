//! Read receipts (RFC 8098).

use mailtrail_classify::Reply;

use crate::address;
use crate::fields::Fields;
use crate::recipient::{Action, Recipient};
use crate::status::bounded;

/// Reads a `message/disposition-notification`. None if it states no disposition.
pub(crate) fn read(fields: &Fields) -> Option<Recipient> {
    let disposition = fields.get("disposition")?.to_ascii_lowercase();
    let (mode, kind) = disposition.split_once(';').unwrap_or(("", &disposition));
    let kind = kind.trim().split(['/', ' ']).next().unwrap_or_default();
    let action = match kind {
        "displayed" if mode.contains("manual-action") => Action::Displayed,
        "displayed" => Action::DisplayedAutomatically,
        // `failed` says that no receipt could be made, not that the message failed.
        "deleted" | "denied" | "dispatched" | "processed" | "failed" => Action::NotDisplayed,
        _ => return None,
    };
    let final_recipient = fields.get("final-recipient").and_then(address::typed);
    let original = fields.get("original-recipient").and_then(address::typed);
    let diagnostic =
        ["failure", "error", "warning"].iter().find_map(|name| fields.get(name)).map(bounded);
    let reply = Reply::parse(diagnostic.as_deref().unwrap_or_default());
    Some(Recipient {
        recipient: original.or_else(|| final_recipient.clone()),
        final_recipient,
        action,
        enhanced_code: reply.enhanced_code,
        diagnostic,
        reporting_host: fields.get("reporting-ua").map(str::to_owned),
        rule: "mdn",
        ..Recipient::default()
    })
}
