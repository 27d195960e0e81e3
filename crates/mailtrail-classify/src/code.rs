//! What codes alone say (RFC 3463 and the IANA registry of enhanced codes; RFC 5321 §4.2.3).

use mailtrail_core::diagnosis::{EnhancedCode, ReplyCode};
use mailtrail_core::reason::Reason;

use crate::reply::Reply;

/// The reason that an enhanced code states, if it states one.
#[expect(clippy::match_same_arms, reason = "in the registry's order")]
pub(crate) fn enhanced(code: EnhancedCode) -> Option<Reason> {
    Some(match (code.subject(), code.detail()) {
        (1, 0 | 1 | 6) if code.class() == 4 => return None,
        (1, 1) => Reason::UserUnknown,
        (1, 2) => Reason::HostUnknown,
        (1, 3) => Reason::BadAddressSyntax,
        (1, 6) => Reason::MailboxMoved,
        (1, 7 | 8) => Reason::SenderRejected,
        (1, 9) => Reason::EncodingUnsupported,
        (1, 10) => Reason::DomainAcceptsNoMail,
        (2, 1) => Reason::MailboxDisabled,
        (2, 2) => Reason::MailboxFull,
        (2, 3) | (3, 4) => Reason::MessageTooLarge,
        (3, 1) => Reason::SystemFull,
        (3, 0 | 2 | 5) | (4, 5) => Reason::SystemError,
        (4, 1 | 2) => Reason::ConnectionFailed,
        (4, 3 | 4) => Reason::DnsError,
        (4, 6) => Reason::LoopDetected,
        (4, 7) => Reason::Expired,
        (6, 3 | 7 | 9) => Reason::EncodingUnsupported,
        (6, _) => Reason::ContentRejected,
        (7, 20..=26) => Reason::AuthenticationFailed,
        (7, 27) => Reason::SenderRejected,
        (7, 28) => Reason::RateLimited,
        (7, 10 | 30) => Reason::TlsRequired,
        (7, 8 | 9) => Reason::RelayDenied,
        (7, _) => Reason::PolicyRejected,
        _ => return None,
    })
}

/// Whether a text that says more goes before what the enhanced code says.
pub(crate) fn is_vague(by_enhanced: Reason, reply: &Reply) -> bool {
    // A code for any policy says less than a text that names it; and servers give a domain that does
    // not exist the code of one that can't be looked up (Postfix: 5.4.4).
    let final_code = reply.enhanced_code.is_some_and(|code| code.class() == 5);
    matches!(by_enhanced, Reason::PolicyRejected | Reason::SystemError)
        || (by_enhanced == Reason::DnsError && final_code)
}

/// The reason that a reply code alone states, if it states one.
#[expect(clippy::match_same_arms, reason = "in the order of the codes")]
pub(crate) fn reply(code: ReplyCode) -> Option<Reason> {
    Some(match code.get() {
        421 => Reason::ConnectionFailed,
        422 | 552 => Reason::MailboxFull,
        432 | 451 => Reason::SystemError,
        452 => Reason::SystemFull,
        530 | 535 | 538 => Reason::RelayDenied,
        523 => Reason::MessageTooLarge,
        551 => Reason::RelayDenied,
        553 => Reason::BadAddressSyntax,
        556 => Reason::DomainAcceptsNoMail,
        _ => return None,
    })
}
