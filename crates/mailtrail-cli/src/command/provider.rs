//! `provider`: which providers there are, and whether a file that describes one reads its requests.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use mailtrail::core::token::{Key, Keys};
use mailtrail::webhook::provider::{Account, Mapping};
use serde_json::json;

use super::parse::{Answer, now};
use crate::failure::Failure;
use crate::output;
use crate::provider::{Webhook, headers, mapping};
use crate::setup::Setup;

/// Providers of webhooks.
#[derive(Debug, Subcommand)]
pub(crate) enum Provider {
    /// The providers that are known, by name.
    List,
    /// Print the file that describes a provider, to start a file of your own from.
    Show {
        /// Its name.
        name: String,
    },
    /// Try each `[[test]]` of a file that describes a provider, and read a request by it. Exit code 1
    /// if one is read otherwise.
    Test(Test),
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The file.
    file: PathBuf,
    /// The body of a request.
    request: Option<PathBuf>,
    #[command(flatten)]
    shown: Shown,
}

/// What came with a body, and what to verify it with.
#[derive(Debug, Args)]
pub(crate) struct Shown {
    /// The request's header fields: `Name: value`, one a line.
    #[arg(long, value_name = "FILE")]
    headers: Option<PathBuf>,
    /// A key that may have signed it, as the provider's settings show it. Without one nothing is verified.
    #[arg(long, value_name = "KEY")]
    signing_key: Vec<String>,
    /// The user and password that it must show, as user:password.
    #[arg(long, value_name = "USER:PASSWORD")]
    basic_auth: Vec<String>,
    /// The URL as it was given to the provider.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// When it came; now, if not given.
    #[arg(long, value_name = "TIME")]
    at: Option<DateTime<Utc>>,
}

impl Provider {
    pub(crate) fn run(self, setup: &Setup) -> Result<(), Failure> {
        match self {
            Self::List => list(setup.json),
            Self::Show { name } => show(&name),
            Self::Test(test) => test.run(setup),
        }
    }
}

fn files() -> impl Iterator<Item = (Mapping, &'static str)> {
    Mapping::BUILTIN.iter().filter_map(|text| Some((Mapping::from_toml(text).ok()?, *text)))
}

fn list(as_json: bool) -> Result<(), Failure> {
    let by_file: Vec<String> = files().map(|(mapping, _)| mapping.name().to_owned()).collect();
    for name in Account::providers() {
        let is_file = by_file.contains(&name);
        if as_json {
            output::json(&json!({ "provider": name, "file": is_file }))?;
        } else {
            output::line(if is_file { format!("{name} (file)") } else { name })?;
        }
    }
    Ok(())
}

fn show(name: &str) -> Result<(), Failure> {
    let found = files().find(|(mapping, _)| mapping.name() == name);
    let (_, text) = found.ok_or_else(|| {
        Failure::data(format!(
            "no file describes {name}: `mailtrail provider list` marks those that are files"
        ))
    })?;
    Ok(output::bytes(text.as_bytes())?)
}

impl Test {
    fn run(&self, setup: &Setup) -> Result<(), Failure> {
        let (mapping, classifier) = (mapping(&self.file)?, setup.classifier()?);
        let samples = mapping.samples();
        let tried = samples
            .iter()
            .enumerate()
            .map(|(index, sample)| (index + 1, sample.differences(&mapping, &classifier)));
        let failed: Vec<_> = tried.filter(|(_, differences)| !differences.is_empty()).collect();
        for (number, differences) in &failed {
            for difference in differences {
                output::line(format!("test {number}: {difference}"))?;
            }
        }
        let met = samples.len() - failed.len();
        output::line(format!("{met} of {} tests as expected", samples.len()))?;
        if let Some(request) = &self.request {
            let webhook = self.shown.webhook(&self.file.to_string_lossy());
            let keys = Keys::new(Key::new(0, [0; 32]));
            let answer = Answer::of(&webhook, request, &self.shown, &keys, &classifier)?;
            output::json(&answer.json(request))?;
        }
        match failed.len() {
            0 => Ok(()),
            count => Err(Failure::other(format!(
                "{count} of {} tests are read otherwise",
                samples.len()
            ))),
        }
    }
}

impl Shown {
    /// The account that all of this describes.
    pub(crate) fn webhook(&self, provider: &str) -> Webhook {
        Webhook {
            basic_auth: self.basic_auth.iter().map(Into::into).collect(),
            signing_key: self.signing_key.iter().map(Into::into).collect(),
            public_url: self.public_url.clone(),
            ..Webhook::of(provider)
        }
    }

    /// The header fields, and when it came.
    pub(crate) fn headers(&self) -> Result<mailtrail::webhook::Headers, Failure> {
        headers(self.headers.as_ref())
    }

    /// When it came.
    pub(crate) fn at(&self) -> DateTime<Utc> {
        self.at.unwrap_or_else(now)
    }
}
