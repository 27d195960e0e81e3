//! Messages from a template: one for all recipients, filled in for each.

mod context;
mod error;
#[cfg(test)]
mod tests;

use std::io;

use mailtrail_core::store::BoxError;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde::Serialize;

pub use error::TemplateError;

use super::{Compose, Letter, Message};

/// A message whose subject, text and HTML are templates in the language of Jinja.
///
/// # What can it ask for?
/// | name | is |
/// |---|---|
/// | `name` | the person's name, if the row has one |
/// | `labels.x` | the label `x` of the row, if it has one |
/// | `address`, `contact`, `broadcast`, `kind` | as planned |
/// | `from`, `time_zone` | as planned, if they were |
/// | `date` | when the message is dated, as in RFC 3339, in UTC |
/// | `data` | what you gave by [`data`](Self::data) |
///
/// Beside the filters of Jinja there is `dateformat`: a time by a format of `strftime`, in the contact's time
/// zone: `{{ date | dateformat("%d.%m.%Y %H:%M") }}`, or in one that you name.
///
/// # What if a row has no name?
/// Then `{{ name }}` is an error: nobody is "Dear ". Say what to write instead, `{{ name or "parents" }}`, or
/// ask first, `{% if labels.bus %}`. A name that no row has is an error when the template is read, wherever
/// it stands. [`check`](Self::check) tries all rows before anything is sent.
///
/// A line that holds nothing but `{% … %}` is no line of the message.
///
/// # Guarantees
/// - What is filled into HTML is escaped, into text not. No value adds a line to the header.
/// - The same letter gives the same message: no clock, no file, no other template.
///
/// # Limits
/// [`STEPS`] for each part, [`TEXT_BYTES`] of each.
///
/// # Example
/// ```
/// # use mailtrail_core::event::{Private, Row};
/// # use mailtrail_core::DeliveryId;
/// use std::collections::BTreeMap;
/// use mailtrail_smtp::message::Letter;
/// use mailtrail_smtp::message::template::Template;
/// # let row = Row::new(DeliveryId::from_bytes([2; 16]), "snow-day".parse()?, "c1".parse()?, "emergency".parse()?);
/// # let mut private = Private::default();
/// # private.name = Some("Ann <3".into());
/// # private.labels.insert("class".into(), "4b".into());
/// # let ann = "ann@a.example".parse()?;
/// let template = Template::new(
///     "office@school.example",
///     "No lessons for {{ labels.class }}",
///     "Dear {{ name or 'parents' }}, {{ data.why }}.",
/// )?
/// .html("<p>Dear {{ name or 'parents' }}, {{ data.why }}.</p>")?
/// .data(BTreeMap::from([("why", "it snows")]));
///
/// let letter = Letter::new(&row, &private, &ann, "1@school.example", "2026-01-12T06:30:00Z".parse()?);
/// let message = template.fill(&letter)?;
/// assert_eq!(message.subject, "No lessons for 4b");
/// assert_eq!(message.text, "Dear Ann <3, it snows.");
/// assert_eq!(message.html.as_deref(), Some("<p>Dear Ann &lt;3, it snows.</p>"));
///
/// let slip = Template::new("office@school.example", "Closed", "Dear {{ nmae }}").unwrap_err();
/// assert!(slip.to_string().starts_with("line 1 of the text asks for `nmae`"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Template {
    from: String,
    from_name: Option<String>,
    parts: Environment<'static>,
    has_html: bool,
    data: Value,
}

impl Template {
    /// A message of plain text.
    ///
    /// # Errors
    /// [`TemplateError::Syntax`], [`TemplateError::UnknownName`].
    pub fn new(
        from: impl Into<String>,
        subject: impl Into<String>,
        text: impl Into<String>,
    ) -> Result<Self, TemplateError> {
        let (parts, data) = (environment(), Value::from(()));
        let this = Self { from: from.into(), from_name: None, parts, has_html: false, data };
        this.part(SUBJECT, subject.into())?.part(TEXT, text.into())
    }

    /// With an HTML form of it.
    ///
    /// # Errors
    /// [`TemplateError::Syntax`], [`TemplateError::UnknownName`].
    pub fn html(self, html: impl Into<String>) -> Result<Self, TemplateError> {
        Ok(Self { has_html: true, ..self.part(HTML, html.into())? })
    }

    /// With a name beside the From address.
    pub fn from_name(mut self, name: impl Into<String>) -> Self {
        self.from_name = Some(name.into());
        self
    }

    /// With values of your own: the templates ask for them as `data.…`.
    pub fn data(mut self, data: impl Serialize) -> Self {
        self.data = Value::from(Serde(data));
        self
    }

