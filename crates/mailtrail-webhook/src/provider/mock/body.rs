//! What providers post: bodies in files, and where in them stands what a request is about.

use chrono::{DateTime, SecondsFormat, Utc};
use include_dir::{Dir, include_dir};
use mailtrail_core::event::RawHash;
use serde::Deserialize;
use serde_json::{Value, json};

use super::about::{About, digits, uuid};
use super::document::{Document, Shape, at, put, replace};
use crate::provider::Mapping;
use crate::provider::fields::Time;
use crate::provider::mapping::{Batch, Places};
use crate::provider::path::Path;

/// The bodies of a provider.
#[derive(Debug)]
pub(super) struct Bodies {
    all: Vec<Body>,
    file: File,
}

/// A body of one event.
#[derive(Debug)]
pub(super) struct Body {
    /// What it shows.
    pub(super) name: Box<str>,
    /// The type of the event.
    pub(super) event: String,
    document: Document,
}

/// What is to be known of all bodies of a provider.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Where several events of one request stand; none if a request has one.
    #[serde(default)]
    batch: Option<Together>,
    /// Where in a text with the message id that id ends.
    #[serde(default)]
    id_ends_at: Option<Box<str>>,
    /// Where things stand, in the words of a mapping's file.
    fields: Places,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Together {
    /// The path of the array; empty if it is the body.
    at: Box<str>,
    /// What all events of one request have in common there.
    #[serde(default)]
    same: Option<Box<str>>,
    /// Whether they stand on lines.
    #[serde(skip)]
    lines: bool,
}

impl Bodies {
    /// Those in the folder of a provider. A test reads all of them.
    pub(super) fn of_provider(name: &str) -> Self {
        let path = |rest: &str| format!("{name}/{rest}");
        let file = FOLDER.get_file(path("mock.toml")).and_then(|file| file.contents_utf8());
        let file = file.and_then(|text| toml::from_str(text).ok()).unwrap_or_default();
        let folders = FOLDER.get_dir(name).into_iter().flat_map(Dir::dirs);
        let read = |folder: &Dir<'_>| {
            let event = folder.path().file_name()?.to_str()?;
            Some(folder.files().filter_map(|file| Body::read(event, file)).collect::<Vec<_>>())
        };
        let mut all: Vec<Body> = folders.filter_map(read).flatten().collect();
        all.sort_by(|one, other| (&one.event, &one.name).cmp(&(&other.event, &other.name)));
        Self { all, file }
    }

    /// The examples of a mapping's file that are of one event.
    pub(super) fn of_mapping(mapping: &Mapping) -> Self {
        let mut all: Vec<Body> = Vec::new();
        for sample in mapping.samples() {
            let [expected] = sample.expect.as_slice() else { continue };
            let document = Document::read(&sample.body, sample.content_type.is_some());
            let Some(document) = document.filter(|_| expected.event != "custom") else { continue };
            let place = mapping.places().event.as_str();
            let word = document.word(place).unwrap_or(&expected.event);
            let of_word = |body: &&Body| body.document.word(place) == Some(word);
            let name = match all.iter().filter(of_word).count() {
                0 => word.to_owned(),
                before => format!("{word}_{}", before.saturating_add(1)),
            };
            let (name, event) = (name.into(), expected.event.clone());
            all.push(Body { name, event, document });
        }
        let lines = match mapping.batch() {
            Batch::Array => Some(false),
            Batch::Lines => Some(true),
            Batch::Form => None,
        };
        let batch = lines.map(|lines| Together { lines, ..Together::default() });
        Self { all, file: File { batch, id_ends_at: None, fields: mapping.places().clone() } }
    }

    pub(super) fn all(&self) -> &[Body] {
        &self.all
    }

    /// A body about a delivery.
    pub(super) fn about(&self, body: &Body, about: &About) -> Document {
        let mut document = body.document.clone();
        let id = about.id(&body.name);
        document.elements().for_each(|element| self.file.set(element, about, &id));
        document
    }

    /// Several in one.
    pub(super) fn batch(&self, documents: &[&Document]) -> Option<Document> {
        let together = self.file.batch.as_ref()?;
        let mut items = Vec::new();
        for document in documents {
            items.extend(together.items(document)?);
        }
        let mut whole = Document::clone(documents.first()?);
        let common = |document: &&Document| together.common(document);
        if documents.iter().any(|document| common(document) != common(&&whole)) {
            return None;
        }
        match &*together.at {
            "" => whole.value = items.into(),
            path => put(&mut whole.value, path, items.into()),
        }
        whole.shape = if together.lines { Shape::Lines } else { Shape::Json };
        Some(whole)
    }
}

impl Together {
    /// The events of a request.
    fn items(&self, document: &Document) -> Option<Vec<Value>> {
        let mut value = (document.shape != Shape::Form).then(|| document.value.clone())?;
        let there = if self.at.is_empty() { Some(&mut value) } else { at(&mut value, &self.at) };
        Some(match there?.take() {
            Value::Array(items) => items,
            one => vec![one],
        })
    }

    /// What they have to have in common.
    fn common(&self, document: &Document) -> Option<Value> {
        at(&mut document.value.clone(), self.same.as_deref()?).cloned()
    }
}

