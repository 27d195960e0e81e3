//! Why a delivery failed: one table of reasons, with the words that people see.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::status::Status;

/// What a failure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Group {
    /// The address is invalid.
    Address,
    /// The recipient's mailbox.
    Mailbox,
    /// A rule of the recipient's provider.
    Policy,
    /// What the message holds.
    Content,
    /// The network or a system on the way.
    Network,
    /// Nobody knows.
    Unknown,
}

macro_rules! reasons {
    ($($variant:ident $name:literal $group:ident $sentence:literal $advice:literal)*) => {
        /// Our reading of why a delivery failed.
        ///
        /// Its floor never changes for its name; another judgement takes a new name.
        ///
        /// ```
        /// use mailtrail_core::reason::Reason;
        /// use mailtrail_core::Status;
        /// assert_eq!(Reason::UserUnknown.final_status(), Status::Failed);   // the address is invalid
        /// assert_eq!(Reason::MailboxFull.final_status(), Status::Bounced);
        /// assert_eq!(Reason::from_name("a_newer_one"), Reason::Foreign);
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[non_exhaustive]
        pub enum Reason {
            $(#[doc = $sentence] $variant,)*
            /// Nobody could tell.
            #[default]
            Unknown,
            /// A reason of a newer version: counts as unknown, and is counted.
            Foreign,
        }

        impl Reason {
            /// All reasons that this version can give.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)* Self::Unknown];

            /// Its name in JSON.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* Self::Unknown | Self::Foreign => "unknown" }
            }

            /// The reason of this name; [`Foreign`](Self::Foreign) if this version knows none.
            pub fn from_name(name: &str) -> Self {
                match name { $($name => Self::$variant,)* "unknown" => Self::Unknown, _ => Self::Foreign }
            }

            /// What it is about.
            pub fn group(self) -> Group {
                match self { $(Self::$variant => Group::$group,)* Self::Unknown | Self::Foreign => Group::Unknown }
            }

            /// Why, in one sentence.
            pub fn sentence(self) -> &'static str {
                match self {
                    $(Self::$variant => $sentence,)*
                    Self::Unknown => "The message was refused for a reason that nobody could tell.",
                    Self::Foreign => "The message was refused for a reason that this version does not know.",
                }
            }

            /// What to do about it, in one sentence.
            pub fn advice(self) -> &'static str {
                match self {
                    $(Self::$variant => $advice,)*
                    Self::Unknown => "Read the server's own words in the trail.",
                    Self::Foreign => "Update Mailtrail, then look again.",
                }
            }
        }
    };
}

reasons! {
    UserUnknown "user_unknown" Address "There is no such mailbox at this domain." "Ask the contact for a correct address."
    HostUnknown "host_unknown" Address "The domain of the address does not exist." "Ask the contact for a correct address."
    BadAddressSyntax "bad_address_syntax" Address "The text is not a valid email address." "Correct the address."
    MailboxMoved "mailbox_moved" Address "The mailbox has moved and left no forwarding." "Ask the contact for the new address."
    DomainAcceptsNoMail "domain_accepts_no_mail" Address "The domain of the address accepts no mail at all." "Ask the contact for another address."
    MailboxDisabled "mailbox_disabled" Mailbox "The mailbox exists but is disabled." "Ask the contact to reactivate the mailbox or give another address."
    MailboxFull "mailbox_full" Mailbox "The mailbox is full." "Ask the contact to make room."
    MessageTooLarge "message_too_large" Mailbox "The message is larger than the mailbox takes." "Send a smaller message, or a link."
    RecipientRefused "recipient_refused" Mailbox "The recipient's server refuses mail for this mailbox from us." "Ask the contact to allow your address."
    PolicyRejected "policy_rejected" Policy "A rule of the recipient's provider refused the message." "Ask the recipient's provider to allow your server."
    RateLimited "rate_limited" Policy "The recipient's provider takes no more messages from us for now." "Send more slowly."
    Greylisted "greylisted" Policy "The recipient's server asked us to try again later, as it does with servers it doesn't know yet." "Nothing: it is tried again."
    ReputationBlocked "reputation_blocked" Policy "The recipient's provider has our server on a block list." "Ask your mail administrator to have the server delisted."
    AuthenticationFailed "authentication_failed" Policy "The recipient's provider could not verify that the message is from us (SPF, DKIM, DMARC)." "Ask your mail administrator to correct SPF, DKIM and DMARC."
    SenderRejected "sender_rejected" Policy "The recipient's server refuses our sender address." "Check the From address and its domain."
    RelayDenied "relay_denied" Policy "The server does not accept mail for this domain from us." "Ask your mail administrator to check where the domain's mail goes."
    TlsRequired "tls_required" Policy "The recipient's server demands an encrypted connection." "Ask your mail administrator to enable TLS."
    SpamRejected "spam_rejected" Content "The recipient's provider took the message for spam." "Review the message, and ask recipients to allow your address."
    VirusDetected "virus_detected" Content "The recipient's provider found malware in the message." "Check the attachments."
    ContentRejected "content_rejected" Content "The recipient's provider refused the content of the message." "Review the message and its attachments."
    EncodingUnsupported "encoding_unsupported" Content "The recipient's server can't take the message's encoding." "Send without internationalised addresses or 8-bit content."
    ConnectionFailed "connection_failed" Network "The recipient's server could not be reached." "Try again later."
    Expired "expired" Network "It was tried until the time for it was over." "Try again later, or ask the contact for another address."
    LoopDetected "loop_detected" Network "The message went in a circle." "Ask the recipient's provider to check the forwarding."
    SystemError "system_error" Network "The recipient's server had a fault." "Try again later."
    SystemFull "system_full" Network "The recipient's server has no room left." "Try again later."
    DnsError "dns_error" Network "The recipient's domain could not be looked up." "Try again later."
}

impl Reason {
    /// The status of a delivery that is given up for this reason.
    pub fn final_status(self) -> Status {
        match self.group() {
            Group::Address => Status::Failed,
            Group::Mailbox | Group::Policy | Group::Content | Group::Network | Group::Unknown => {
                Status::Bounced
            }
        }
    }

    /// Whether it tells more than nothing.
    pub fn is_known(self) -> bool {
        !matches!(self, Self::Unknown | Self::Foreign)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Reason {
    /// By its name. A kept state tells the reasons of others from an unknown one, as it was told.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let exact = !serializer.is_human_readable() && *self == Self::Foreign;
        serializer.serialize_str(if exact { "foreign" } else { self.name() })
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_name(&Cow::<str>::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_found_by_its_name_and_only_addresses_fail() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_name(reason.name()), *reason);
            let failed = reason.final_status() == Status::Failed;
            assert_eq!(failed, reason.group() == Group::Address);
        }
        assert_eq!(Reason::ALL.len(), 28);
        assert_eq!(Reason::Foreign.final_status(), Status::Bounced);
    }
}
