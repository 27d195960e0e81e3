//! `serve --check`: what is wrong with a configuration, before it matters.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::Serialize;

use crate::failure::{Failure, in_full};
use crate::http::Http;
use crate::intake::IntakeSettings;
use crate::output;
use crate::setup::{Config, Setup};
use crate::subscriber;

/// What was found, in the order in which it was looked at.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

#[derive(Debug, Serialize)]
struct Finding {
    level: Level,
    what: String,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    /// As it should be.
    Good,
    /// It works, but perhaps not as it is meant.
    Doubtful,
    /// It can't work.
    Wrong,
}

impl Findings {
    /// Looks at all that `serve` will need, and changes nothing.
    pub(crate) fn of(setup: &Setup, config: &Config, http: &Http, intake: &IntakeSettings) -> Self {
        let mut findings = Self::default();
        findings.store(setup);
        findings.keys(setup);
        findings.result("rules", setup.classifier().map(|_| "the rules can be read".into()));
        findings.http(http);
        findings.intake(intake);
        findings.page(config, http);
        findings.mail(config);
        findings.webhooks(config);
        findings.subscribers(setup, config);
        findings
    }

    /// Prints them. Fails if anything is wrong.
    pub(crate) fn print(&self, json: bool) -> Result<(), Failure> {
        if json {
            output::json(&self.0)?;
        } else {
            for Finding { level, what, text } in &self.0 {
                let mark = match level {
                    Level::Good => "good",
                    Level::Doubtful => "hm  ",
                    Level::Wrong => "BAD ",
                };
                output::line(format!("{mark}  {what}: {text}"))?;
            }
        }
        match self.0.iter().filter(|finding| finding.level == Level::Wrong).count() {
            0 => Ok(()),
            1 => Err(Failure::data("one thing is wrong")),
            wrong => Err(Failure::data(format!("{wrong} things are wrong"))),
        }
    }

    fn say(&mut self, level: Level, what: impl Into<String>, text: impl Into<String>) {
        self.0.push(Finding { level, what: what.into(), text: text.into() });
    }

    fn result(&mut self, what: &str, result: Result<String, Failure>) {
        match result {
            Ok(text) => self.say(Level::Good, what, text),
            Err(failure) => self.say(Level::Wrong, what, failure.text()),
        }
    }

    fn store(&mut self, setup: &Setup) {
        match setup.place().map(|place| place.map(|place| place.folder)) {
            Ok(Some(folder)) if folder.is_dir() => {
                self.say(Level::Good, "store", format!("{} is there", folder.display()));
            }
            Ok(Some(folder)) if folder.exists() => {
                self.say(Level::Wrong, "store", format!("{} is no folder", folder.display()));
            }
            Ok(Some(folder)) => {
                let text = format!("{} will be made", folder.display());
                self.say(Level::Doubtful, "store", text);
            }
            Ok(None) => {
                self.say(Level::Doubtful, "store", "in memory: it is gone with the process");
            }
            Err(failure) => self.say(Level::Wrong, "store", failure.text()),
        }
    }

    fn keys(&mut self, setup: &Setup) {
        let path = match setup.keys_path() {
            Ok(path) => path,
            Err(failure) => return self.say(Level::Wrong, "keys", failure.text()),
        };
        match setup.open_keys() {
            Ok(None) => {
                let text = format!("{} will be made", path.display());
                self.say(Level::Doubtful, "keys", text);
            }
            Ok(Some(_)) if is_for_others(&path) => {
                let text = format!("others may read {}: chmod 600", path.display());
                self.say(Level::Doubtful, "keys", text);
            }
            Ok(Some(_)) => self.say(Level::Good, "keys", format!("{} has keys", path.display())),
            Err(failure) => self.say(Level::Wrong, "keys", failure.text()),
        }
    }

    fn http(&mut self, http: &Http) {
        let settings = match http.settings() {
            Ok(settings) => settings,
            Err(failure) => return self.say(Level::Wrong, "http", failure.text()),
        };
        self.port("http", settings.listen);
        let open = !settings.listen.ip().is_loopback();
        match (&settings.tls, settings.proxies.is_empty()) {
            (Some(_), _) => self.say(Level::Good, "tls", "certificate and key belong together"),
            (None, false) => self.say(Level::Good, "tls", "left to the trusted proxies"),
            (None, true) if open => {
                let text = "none, and no trusted proxy: passwords travel as they are";
                self.say(Level::Doubtful, "tls", text);
            }
            (None, true) => {
                let text = "none, on this host only: a proxy in front must be in trusted_proxies";
                self.say(Level::Doubtful, "tls", text);
            }
        }
    }