impl Body {
    fn read(event: &str, file: &include_dir::File<'_>) -> Option<Self> {
        let path = file.path();
        let (name, text) = (path.file_stem()?.to_str()?.into(), file.contents_utf8()?);
        let document = if path.extension()? == "form" {
            let fields = text.lines().filter_map(|line| line.split_once('='));
            let fields = fields.map(|(name, value)| (name.to_owned(), value.into())).collect();
            Document { value: Value::Object(fields), shape: Shape::Form }
        } else {
            Document::json(unwrapped(serde_json::from_str(text).ok()?))
        };
        Some(Self { name, event: event.into(), document })
    }
}

/// The event that an envelope of Amazon SNS is around: the mock puts its own around it.
fn unwrapped(value: Value) -> Value {
    let message = value.get("TopicArn").and_then(|_| value.get("Message")?.as_str());
    message.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(value)
}

impl File {
    /// Says of an element what it is about. What the provider does not tell is not added, but the token.
    fn set(&self, element: &mut Value, about: &About, id: &RawHash) {
        let Places { recipient, message_id, header_id, event_id, time, .. } = &self.fields;
        let message = about.id_of_message();
        let mut texts = Texts::default();
        texts.say(element, recipient, |_| about.recipient.to_string(), |old| old);
        texts.say(element, message_id, |_| message.to_string(), |old| self.id_in(bare(old)));
        texts.say(element, header_id, |_| message.to_string(), local);
        let of_event = |old: &str| if is_number(old) { digits(id) } else { uuid(id) };
        texts.say(element, event_id, of_event, |old| old);
        replace(element, &texts.0);
        for place in time {
            if let Some(old) = at(element, place.at.as_str()) {
                *old = written(about.occurred_at, place.form, old);
            }
        }
        if let Some(token) = about.token.as_deref() {
            self.carry(element, token);
        }
    }

    /// The provider's message id in a text that has more behind it.
    fn id_in<'t>(&self, text: &'t str) -> &'t str {
        let end = self.id_ends_at.as_deref();
        end.and_then(|end| text.split_once(end)).map_or(text, |(id, _)| id)
    }

    /// Puts our token where the provider gives it back: beside what is there, if it may.
    fn carry(&self, element: &mut Value, token: &str) {
        let Places { token: places, token_in, .. } = &self.fields;
        let mut has_parent = |path: &&str| {
            let parent = path.rsplit_once('/').map(|(parent, _)| parent);
            parent.is_none_or(|parent| at(element, parent).is_some_and(|value| !value.is_null()))
        };
        let mut paths = places.iter().map(Path::as_str);
        let first = paths.clone().next();
        if let Some(path) = paths.find(&mut has_parent).or(first) {
            put(element, path, token.into());
        } else if let Some(path) = token_in.first().map(Path::as_str) {
            let next = at(element, path).and_then(|value| Some(value.as_array()?.len()));
            let path = format!("{path}/{}", next.unwrap_or_default());
            put(element, &path, json!({ "name": "mt_delivery", "value": token }));
        }
    }
}

/// Texts, and what is written in their place wherever they stand: a server's words and a subject name
/// people and ids as well. A short one may stand elsewhere by chance, so that only its place is written.
#[derive(Default)]
struct Texts(Vec<(String, String)>);

impl Texts {
    /// Says something else at these places. A number stays one, if it can.
    fn say(
        &mut self,
        element: &mut Value,
        paths: &[Path],
        new: impl Fn(&str) -> String,
        part: impl Fn(&str) -> &str,
    ) {
        for path in paths {
            match at(element, path.as_str()) {
                Some(Value::String(old)) => {
                    let (part, new) = (part(old).to_owned(), new(old));
                    if part.len() < UNMISTAKABLE {
                        *old = old.replacen(&part, &new, 1);
                    } else {
                        self.0.push((part, new));
                    }
                }
                Some(number @ Value::Number(_)) => {
                    let new = new(&number.to_string());
                    *number = new.parse::<u64>().map_or_else(|_| new.into(), Value::from);
                }
                _ => {}
            }
        }
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A message id without angle brackets.
fn bare(id: &str) -> &str {
    id.trim_start_matches('<').trim_end_matches('>')
}

/// What stands before the host in a Message-ID.
fn local(id: &str) -> &str {
    bare(id).split('@').next().unwrap_or_default()
}

/// A time as the provider writes it.
fn written(time: DateTime<Utc>, form: Time, old: &Value) -> Value {
    let number = match form {
        Time::Seconds => time.timestamp(),
        Time::Milliseconds => time.timestamp_millis(),
        Time::Iso if old.as_str().is_some_and(|old| !old.contains('T')) => {
            return time.format("%Y-%m-%d %H:%M:%S").to_string().into();
        }
        Time::Iso => return time.to_rfc3339_opts(SecondsFormat::Millis, true).into(),
        Time::UnitedStates => return time.format("%-m/%-d/%Y %-I:%M:%S %p").to_string().into(),
    };
    if old.is_string() { number.to_string().into() } else { number.into() }
}

/// Bytes of a text that means the same wherever it stands.
const UNMISTAKABLE: usize = 8;

static FOLDER: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/mocks");
