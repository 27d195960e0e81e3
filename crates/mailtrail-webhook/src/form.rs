//! Bodies that are forms: fields with names, of which several may have the same name.

use std::borrow::Cow;

use mail_parser::{MessageParser, MimeHeaders};

use crate::Request;

/// The fields of a form.
#[derive(Debug)]
pub(crate) struct Form<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Form<'a> {
    /// Those of the body of a request.
    pub(crate) fn of(request: &Request<'a>) -> Self {
        Self::read(request.headers.text("content-type"), request.body)
    }

    /// Those of a body: `multipart/form-data` (RFC 7578) where its type says so, else
    /// `application/x-www-form-urlencoded`.
    pub(crate) fn read(content_type: Option<&str>, body: &'a [u8]) -> Self {
        let content_type = content_type.unwrap_or_default();
        let head = content_type.get(..MULTIPART.len()).unwrap_or_default();
        if head.eq_ignore_ascii_case(MULTIPART) {
            return Self(multipart(content_type, body));
        }
        Self(form_urlencoded::parse(body).take(FIELDS).collect())
    }

    /// The first value of a field, if it is not empty.
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        self.values(name).next().filter(|value| !value.is_empty())
    }

    /// The last value of a field, if it is not empty.
    pub(crate) fn last(&self, name: &str) -> Option<&str> {
        self.values(name).next_back().filter(|value| !value.is_empty())
    }

    /// All fields, in their order.
    pub(crate) fn pairs(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    fn values(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        self.pairs().filter(move |(own, _)| *own == name).map(|(_, value)| value)
    }
}

/// A form of this kind is a mail's body; files are left out.
fn multipart<'a>(content_type: &str, body: &[u8]) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
    let mail = [b"Content-Type: ", content_type.as_bytes(), b"\r\n\r\n", body].concat();
    let Some(message) = MessageParser::default().parse(&mail) else { return Vec::new() };
    let field = |part: &mail_parser::MessagePart<'_>| {
        let disposition = part.content_disposition()?;
        let name = disposition.attribute("name")?.to_owned();
        let is_file = disposition.attribute("filename").is_some();
        let value = part.text_contents().filter(|_| !is_file)?.to_owned();
        Some((Cow::Owned(name), Cow::Owned(value)))
    };
    message.parts.iter().take(FIELDS).filter_map(field).collect()
}

const MULTIPART: &str = "multipart/form-data";
/// How many fields are read: several times of what providers send.
const FIELDS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Headers;

    fn pairs(content_type: &str, body: &str) -> Vec<(String, String)> {
        let headers = Headers::new().with("Content-Type", content_type);
        let now = chrono::DateTime::default();
        let form = Form::of(&Request::new(body.as_bytes(), now).headers(headers));
        form.pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn both_kinds_of_forms_have_the_same_fields() {
        let multipart = [
            "--b 1",
            "Content-Disposition: form-data; name=\"event\"",
            "",
            "opened",
            "--b 1",
            "Content-Disposition: form-data; name=\"name\"",
            "Content-Type: text/plain; charset=utf-8",
            "",
            "Zoë & Ann\r\n=3D two lines",
            "--b 1",
            "Content-Disposition: form-data; name=\"empty\"",
            "",
            "",
            "--b 1",
            "Content-Disposition: form-data; name=\"attachment-1\"; filename=\"a.txt\"",
            "Content-Type: text/plain",
            "",
            "not a field",
            "--b 1",
            "Content-Disposition: form-data; name=\"event\"",
            "",
            "again ë",
            "--b 1--",
            "",
        ]
        .join("\r\n");
        let encoded =
            "event=opened&name=Zo%C3%AB+%26+Ann%0D%0A%3D3D+two+lines&empty=&event=again+%C3%AB";
        let expected = [
            ("event", "opened"),
            ("name", "Zoë & Ann\r\n=3D two lines"),
            ("empty", ""),
            ("event", "again ë"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(pairs("application/x-www-form-urlencoded", encoded), expected);
        assert_eq!(pairs("Multipart/Form-Data; boundary=\"b 1\"", &multipart), expected);
        assert_eq!(pairs("multipart/form-data", &multipart), []);
    }
}