    fn intake(&mut self, intake: &IntakeSettings) {
        self.port("lmtp", intake.lmtp);
        if let Some(smtp) = intake.smtp {
            self.port("smtp", smtp);
            if intake.domain.is_empty() {
                self.say(Level::Wrong, "smtp", "no return_path_domain: every recipient is refused");
            }
        }
        for folder in &intake.maildirs {
            let (what, shown) = ("maildir", folder.display());
            if folder.join("new").is_dir() && folder.join("cur").is_dir() {
                self.say(Level::Good, what, format!("{shown} is watched"));
            } else {
                self.say(Level::Wrong, what, format!("{shown} is no Maildir: it lacks new or cur"));
            }
        }
    }

    fn page(&mut self, config: &Config, http: &Http) {
        let is_served = http.settings().is_ok_and(|http| config.page.is_served(http.listen));
        match config.page.users() {
            Err(failure) => self.say(Level::Wrong, "page", failure.text()),
            Ok(0) if is_served => {
                let text = "no [[page.user]]: only the link that serve prints logs in";
                self.say(Level::Doubtful, "page", text);
            }
            Ok(0) => self.say(Level::Doubtful, "page", "not served: no [[page.user]] may log in"),
            Ok(users) => self.say(Level::Good, "page", format!("{users} may log in")),
        }
    }

    fn port(&mut self, what: &str, address: SocketAddr) {
        match TcpListener::bind(address) {
            Ok(_) => self.say(Level::Good, what, format!("{address} is free")),
            // Perhaps by a `serve` that runs with this configuration.
            Err(error) => {
                self.say(Level::Doubtful, what, format!("{address}: {}", in_full(&error)));
            }
        }
    }

    fn mail(&mut self, config: &Config) {
        let domain = config.return_path_domain.as_ref();
        let (level, text) = domain.map_or_else(
            || {
                let text = "no return_path_domain: bounces are known by what they quote alone";
                (Level::Doubtful, text.to_owned())
            },
            |domain| (Level::Good, format!("at {domain}")),
        );
        self.say(level, "return paths", text);
        match config.tracking_url.as_deref() {
            None => self.say(Level::Doubtful, "tracking", "no tracking_url: no opens, no clicks"),
            Some(url) if url.starts_with("https://") => self.say(Level::Good, "tracking", url),
            Some(url) if url.starts_with("http://") => {
                let text = format!("{url}: one-click unsubscribing needs https (RFC 8058)");
                self.say(Level::Doubtful, "tracking", text);
            }
            Some(url) => {
                self.say(Level::Wrong, "tracking", format!("{url:?} is no URL of http or https"));
            }
        }
    }

    fn webhooks(&mut self, config: &Config) {
        let mut taken = BTreeSet::new();
        for webhook in &config.webhook {
            let what = format!("webhook {}", webhook.endpoint);
            if !taken.insert(&webhook.endpoint) {
                self.say(Level::Wrong, what.as_str(), "two accounts have this endpoint");
            }
            match webhook.account() {
                Err(failure) => self.say(Level::Wrong, what, failure.text()),
                Ok(_) if !webhook.verifies() => {
                    let text = "nothing verifies its requests: all are told to come later";
                    self.say(Level::Wrong, what, text);
                }
                Ok(_) => self.say(Level::Good, what, format!("of {}", webhook.provider)),
            }
        }
    }

    fn subscribers(&mut self, setup: &Setup, config: &Config) {
        if config.subscriber.is_empty() {
            return;
        }
        if let Err(failure) = setup.outbound_folder() {
            self.say(Level::Wrong, "subscribers", failure.text());
        }
        for name in subscriber::twice(&config.subscriber) {
            self.say(Level::Wrong, format!("subscriber {name}"), "two have this name");
        }
        for subscriber in &config.subscriber {
            let what = format!("subscriber {}", subscriber.name);
            if let Err(failure) = subscriber.check() {
                self.say(Level::Wrong, what, failure.text());
                continue;
            }
            for event in subscriber.unknown_events() {
                let text = format!("{event:?} is none of our types of events");
                self.say(Level::Doubtful, what.as_str(), text);
            }
            let place = subscriber.shown_place();
            if subscriber.is_open() {
                let text = format!("to {place}: messages travel as they are, signed");
                self.say(Level::Doubtful, what, text);
            } else {
                self.say(Level::Good, what, format!("to {place}"));
            }
        }
    }
}

fn is_for_others(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}
