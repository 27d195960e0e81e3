//! Pages that follow what comes in, over a real connection.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::{StatusCode, header};
use mailtrail::serve::{Limits, Running, Server};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tower::ServiceExt;

use crate::fixture::{Fixture, READER, bearer, delivered, opened};

/// Somebody who looks at a page.
struct Viewer(Lines<BufReader<TcpStream>>);

impl Viewer {
    async fn of(address: SocketAddr, path: &str, with: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{with}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(stream).lines();
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "HTTP/1.1 200 OK");
        Self(lines)
    }

    /// The next fragment; none when the stream has ended.
    async fn fragment(&mut self) -> Option<String> {
        let (mut is_fragment, mut data) = (false, String::new());
        loop {
            let line = tokio::time::timeout(Duration::from_secs(20), self.0.next_line());
            let line = line.await.expect("something comes").ok()??;
            if line == "event: fragment" {
                is_fragment = true;
            } else if let Some(more) = line.strip_prefix("data: ") {
                data.push_str(more);
            } else if line.is_empty() && is_fragment {
                return Some(data);
            }
        }
    }

    /// Waits for a fragment that says this; how many came until then.
    async fn sees(&mut self, said: &str) -> usize {
        let mut fragments = 1;
        while !self.fragment().await.expect("the stream goes on").contains(said) {
            fragments += 1;
        }
        fragments
    }
}

fn serve(fixture: &Fixture) -> Running {
    // A stream lasts longer than a request may.
    let limits = Limits::default().request_within(Duration::from_millis(300));
    Server::new(fixture.router()).limits(limits).bind(([127, 0, 0, 1], 0).into()).unwrap()
}

fn with_secret() -> String {
    format!("{}: {}", header::AUTHORIZATION, bearer(READER))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_sees_what_comes_in() {
    let fixture = Fixture::new();
    fixture.plan("snow-day", 3).await;
    let running = serve(&fixture);
    let queued = fixture.queued("snow-day").await;
    let mut page =
        Viewer::of(running.local_addr(), "/live/broadcast?id=snow-day", &with_secret()).await;
    let mut overview = Viewer::of(running.local_addr(), "/live/overview?", &with_secret()).await;
    assert!(page.fragment().await.unwrap().contains("0.0 % (0 of 3)"));
    assert!(overview.fragment().await.unwrap().contains("0.0 % (0 of 3)"));
    tokio::time::sleep(Duration::from_millis(600)).await;
    fixture.tell(&queued[0], delivered()).await;
    page.sees("33.3 % (1 of 3)").await;
    overview.sees("33.3 % (1 of 3)").await;
    fixture.tell(&queued[0], opened()).await;
    page.sees(&format!("href=\"/delivery/{}\">Opened</a>", queued[0].id())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn much_comes_in_as_few_fragments_and_the_last_state_comes_to_all() {
    let fixture = Fixture::new();
    fixture.plan("snow-day", 200).await;
    let running = serve(&fixture);
    let mut viewers = Vec::new();
    for _ in 0..20 {
        viewers.push(
            Viewer::of(running.local_addr(), "/live/broadcast?id=snow-day", &with_secret()).await,
        );
    }
    let began = std::time::Instant::now();
    for delivery in fixture.queued("snow-day").await {
        fixture.tell(&delivery, delivered()).await;
    }
    for viewer in &mut viewers {
        let fragments = viewer.sees("100.0 % (200 of 200)").await;
        // One at once, and then at most four a second.
        let most = 2 + usize::try_from(began.elapsed().as_millis() / 250).unwrap();
        assert!(fragments <= most, "{fragments} > {most}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_session_and_with_the_page() {
    let fixture = Fixture::new();
    fixture.plan("snow-day", 1).await;
    let running = serve(&fixture);
    let cookie = fixture.log_in("teacher", READER).await;
    let mut with_cookie = Viewer::of(
        running.local_addr(),
        "/live/broadcast?id=snow-day",
        &format!("Cookie: {cookie}"),
    )
    .await;
    let mut with_secret = Viewer::of(running.local_addr(), "/live/overview", &with_secret()).await;
    assert!(with_cookie.fragment().await.is_some() && with_secret.fragment().await.is_some());
    fixture.clock.advance(chrono::TimeDelta::hours(12));
    let delivery = &fixture.queued("snow-day").await[0];
    fixture.tell(delivery, delivered()).await;
    assert_eq!(with_cookie.fragment().await, None);
    with_secret.sees("100.0 % (1 of 1)").await;
    fixture.page.close();
    assert_eq!(with_secret.fragment().await, None);
    assert!(running.stop(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn so_many_look_at_once_and_no_more() {
    let fixture = Fixture::new();
    fixture.plan("snow-day", 1).await;
    let look = || async {
        let request = axum::http::Request::builder()
            .uri("/live/overview")
            .header(header::HOST, "localhost")
            .header(header::AUTHORIZATION, bearer(READER))
            .body(axum::body::Body::empty())
            .unwrap();
        fixture.router().oneshot(request).await.unwrap()
    };
    let mut held = Vec::new();
    for _ in 0..1_000 {
        held.push(look().await);
    }
    assert!(held.iter().all(|response| response.status() == StatusCode::OK));
    assert_eq!(look().await.status(), StatusCode::TOO_MANY_REQUESTS);
    held.pop();
    assert_eq!(look().await.status(), StatusCode::OK);
}
