//! Every page, looked at by axe-core: a machine finds what nobody can read or reach.

use axum::http::Method;
use fantoccini::wd::WebDriverCompatibleCommand;
use mailtrail::core::event::Custom;
use mailtrail::serve::Server;
use serde_json::{Value, json};
use url::{ParseError, Url};

use crate::browser::Browser;
use crate::fixture::{Fixture, bounced, delivered, opened};
use crate::skip::skipped;

const TEST: &str = "a_machine_finds_nothing_serious_on_any_page";

/// The colours that a page is asked for.
#[derive(Debug)]
struct Colours(&'static str);

impl WebDriverCompatibleCommand for Colours {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let asked = [json!({ "name": "prefers-color-scheme", "value": self.0 })];
        let command =
            json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "features": asked } });
        (Method::POST, Some(command.to_string()))
    }
}

/// What keeps people from reading or using the page that is shown, a line each, by all rules or by some.
async fn found(browser: &Browser, axe: &str, rules: &Value) -> Vec<String> {
    let open = "document.querySelectorAll('details').forEach((box) => { box.open = true; });";
    browser.run(open).await;
    browser.run(axe).await;
    let look = "const done = arguments[arguments.length - 1]; \
                axe.run(document, arguments[0]).then(done, (error) => done(String(error)));";
    let found = browser.client.execute_async(look, vec![rules.clone()]).await.unwrap();
    let violations = found["violations"].as_array().unwrap_or_else(|| panic!("{found}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let line = |violation: &Value| {
        let first = &violation["nodes"][0];
        let (impact, rule) = (&violation["impact"], &violation["id"]);
        [impact, rule, &first["html"], &first["failureSummary"]].map(text).join(": ")
    };
    violations.iter().map(line).collect()
}

fn is_serious(line: &str) -> bool {
    line.starts_with("serious: ") || line.starts_with("critical: ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_finds_nothing_serious_on_any_page() {
    let Some(axe) = std::env::var_os("MAILTRAIL_AXE") else {
        return skipped(TEST, "no axe-core: `cargo xtask test --install` brings it");
    };
    let axe = std::fs::read_to_string(axe).unwrap();
    let Some(browser) = Browser::start().await else { return skipped(TEST, "no browser here") };
    let fixture = Fixture::new();
    fixture.plan("snow-day", 40).await;
    let queued = fixture.queued("snow-day").await;
    for delivery in &queued[..30] {
        fixture.sent(delivery).await;
    }
    for delivery in &queued[..25] {
        fixture.tell(delivery, delivered()).await;
    }
    fixture.clock.advance(chrono::TimeDelta::minutes(2));
    fixture.tell(&queued[0], opened()).await;
    fixture.tell(&queued[0], bounced("mailbox_full")).await;
    fixture.tell(&queued[1], bounced("user_unknown")).await;
    fixture.tell(&queued[29], bounced("user_unknown")).await;
    let mut custom = Custom::default();
    custom.custom_type = "printed".into();
    fixture.tell(&queued[2], custom).await;
    fixture.tell_of("m-elsewhere", delivered()).await;
    fixture.caught_up().await;
    let running = Server::new(fixture.router()).bind(([127, 0, 0, 1], 0).into()).unwrap();
    let base = format!("http://{}", running.local_addr());

    let sheets = fixture.get("/api/sheets").await.json();
    let sheets = sheets["sheets"].as_array().unwrap().iter();
    let sheets = sheets.map(|sheet| match sheet["name"].as_str().unwrap() {
        // Of many rows the last ones are as good as the first.
        "late_opens" => "/sheets/late_opens?from=1180".to_owned(),
        name => format!("/sheets/{name}"),
    });
    let others = [
        "/login".to_owned(),
        "/".to_owned(),
        "/broadcast?id=snow-day".to_owned(),
        "/broadcast?id=snow-day&status=delivered&sort=name:desc&limit=5".to_owned(),
        "/broadcast?id=nothing".to_owned(),
        format!("/delivery/{}", queued[0].id()),
        "/contact?id=c000".to_owned(),
    ];
    let paths: Vec<_> = others.into_iter().chain(sheets).collect();
    assert!(paths.len() > 14, "{paths:?}");
    let mut serious = Vec::new();
    browser.client.set_window_size(1_200, 2_000).await.unwrap();
    browser.client.goto(&format!("{base}/login")).await.unwrap();
    // It sees what is wrong.
    browser.run("document.documentElement.removeAttribute('lang')").await;
    assert!(found(&browser, &axe, &json!({})).await.iter().any(|line| is_serious(line)));
    // In other colours only colours differ.
    let rules = [("light", json!({})), ("dark", json!({ "runOnly": ["color-contrast"] }))];
    for (colours, rules) in rules {
        browser.client.issue_cmd(Colours(colours)).await.unwrap();
        browser.client.goto(&fixture.page.login_link(&base).unwrap()).await.unwrap();
        for path in &paths {
            browser.client.goto(&format!("{base}{path}")).await.unwrap();
            let is_dark = "return matchMedia('(prefers-color-scheme: dark)').matches";
            assert_eq!(browser.run(is_dark).await, json!(colours == "dark"));
            for line in found(&browser, &axe, &rules).await {
                println!("{colours} {path}: {line}");
                serious.extend(is_serious(&line).then(|| format!("{colours} {path}: {line}")));
            }
        }
        browser.client.goto(&format!("{base}/broadcast?id=snow-day")).await.unwrap();
        browser.keep(&format!("broadcast-{colours}")).await;
    }
    assert!(serious.is_empty(), "{}", serious.join("\n"));
    browser.client.clone().close().await.unwrap();
}
