//! Azure Communication Services: batches by Event Grid, or `CloudEvents`; no signature.
//!
//! Source: learn.microsoft.com/azure/event-grid/communication-services-email-events.

use mailtrail_core::Event;
use mailtrail_core::diagnosis::Fault;
use mailtrail_core::event::BlockCause;
use mailtrail_core::reason::Reason;

use crate::Request;
use crate::provider::account::Account;
use crate::provider::diagnose::{Class, Failure};
use crate::provider::dialect::{Dialect, Said, Say};
use crate::provider::fields::{Fields, Time};
use crate::provider::reader::Stated;
use crate::provider::signature::Scheme;
use crate::provider::{Answers, Context, Element, Handshake, events};

/// Azure. It gives back nothing of ours but the Message-ID.
#[derive(Debug)]
pub(super) struct Azure;

impl Dialect for Azure {
    fn name(&self) -> &'static str {
        "azure"
    }

    fn answers(&self) -> Answers {
        // It tries again for a day, but not after these.
        Answers { unverified: 429, never: &[400, 401, 403, 413], ..Answers::DEFAULT }
    }

    fn scheme(&self) -> Option<&Scheme> {
        None
    }

    fn asks(&self, _account: &Account, request: &Request<'_>) -> Option<Handshake> {
        if request.method == "OPTIONS" {
            let origin = request.headers.text("webhook-request-origin")?;
            return Some(Handshake::Allow(origin.to_owned()));
        }
        let elements = Element::all(request.body);
        let [element] = elements.as_slice() else { return None };
        let fields = element.fields()?;
        let is_asked = fields.text("eventType") == Some(VALIDATION);
        let code = fields.text("data/validationCode").filter(|_| is_asked)?;
        Some(Handshake::Echo(serde_json::json!({ "validationResponse": code }).to_string()))
    }

    fn read<'a>(&self, fields: Fields<'a>, context: &Context<'_>, say: Say<'_, 'a>) {
        if let Some(said) = read(fields, context) {
            say(said);
        }
    }
}

fn read<'a>(fields: Fields<'a>, context: &Context<'_>) -> Option<Said<'a>> {
    let name = fields.first_text(&["eventType", "type"])?;
    let event_id = fields.text("id").map(Into::into);
    let (event, class) = match name.strip_prefix("Microsoft.Communication.") {
        Some("EmailDeliveryReportReceived") => reported(fields, context),
        Some("EmailEngagementTrackingReportReceived") => engaged(fields),
        // The handshake of Event Grid, and events of others: of no message.
        _ => return Some(Said::new(Stated { event: name, event_id, ..Stated::default() }, None)),
    };
    Some(Said::new(Stated { event_id, ..stated(name, fields) }, event).by(&class))
}

fn stated<'a>(name: &'a str, fields: Fields<'a>) -> Stated<'a> {
    Stated {
        event: name,
        // Older reports of openings lack it.
        recipient: fields.text("data/recipient"),
        message_id: fields.text("data/messageId").map(Into::into),
        header_id: fields.text("data/internetMessageId"),
        occurred: fields.first_time(&TIMES, Time::Iso),
        text: text(fields),
        user_agent: fields.text("data/userAgent"),
        ..Stated::default()
    }
}

/// A report on the delivery. Letters are large and small as it pleases.
fn reported(fields: Fields<'_>, context: &Context<'_>) -> (Option<Event>, String) {
    let status = fields.text("data/status").unwrap_or_default().to_ascii_lowercase();
    let bounced = |class| {
        let failure = Failure { text: text(fields), status: None, class };
        Some(events::bounced(failure, context))
    };
    let event = match status.as_str() {
        "delivered" => Some(events::delivered(text(fields))),
        "bounced" | "failed" => bounced(Class::Silent),
        "quarantined" | "filteredspam" => {
            bounced(Class::Decided(Reason::SpamRejected, Fault::Unknown))
        }
        "suppressed" => Some(events::suppressed(BlockCause::ProviderList)),
        // Expanded: to the members of a list, each of whom has a report. And what Azure may add.
        _ => None,
    };
    (event, status)
}

fn engaged(fields: Fields<'_>) -> (Option<Event>, String) {
    let kind = fields.text("data/engagementType").unwrap_or_default().to_ascii_lowercase();
    let event = match kind.as_str() {
        "view" => Some(events::opened(None, fields.text("data/userAgent"))),
        "click" => Some(events::clicked(None, fields.text("data/engagementContext"))),
        _ => None,
    };
    (event, kind)
}

/// The server's words; in the first schema they were no object.
fn text(fields: Fields<'_>) -> Option<&str> {
    fields.first_text(&["data/deliveryStatusDetails/statusMessage", "data/deliveryStatusDetails"])
}

/// What the documentation calls `TimeStamp` is `Timestamp` on the wire.
const TIMES: [&str; 6] = [
    "data/deliveryAttemptTimestamp",
    "data/deliveryAttemptTimeStamp",
    "data/userActionTimestamp",
    "data/userActionTimeStamp",
    "eventTime",
    "time",
];

/// The handshake of Event Grid.
const VALIDATION: &str = "Microsoft.EventGrid.SubscriptionValidationEvent";
