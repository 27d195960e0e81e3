//! `demo`: the main job, from a plan to a report in which all ten statuses occur.
//!
//! Nothing is staged: messages go over real SMTP, are opened by fetching the URL that stands in the
//! message that arrived, and bounce to the return path that the server saw.

mod people;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use mailtrail::Reported;
use mailtrail::core::plan::Broadcast;
use mailtrail::core::projection::AsOf;
use mailtrail::core::store::Filter;
use mailtrail::core::suppression::Scope;
use mailtrail::core::{BroadcastId, EmailAddress, Position};
use mailtrail::report::render;
use mailtrail::report::{EmailLog, EmailLogRow, Query, Summary};
use mailtrail::smtp::message::Message;
use mailtrail::smtp::send::{Limits, Schedule};

use crate::command;
use crate::command::report::{current, footer};
use crate::command::send::{dispatch, outgoing, relay, sender};
use crate::command::serve::{Ports, Shown};
use crate::failure::Failure;
use crate::http::HttpSettings;
use crate::intake::IntakeSettings;
use crate::output;
use crate::provider::Webhook;
use crate::setup::{Opened, Setup};
use people::People;

/// Shows the main job.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Keep the store, the contacts and the mails in this folder.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Send through this mail server instead of the one in this process.
    #[arg(long, value_name = "HOST:PORT")]
    relay: Option<String>,
}

impl Demo {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        let temporary = tempfile::Builder::new().prefix("mailtrail-demo-").tempdir()?;
        let folder = self.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
        std::fs::create_dir_all(&folder)?;
        let say = |text: &str| {
            if !setup.json {
                output::note(text);
            }
        };
        say(&format!(
            "Store: {} (fjall){}",
            folder.join("trail").display(),
            if self.keep.is_some() { "" } else { ", gone afterwards; --keep DIR keeps it" }
        ));
        let demo = Setup::of(
            format!("fjall:{}", folder.join("trail").display()),
            folder.join("keys.toml"),
            setup.json,
        );
        let opened = demo.open().await?;
        let contacts = folder.join("contacts.csv");
        std::fs::write(&contacts, include_str!("contacts.csv"))?;
        let broadcast: BroadcastId = "snow-day".parse()?;
        plan(&opened, &broadcast, &contacts, &say).await?;
        self.send_and_take_back(&opened, &broadcast, &folder, &say).await?;
        show(&opened, &broadcast, setup.json).await?;
        if !setup.json {
            next_steps(&folder, self.keep.is_some())?;
        }
        Ok(())
    }

    async fn send_and_take_back(
        &self,
        opened: &Opened,
        broadcast: &BroadcastId,
        folder: &Path,
        say: &impl Fn(&str),
    ) -> Result<(), Failure> {
        let webhooks =
            [Webhook { basic_auth: vec![people::BASIC_AUTH.into()], ..Webhook::of("postmark") }];
        let (http, mail) = (HttpSettings::loopback(), IntakeSettings::loopback(DOMAIN));
        let ports = Ports::open(opened, &webhooks, http, &mail, Shown::default()).await?;
        let people = match &self.relay {
            Some(_) => None,
            None => Some(People::start().await?),
        };
        let to = match (&self.relay, &people) {
            (Some(relay), _) => relay.clone(),
            (None, Some(people)) => {
                say(
                    "No mail server given: an SMTP server in this process plays the recipients, an LMTP server takes their bounces.",
                );
                people.address()
            }
            (None, None) => return Err(Failure::other("no mail server")),
        };
        let tracking = format!("http://{}", ports.http);
        let sender = sender(opened, relay(&to)?, DOMAIN)?.schedule("1s".parse::<Schedule>()?);
        let compose = outgoing(opened, message(), Some(&tracking))?;
        let report = dispatch(opened, broadcast, sender, compose, Limits::default()).await?;
        say(&format!(
            "Sent: {} taken, {} deferred, {} refused, {} in doubt.",
            report.sent, report.deferred, report.bounced, report.in_doubt
        ));
        if let Some(people) = people {
            let mails = folder.join("mails");
            std::fs::create_dir_all(&mails)?;
            people.answer(opened, &ports, &mails).await?;
            say(
                "What came back: bounce mails, a provider's webhooks, opens; late, twice and out of order.",
            );
            say("Opens are judged when ten seconds have passed.");
            settled(opened, &ports).await?;
            people.stop().await;
        }
        ports.close().await;
        Ok(())
    }
}

