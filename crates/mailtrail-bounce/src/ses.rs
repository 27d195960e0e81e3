//! Amazon SES's notifications where Amazon SNS mails them
//! (docs.aws.amazon.com/ses: "Amazon SNS notification contents", "Event data that SES publishes to SNS").

use mailtrail_classify::Reply;
use serde::Deserialize;
use serde_json::Value;

use crate::fields::Fields;
use crate::recipient::{Action, Recipient};
use crate::status::bounded;

/// A notification: what happened, and the message that it happened to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Notification {
    #[serde(rename = "notificationType", alias = "eventType")]
    kind: String,
    bounce: Option<Bounce>,
    complaint: Option<Complaint>,
    delivery: Option<Delivery>,
    delivery_delay: Option<Delay>,
    #[serde(default)]
    mail: Original,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Original {
    headers: Vec<Header>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Header {
    name: String,
    value: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Bounce {
    bounced_recipients: Vec<Named>,
    #[serde(rename = "reportingMTA")]
    reporting_mta: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Complaint {
    complained_recipients: Vec<Named>,
    complaint_feedback_type: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Delivery {
    recipients: Vec<String>,
    smtp_response: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Delay {
    delayed_recipients: Vec<Named>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Named {
    email_address: String,
    status: Option<String>,
    diagnostic_code: Option<String>,
}

impl Notification {
    /// Finds the notification in the text of a mail.
    pub(crate) fn find(text: &str) -> Option<Self> {
        let text = text.trim_start();
        if !text.starts_with('{') {
            return None;
        }
        // On its way a long line was folded, in the middle of a string.
        let text = text.replace("\r\n ", "").replace("\n ", "");
        // SNS writes a footer behind the object, and the notification as a string inside of it.
        let outer = serde_json::Deserializer::from_str(&text).into_iter::<Value>().next()?.ok()?;
        match outer.get("Message").and_then(Value::as_str) {
            Some(inner) => serde_json::from_str(inner).ok(),
            None => serde_json::from_value(outer).ok(),
        }
    }

    /// The header of the message, as far as the sender has SES include it.
    pub(crate) fn returned(&self) -> Fields {
        let mut fields = Fields::default();
        self.mail.headers.iter().for_each(|header| fields.push(&header.name, &header.value));
        fields
    }

    /// What it says about each recipient.
    pub(crate) fn recipients(&self) -> Vec<Recipient> {
        match self.kind.as_str() {
            "Bounce" => self.bounce.as_ref().map(Bounce::recipients).unwrap_or_default(),
            "Complaint" => self.complaint.as_ref().map(Complaint::recipients).unwrap_or_default(),
            "Delivery" => self.delivery.as_ref().map(Delivery::recipients).unwrap_or_default(),
            "DeliveryDelay" => {
                self.delivery_delay.as_ref().map(Delay::recipients).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }
}

impl Bounce {
    fn recipients(&self) -> Vec<Recipient> {
        let of = |named: &Named| {
            let mut recipient = named.recipient(Action::Failed);
            recipient.reporting_host = self
                .reporting_mta
                .as_deref()
                .map(|mta| mta.split_once(';').map_or(mta, |(_, host)| host).trim().to_owned());
            recipient
        };
        // Those of the type `Transient` were given up, too: SES says so of a full mailbox.
        self.bounced_recipients.iter().map(of).collect()
    }
}

impl Complaint {
    fn recipients(&self) -> Vec<Recipient> {
        let kind = self.complaint_feedback_type.as_deref().unwrap_or("abuse");
        let named = self.complained_recipients.iter().map(|named| named.email_address.clone());
        match kind {
            "not-spam" | "auth-failure" => Vec::new(),
            _ => crate::complaint::of(kind, "ses", named.collect()),
        }
    }
}

impl Delivery {
    fn recipients(&self) -> Vec<Recipient> {
        let reply = Reply::parse(self.smtp_response.as_deref().unwrap_or_default());
        let delivered = |address: &String| Recipient {
            recipient: Some(address.clone()),
            action: Action::Delivered,
            reply_code: reply.reply_code,
            enhanced_code: reply.enhanced_code,
            rule: "ses",
            ..Recipient::default()
        };
        self.recipients.iter().map(delivered).collect()
    }
}

impl Delay {
    fn recipients(&self) -> Vec<Recipient> {
        self.delayed_recipients.iter().map(|named| named.recipient(Action::Delayed)).collect()
    }
}

impl Named {
    fn recipient(&self, action: Action) -> Recipient {
        let reply = Reply::parse(self.diagnostic_code.as_deref().unwrap_or_default());
        let status_field = self.status.as_deref().and_then(|status| status.trim().parse().ok());
        Recipient {
            recipient: Some(self.email_address.clone()),
            action,
            reply_code: reply.reply_code,
            enhanced_code: reply.enhanced_code.or(status_field),
            status_field,
            diagnostic: self.diagnostic_code.as_deref().map(bounded),
            rule: "ses",
            ..Recipient::default()
        }
    }
}
