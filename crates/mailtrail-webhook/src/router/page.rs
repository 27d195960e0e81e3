//! The few pages that people see: they need nothing of anyone else, and let nobody else in.

use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// What a page says. All of it is ours: nothing of a request is in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    title: &'static str,
    text: &'static str,
    /// What is on the button that unsubscribes, if there is one.
    button: Option<&'static str>,
}

impl Page {
    /// Asks whether to unsubscribe.
    pub(super) const UNSUBSCRIBE: Self = Self {
        title: "Unsubscribe",
        text: "You will get no more messages of the kind of the one that brought you here. Emergency messages still reach you.",
        button: Some("Unsubscribe"),
    };
    /// It is done.
    pub(super) const UNSUBSCRIBED: Self = Self {
        title: "You are unsubscribed",
        text: "You will get no more messages of this kind. One that is on its way may still arrive. Emergency messages still reach you.",
        button: None,
    };
    /// It could not be done.
    pub(super) const LATER: Self = Self {
        title: "Please try again",
        text: "This could not be recorded just now. Please try again in a minute.",
        button: Some("Try again"),
    };
    /// The token is none.
    pub(super) const NOT_OURS: Self = Self {
        title: "This link leads nowhere",
        text: "It is incomplete, or none of ours. Please open it from the message again.",
        button: None,
    };

    /// The answer of this status.
    pub(super) fn with(self, status: StatusCode) -> Response {
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        (status, PRIVATE, headers, self.html()).into_response()
    }

    fn html(self) -> String {
        let Self { title, text, button } = self;
        let button = button.map_or_else(String::new, |button| {
            format!(
                "<form method=\"post\">\n<button type=\"submit\" name=\"unsubscribe\" value=\"page\">{button}</button>\n</form>\n"
            )
        });
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"robots\" content=\"noindex\">\n<title>{title}</title>\n</head>\n<body>\n\
             <h1>{title}</h1>\n<p>{text}</p>\n{button}</body>\n</html>\n"
        )
    }
}

/// Nobody keeps the answer, and no other server is told of the token in the URL.
pub(super) const PRIVATE: [(HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "no-store"), (header::REFERRER_POLICY, "no-referrer")];
const POLICY: &str =
    "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