async fn plan(
    opened: &Opened,
    broadcast: &BroadcastId,
    contacts: &Path,
    say: &impl Fn(&str),
) -> Result<(), Failure> {
    let blocked = EmailAddress::parse("dan@parents.example")?;
    opened.tracker.block(&blocked, Scope::AllKinds, "office", Some("asked by phone")).await?;
    let plan =
        Broadcast::new(broadcast.clone(), "emergency".parse()?).from_address(FROM).subject(SUBJECT);
    let (report, _) = command::plan::plan(opened, plan, contacts).await?;
    say(&format!(
        "Planned {} rows: {} to send, {} duplicate, {} blocked, {} without an address for this type, {} not an address.",
        report.added(),
        report.queued,
        report.duplicate,
        report.blocked,
        report.not_selected,
        report.malformed
    ));
    Ok(())
}

/// Waits until every open has its verdict: the window is ten seconds, a slow machine needs longer.
async fn settled(opened: &Opened, ports: &Ports) -> Result<(), Failure> {
    let store = opened.tracker.store();
    let count = async |name: &str| {
        let page = store.read_all(&Filter::all().event_type(name), Position::START, 1_000).await;
        page.map(|page| page.events.len())
    };
    for _ in 0..SETTLE_TRIES {
        if ports.hits_are_stored() && count("opened").await? >= count("hit").await? {
            return Ok(());
        }
        tokio::time::sleep(SETTLE_STEP).await;
    }
    Err(Failure::other("the opens got no verdict in time"))
}

async fn show(opened: &Opened, broadcast: &BroadcastId, as_json: bool) -> Result<(), Failure> {
    let Reported { state, head, .. } = current(opened, EmailLog).await?;
    let query = Query::of(broadcast.clone());
    let log = EmailLogRow::sheet(&state.rows(&query)?);
    if as_json {
        return Ok(output::bytes(render::json(&log)?.as_bytes())?);
    }
    output::line("")?;
    output::bytes(render::table(&log, output::width()).as_bytes())?;
    output::line("")?;
    let whole = std::collections::BTreeMap::from([(String::new(), state.summary(&query)?)]);
    output::bytes(render::table(&Summary::sheet(&whole, None), None).as_bytes())?;
    let footer = footer(opened, head, &AsOf::Now)?;
    Ok(output::bytes(footer.lines().as_bytes())?)
}

fn next_steps(folder: &Path, kept: bool) -> Result<(), Failure> {
    // As it was called: a fresh checkout has no mailtrail on its path.
    let program = std::env::args().next().unwrap_or_else(|| "mailtrail".to_owned());
    let (folder, hint) = if kept {
        (folder.display().to_string(), String::new())
    } else {
        ("demo".to_owned(), format!(", after `{program} demo --keep demo`"))
    };
    let store = format!("--store fjall:{folder}/trail --keys {folder}/keys.toml");
    output::line(format!("\nThree things to try next{hint}:"))?;
    for command in [
        "explain bob@parents.example",
        "report summary --by school",
        "report email-log --format csv --out email-log.csv",
    ] {
        output::line(format!("  {program} {store} {command}"))?;
    }
    Ok(())
}

fn message() -> Message {
    let html = "<html><body><h1>Closed today</h1><p>School is closed because of the snow.</p></body></html>";
    Message::new(FROM, SUBJECT, "School is closed today because of the snow.").html(html)
}

const FROM: &str = "office@school.example";
const SUBJECT: &str = "Snow day: school is closed today";
const DOMAIN: &str = "bounces.school.example";
/// How often, and how many times, we look whether all opens are judged: for a minute.
const SETTLE_STEP: Duration = Duration::from_millis(250);
const SETTLE_TRIES: u32 = 240;
