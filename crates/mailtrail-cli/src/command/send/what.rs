//! What is sent: a text, a template, or a message that is written already.

use std::path::{Path, PathBuf};

use clap::Args;
use mailtrail::Outgoing;
use mailtrail::core::store::BoxError;
use mailtrail::smtp::message::dkim::{Dkim, DkimKey};
use mailtrail::smtp::message::template::Template;
use mailtrail::smtp::message::{Compose, Headers, Letter, Message, Prepared};
use mailtrail::webhook::instrument::InstrumentOptions;

use crate::failure::Failure;
use crate::setup::Opened;

/// What is sent.
#[derive(Debug, Args)]
pub(super) struct What {
    /// The plain text of the message.
    #[arg(long, value_name = "FILE", required_unless_present = "mime")]
    text: Option<PathBuf>,
    /// Its HTML.
    #[arg(long, value_name = "FILE", requires = "text")]
    html: Option<PathBuf>,
    /// The From address.
    #[arg(long, required_unless_present = "mime")]
    from: Option<String>,
    /// The name beside it.
    #[arg(long, requires = "from")]
    from_name: Option<String>,
    /// The subject line.
    #[arg(long, required_unless_present = "mime")]
    subject: Option<String>,
    /// Subject, text and HTML are templates, filled in for each row: {{ name }}, {{ labels.class }}.
    #[arg(long, requires = "text")]
    template: bool,
    /// A message that is written already (.eml); each recipient gets it with an own To, Date and Message-ID.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["text", "html", "from", "subject", "template"])]
    mime: Option<PathBuf>,
    /// The domain of the List-Id, by which people filter.
    #[arg(long, value_name = "DOMAIN")]
    list_id: Option<String>,
    /// The key that signs each message (PEM): DKIM.
    #[arg(long, value_name = "FILE", requires_all = ["dkim_domain", "dkim_selector"])]
    dkim_key: Option<PathBuf>,
    /// The domain that signs.
    #[arg(long, value_name = "DOMAIN", requires = "dkim_key")]
    dkim_domain: Option<String>,
    /// The name under which DNS has its key.
    #[arg(long, value_name = "NAME", requires = "dkim_key")]
    dkim_selector: Option<String>,
}

/// Any of the ways to write a message.
pub(crate) enum Written {
    Message(Message),
    Template(Box<Template>),
    Prepared(Prepared),
}

impl What {
    /// What goes out, tracked if there is an address where hits are served.
    pub(super) fn outgoing(
        &self,
        opened: &Opened,
        tracking_url: Option<&str>,
    ) -> Result<Outgoing<Written>, Failure> {
        let mut headers = Headers::new();
        if let Some(domain) = &self.list_id {
            headers = headers.list_id(domain.as_str());
        }
        let outgoing = outgoing(opened, self.written()?, tracking_url)?.headers(headers);
        Ok(match self.dkim()? {
            Some(dkim) => outgoing.signed(dkim),
            None => outgoing,
        })
    }

    fn written(&self) -> Result<Written, Failure> {
        if let Some(file) = &self.mime {
            let message = std::fs::read(file).map_err(Failure::input)?;
            return Prepared::new(&message).map(Written::Prepared).map_err(Failure::data);
        }
        let (Some(from), Some(subject), Some(text)) = (&self.from, &self.subject, &self.text)
        else {
            return Err(Failure::data("nothing to send: give --text, --from and --subject"));
        };
        let text = read(text)?;
        let html = self.html.as_deref().map(read).transpose()?;
        if self.template {
            return self.filled(from, subject, text, html);
        }
        let mut message = Message::new(from.as_str(), subject.as_str(), text);
        message.from_name.clone_from(&self.from_name);
        Ok(Written::Message(match html {
            Some(html) => message.html(html),
            None => message,
        }))
    }

    fn filled(
        &self,
        from: &str,
        subject: &str,
        text: String,
        html: Option<String>,
    ) -> Result<Written, Failure> {
        let mut template = Template::new(from, subject, text).map_err(Failure::data)?;
        if let Some(name) = &self.from_name {
            template = template.from_name(name.as_str());
        }
        if let Some(html) = html {
            template = template.html(html).map_err(Failure::data)?;
        }
        Ok(Written::Template(Box::new(template)))
    }

    fn dkim(&self) -> Result<Option<Dkim>, Failure> {
        let (Some(file), Some(domain), Some(selector)) =
            (&self.dkim_key, &self.dkim_domain, &self.dkim_selector)
        else {
            return Ok(None);
        };
        let key = DkimKey::from_pem(&read(file)?).map_err(Failure::data)?;
        Dkim::new(domain, selector, key).map(Some).map_err(Failure::data)
    }
}

impl Compose for Written {
    fn compose(&self, letter: &Letter<'_>) -> Result<Vec<u8>, BoxError> {
        match self {
            Self::Message(message) => message.compose(letter),
            Self::Template(template) => template.compose(letter),
            Self::Prepared(prepared) => prepared.compose(letter),
        }
    }
}

/// What is composed, with what tracks it: nothing without an address where hits are served.
pub(crate) fn outgoing<C: Compose>(
    opened: &Opened,
    compose: C,
    tracking_url: Option<&str>,
) -> Result<Outgoing<C>, Failure> {
    let options = match tracking_url {
        Some(base) => InstrumentOptions::new(base).map_err(Failure::data)?,
        None => InstrumentOptions::untracked(),
    };
    Ok(Outgoing::new(compose).tracked(opened.keys.clone(), options))
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure::input(format!("{}: {error}", file.display())))
}
