//! What a transport of lettre says about a message, as our senders say it.

use std::any::Any;
use std::error::Error;
use std::iter::successors;

use lettre::transport::smtp;
use mailtrail_classify::Reply as Said;
use mailtrail_core::diagnosis::ReplyCode;
use mailtrail_smtp::send::Reply;

/// Why a message was not taken, as far as the transport's error says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// The server refused it.
    Refused(Reply),
    /// The address or text needs what the server doesn't offer (RFC 6531, RFC 6152).
    NotOffered(String),
    /// No server has seen it: our side or the way to the server is at fault.
    Unreached(String),
    /// The connection broke, or the error is of a kind that we don't know: nobody knows whether it was
    /// taken.
    Unanswered,
}

impl NotTaken {
    /// Reads an error, or what caused it.
    pub(super) fn of<'e>(error: &'e (dyn Error + 'static)) -> Self {
        let mut causes = successors(Some(error), |error| Error::source(*error));
        let Some(error) = causes.find_map(|error| error.downcast_ref::<smtp::Error>()) else {
            return Self::Unanswered;
        };
        let text = || error.source().map(ToString::to_string).unwrap_or_default();
        if let Some(code) = error.status().and_then(|code| ReplyCode::new(code.into())) {
            return Self::Refused(reply(code, text()));
        }
        if error.is_client() && OFFERS.iter().any(|offer| text().contains(offer)) {
            return Self::NotOffered(text());
        }
        // lettre has no other way to tell that no connection came about from one that broke. With other
        // words than these the attempt would be in doubt, which is never false.
        let is_connecting = error.to_string().starts_with("Connection error");
        if error.is_client() || error.is_transport_shutdown() || is_connecting {
            return Self::Unreached(error.to_string());
        }
        Self::Unanswered
    }
}

/// What the server said when it took a message, if the transport tells.
pub(super) fn accepted(ok: &dyn Any) -> Option<Reply> {
    let response = ok.downcast_ref::<smtp::response::Response>()?;
    let code = ReplyCode::new(response.code().into())?;
    Some(reply(code, response.message().collect::<Vec<_>>().join(" ")))
}

fn reply(code: ReplyCode, text: String) -> Reply {
    let (_, enhanced) = Said::codes(&format!("{} {text}", code.get()));
    Reply::new(code, enhanced, text)
}

/// What a server may not offer.
const OFFERS: [&str; 2] = ["SMTPUTF8", "8BITMIME"];
