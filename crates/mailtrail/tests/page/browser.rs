//! The live page in a real browser.

use std::process::Stdio;
use std::time::Duration;

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use mailtrail::serve::Server;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::fixture::{Fixture, READER, bounced, delivered, opened};
use crate::skip::skipped;

/// A browser, ended when dropped.
pub(crate) struct Browser {
    pub(crate) client: Client,
    _driver: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// None if there is none here.
    pub(crate) async fn start() -> Option<Self> {
        let path = std::env::var_os("MAILTRAIL_CHROMEDRIVER")?;
        let mut driver = Command::new(path);
        driver.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut driver = driver.spawn().unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port: u16 = loop {
            let line = lines.next_line().await.unwrap().expect("it says where it listens");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').parse().unwrap();
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let profile = tempfile::tempdir().unwrap();
        let folder = format!("--user-data-dir={}", profile.path().display());
        let arguments =
            ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", &folder];
        let options = json!({ "goog:chromeOptions": { "args": arguments } });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(options.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        Some(Self { client, _driver: driver, _profile: profile })
    }

    async fn click(&self, css: &str) {
        for _ in 0..20 {
            let element = self.client.find(Locator::Css(css)).await.unwrap();
            match element.click().await {
                Ok(()) => return,
                // It was replaced since it was found.
                Err(error) if error.is_stale_element_reference() => {}
                Err(error) => panic!("{css}: {error}"),
            }
        }
        panic!("{css} never stays");
    }

    async fn text(&self, css: &str) -> String {
        self.client.find(Locator::Css(css)).await.unwrap().text().await.unwrap()
    }

    async fn type_into(&self, css: &str, text: &str) {
        self.client.find(Locator::Css(css)).await.unwrap().send_keys(text).await.unwrap();
    }

    pub(crate) async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Waits until the text of an element says this.
    pub(crate) async fn sees(&self, css: &str, said: &str) {
        let mut last = String::new();
        for _ in 0..200 {
            // The element may just be replaced.
            if let Ok(element) = self.client.find(Locator::Css(css)).await {
                last = element.text().await.unwrap_or_default();
            }
            if last.contains(said) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{css} never says {said:?}, but {last:?}");
    }

    /// Keeps what is shown, for people who look at the tests.
    pub(crate) async fn keep(&self, name: &str) {
        let picture = self.client.screenshot().await.unwrap();
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(folder.join(format!("page-{name}.png")), picture).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_see_in_a_browser_what_comes_in() {
    let Some(browser) = Browser::start().await else {
        return skipped("people_see_in_a_browser_what_comes_in", "no browser here");
    };
    let fixture = Fixture::new();
    fixture.plan("snow-day", 130).await;
    let queued = fixture.queued("snow-day").await;
    let running = Server::new(fixture.router()).bind(([127, 0, 0, 1], 0).into()).unwrap();
    let base = format!("http://{}", running.local_addr());

    // Refused, and let in by the link.
    browser.client.goto(&base).await.unwrap();
    assert_eq!(browser.text("h1").await, "Log in");
    browser.type_into("[name=name]", "teacher").await;
    browser.type_into("[name=secret]", "a guess").await;
    browser.click("main button").await;
    browser.sees("[role=alert]", "don't belong together").await;
    browser.client.goto(&fixture.page.login_link(&base).unwrap()).await.unwrap();
    browser.sees("h1", "Broadcasts").await;
    browser.keep("overview").await;

    // What comes in appears without a reload, and the focus stays where it was.
    browser.click("[id='broadcast-snow%2Dday']").await;
    browser.sees("#live-state", "updates itself").await;
    browser.run("window.same = true; document.getElementById('sort-name').focus();").await;
    fixture.tell(&queued[0], delivered()).await;
    browser.sees("#status-delivered b", "1").await;
    fixture.tell(&queued[0], opened()).await;
    fixture.tell(&queued[1], bounced("user_unknown")).await;
    browser.sees("#status-opened b", "1").await;
    browser.sees("#status-failed b", "1").await;
    browser.sees(&format!("#row-{}", queued[0].id()), "Opened").await;
    assert_eq!(
        browser.run("return [window.same, document.activeElement.id]").await,
        json!([true, "sort-name"])
    );
    browser.keep("broadcast").await;

    // What is drawn says in words what it shows, and its table stays open while more comes in.
    browser.click("#show-over-time").await;
    fixture.tell(&queued[2], delivered()).await;
    browser.sees("#over-time tbody tr:last-child td:nth-child(10)", "1").await;
    let told = "return Array.from(document.querySelectorAll('figure svg'), (svg) => svg.getAttribute('aria-label'))";
    let told = browser.run(told).await.to_string();
    assert!(told.contains("Unsent 127, Failed 1, Delivered 1, Opened 1"), "{told}");

    // The next page, a filter, an order, a trail.
    browser.click("#next").await;
    browser.sees("#rows caption", "30 of 130 rows").await;
    browser.click("#status-failed").await;
    browser.sees("#rows caption", "One row").await;
    browser.type_into("[name=search]", "nobody").await;
    browser.click("form.filter button").await;
    browser.sees("#rows caption", "No rows").await;
    browser.click("#status-all").await;
    browser.run("document.querySelector('[name=search]').value = ''").await;
    browser.click("form.filter button").await;
    browser.click("#sort-delivery_results").await;
    browser.click("#sort-delivery_results").await;
    browser.sees("#rows tbody tr:first-child", "Opened").await;
    browser.click("#rows tbody tr:nth-child(3) [data-status] a").await;
    browser.sees("h1", "c001 in snow-day").await;
    browser.sees(".trail", "It was given up").await;
    browser.click("form[action='/block'] button").await;
    browser.sees("main", "someone blocked it by hand").await;
    browser.keep("trail").await;

    // On a phone nothing but a table is wider than the screen.
    browser.client.set_window_size(360, 740).await.unwrap();
    for path in ["/", "/broadcast?id=snow-day", "/sheets/late_opens"] {
        browser.client.goto(&format!("{base}{path}")).await.unwrap();
        let wide = "return document.documentElement.scrollWidth - window.innerWidth";
        assert!(browser.run(wide).await.as_i64().unwrap() <= 0, "{path}");
    }
    browser.client.goto(&format!("{base}/broadcast?id=snow-day")).await.unwrap();
    browser.keep("phone").await;
    // The first thing that the keyboard reaches leads past the navigation.
    let first = "return document.querySelector('a[href], button, input').className";
    assert_eq!(browser.run(first).await, "skip");

    browser.click("header button").await;
    browser.sees("h1", "Log in").await;
    browser.type_into("[name=name]", "teacher").await;
    browser.type_into("[name=secret]", READER).await;
    browser.click("main button").await;
    browser.sees("header", "teacher (read only)").await;
    browser.client.clone().close().await.unwrap();
}
