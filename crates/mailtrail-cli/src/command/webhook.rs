//! `webhook`: what was refused, and verifying it again.

use clap::{Args, Subcommand};
use mailtrail::core::id::Endpoint;
use mailtrail::webhook::intake::Retried;
use mailtrail::webhook::refused::KEPT_FOR;

use crate::command::serve::webhook_intake;
use crate::failure::Failure;
use crate::output;
use crate::setup::{Opened, Setup};

/// What is asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Webhook {
    /// List the requests of the last seven days that were refused, with their causes.
    Refused(Listed),
    /// Verify again what was refused at an endpoint, by the present configuration: after a key was corrected.
    RetryRefused(Retry),
}

#[derive(Debug, Args)]
pub(crate) struct Listed {
    /// One endpoint, as the configuration names it; all without.
    endpoint: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// The endpoint, as the configuration names it.
    endpoint: String,
}

impl Webhook {
    pub(crate) async fn run(self, setup: &Setup) -> Result<(), Failure> {
        let opened = setup.open().await?;
        opened.refused.expire(opened.tracker.clock().now() - KEPT_FOR)?;
        match self {
            Self::Refused(listed) => listed.run(setup, &opened),
            Self::RetryRefused(retry) => retry.run(setup, &opened).await,
        }
    }
}

impl Listed {
    fn run(self, setup: &Setup, opened: &Opened) -> Result<(), Failure> {
        let endpoint = self.endpoint.map(Endpoint::new).transpose().map_err(Failure::data)?;
        let all = opened.refused.list(endpoint.as_ref())?;
        for kept in &all {
            let peer = kept.peer.map(|peer| peer.to_string());
            let at = kept.received_at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
            if setup.json {
                output::json(&serde_json::json!({
                    "id": kept.id.get(), "endpoint": kept.endpoint, "received_at": at,
                    "cause": kept.cause.name(), "peer": peer, "bytes": kept.bytes,
                }))?;
            } else {
                let (endpoint, peer) = (&kept.endpoint, peer.as_deref().unwrap_or("unknown"));
                output::line(format!(
                    "{at}  {endpoint}  from {peer}, {} bytes: {}",
                    kept.bytes, kept.cause
                ))?;
            }
        }
        if all.is_empty() && !setup.json {
            output::line("nothing was refused in the last seven days")?;
        }
        Ok(())
    }
}

impl Retry {
    async fn run(self, setup: &Setup, opened: &Opened) -> Result<(), Failure> {
        let endpoint = Endpoint::new(self.endpoint).map_err(Failure::data)?;
        let webhooks = setup.config()?.webhook;
        if !webhooks.iter().any(|webhook| webhook.endpoint == endpoint.as_str()) {
            return Err(Failure::data(format!(
                "no [[webhook]] of the configuration has the endpoint {endpoint}"
            )));
        }
        let intake = webhook_intake(opened, &webhooks)?;
        print(setup, &intake.retry_refused(&endpoint).await?)
    }
}

fn print(setup: &Setup, retried: &Retried) -> Result<(), Failure> {
    let Retried { accepted, new_events, known_events, refused, .. } = retried;
    if setup.json {
        let refused: serde_json::Map<_, _> =
            refused.iter().map(|(cause, count)| (cause.name().into(), (*count).into())).collect();
        return Ok(output::json(&serde_json::json!({
            "accepted": accepted, "new_events": new_events, "known_events": known_events,
            "refused": refused,
        }))?);
    }
    output::line(format!(
        "{accepted} requests verify now: {new_events} new events, {known_events} known before"
    ))?;
    for (cause, count) in refused {
        output::line(format!("{count} refused still: {cause}"))?;
    }
    Ok(())
}
