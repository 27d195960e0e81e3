//! What each event says: the facts that go into `data`, and the personal part.

/// Fields that stand in the order of their names are written in that order, which RFC 8785 asks for: nothing has to be moved.
macro_rules! payload {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(default)]
        #[non_exhaustive]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
    };
}

mod answer;
mod list;
mod planning;
mod private;
mod sending;
mod tracking;
mod transcript;

pub use answer::{
    AutoReplied, Complained, Custom, Reading, Reclassified, Resubscribed, Unsubscribed,
    UnsubscribedHow,
};
pub use list::{AddressBlocked, AddressUnblocked, BlockCause, Suppressed, SuppressedBy};
pub use planning::{
    AddressClaimed, BroadcastClosed, BroadcastCreated, Duplicated, Malformed, NotSelected, Queued,
    Row,
};
pub use private::Private;
pub use sending::{Attempted, Bounced, ConfirmedBy, Deferred, Delivered, Sent, SentStage};
pub use tracking::{Agent, Clicked, Hit, HitKind, Opened};
pub use transcript::{Encryption, Said, Stage, Transcript};