    /// The message to one recipient, before it becomes bytes.
    ///
    /// # Errors
    /// [`TemplateError::Fill`], [`TemplateError::TooMuch`]: they name the row and the line.
    pub fn fill(&self, letter: &Letter<'_>) -> Result<Message, TemplateError> {
        let context = context::of(letter, &self.data);
        let subject = self.fill_part(SUBJECT, letter, &context)?;
        let mut message =
            Message::new(&self.from, subject, self.fill_part(TEXT, letter, &context)?);
        message.from_name.clone_from(&self.from_name);
        if self.has_html {
            message.html = Some(self.fill_part(HTML, letter, &context)?);
        }
        Ok(message)
    }

    /// Tries these letters, and gives the error of each that can't be written.
    ///
    /// Look at them before a broadcast starts: afterwards such a row waits for a better template.
    pub fn check<'a>(
        &self,
        letters: impl IntoIterator<Item = Letter<'a>>,
    ) -> impl Iterator<Item = TemplateError> {
        letters.into_iter().filter_map(|letter| self.fill(&letter).err())
    }

    fn part(mut self, part: &'static str, source: String) -> Result<Self, TemplateError> {
        let name = unknown_name(&self.parts, &source).map_err(|error| TemplateError::Syntax {
            part,
            line: line(&error),
            cause: error.into(),
        })?;
        if let Some((name, line)) = name {
            return Err(TemplateError::UnknownName { part, line, name });
        }
        self.parts.add_template_owned(part, source).map_err(|error| TemplateError::Syntax {
            part,
            line: line(&error),
            cause: error.into(),
        })?;
        Ok(self)
    }

    fn fill_part(
        &self,
        part: &'static str,
        letter: &Letter<'_>,
        context: &Value,
    ) -> Result<String, TemplateError> {
        let delivery = letter.row.delivery;
        let mut filled = Bounded::default();
        let done = self
            .parts
            .get_template(part)
            .and_then(|template| template.render_captured_to(context, &mut filled).map(drop));
        match done {
            Ok(()) => Ok(String::from_utf8_lossy(&filled.0).into_owned()),
            Err(error)
                if matches!(error.kind(), ErrorKind::OutOfFuel | ErrorKind::WriteFailure) =>
            {
                Err(TemplateError::TooMuch { part, delivery })
            }
            Err(error) => {
                let line = line(&error);
                let lacks = self.lacking(part, line, context).unwrap_or_default();
                Err(TemplateError::Fill { part, line, delivery, lacks, cause: error.into() })
            }
        }
    }

    /// The names on a line that have no value.
    fn lacking(&self, part: &str, line: usize, context: &Value) -> Option<Vec<String>> {
        let template = self.parts.get_template(part).ok()?;
        let line = template.source().lines().nth(line.saturating_sub(1))?;
        let has_value = |name: &str| {
            let find = |value: Value, key| value.get_attr(key).ok();
            name.split('.')
                .try_fold(context.clone(), find)
                .is_some_and(|value| !value.is_undefined())
        };
        let mut names: Vec<_> = template.undeclared_variables(true).into_iter().collect();
        names.retain(|name| line.contains(name) && !has_value(name));
        names.sort_unstable();
        Some(names)
    }
}

impl Compose for Template {
    fn compose(&self, letter: &Letter<'_>) -> Result<Vec<u8>, BoxError> {
        self.fill(letter)?.compose(letter)
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // A line of a plain text that holds only `{% … %}` is no line of the mail.
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
    environment.set_syntax(syntax.build().unwrap_or_default());
    environment.set_auto_escape_callback(|part| match part {
        HTML => AutoEscape::Html,
        _ => AutoEscape::None,
    });
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(STEPS));
    // It would show all of the row, to the recipient.
    environment.remove_global("debug");
    environment.add_filter("dateformat", context::dateformat);
    environment
}

/// The first name that is none of a letter's, with its line.
fn unknown_name(
    environment: &Environment<'_>,
    source: &str,
) -> Result<Option<(String, usize)>, minijinja::Error> {
    let template = environment.template_from_str(source)?;
    let is_known = |name: &String| {
        context::NAMES.contains(&name.as_str())
            || environment.globals().any(|(global, _)| global == name)
    };
    let names = template.undeclared_variables(false).into_iter();
    let unknown = names.filter(|name| !is_known(name)).map(|name| (line_of(&name, source), name));
    Ok(unknown.min().map(|(line, name)| (name, line)))
}

/// The first line with this word.
fn line_of(name: &str, source: &str) -> usize {
    let is_part = |c: char| c == '_' || c.is_alphanumeric();
    let has = |line: &str| line.split(|c| !is_part(c)).any(|word| word == name);
    source.lines().position(has).unwrap_or_default().saturating_add(1)
}

fn line(error: &minijinja::Error) -> usize {
    error.line().unwrap_or(1)
}

/// Takes so many bytes and no more.
#[derive(Default)]
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len().saturating_add(bytes.len()) > TEXT_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How many steps one part may take to be filled in: about one for each piece of it, and one for each
/// turn of a loop and piece within.
pub const STEPS: u64 = 1_000_000;
/// The longest part, filled in.
pub const TEXT_BYTES: usize = 16 << 20;
const SUBJECT: &str = "subject";
const TEXT: &str = "text";
const HTML: &str = "html";
