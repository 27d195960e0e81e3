//! What is not answered, and what a browser is told.

use axum::http::{Method, Request, StatusCode, header};
use mailtrail::core::store::EventStoreExt;
use mailtrail::core::suppression::Scope;

use crate::fixture::{ADMIN, Fixture, READER, bearer, request};

#[tokio::test]
async fn only_hosts_that_are_served_are_answered() {
    let fixture = Fixture::new();
    for (host, served) in [
        ("localhost:8025", true),
        ("127.0.0.1", true),
        ("[::1]:8025", true),
        ("mail.school.example", true),
        ("MAIL.school.example.:443", true),
        ("evil.example", false),
        ("127.0.0.1.evil.example", false),
        ("localhost.evil.example", false),
        ("10.0.0.1", false),
        ("", false),
    ] {
        for path in ["/login", "/", "/assets/page.js", "/api/broadcasts"] {
            let request = Request::builder().uri(path).header(header::HOST, host);
            let status = fixture.ask(request, "").await.status;
            assert_eq!(status != StatusCode::MISDIRECTED_REQUEST, served, "{host} {path}");
        }
    }
    let nameless = fixture.ask(Request::builder().uri("/login"), "").await;
    assert_eq!(nameless.status, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn every_answer_says_what_it_must_not_be_used_for() {
    let fixture = Fixture::new();
    for path in ["/", "/login", "/assets/page.css", "/assets/page.js", "/api/broadcasts"] {
        for answer in [fixture.ask(request(Method::GET, path), "").await, fixture.get(path).await] {
            let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
            for part in [
                "default-src 'none'",
                "script-src 'self'",
                "style-src 'self'",
                "frame-ancestors 'none'",
                "base-uri 'none'",
            ] {
                assert!(policy.contains(part), "{path}: {policy}");
            }
            assert!(!policy.contains("unsafe"));
            assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
            // What the policy forbids isn't there.
            let page = answer.body.to_lowercase();
            assert!(
                path.starts_with("/assets/")
                    || !page.contains("<style")
                        && !page.contains(" style=")
                        && !page.contains("<script>")
            );
        }
    }
}

#[tokio::test]
async fn only_an_admin_blocks_and_only_from_the_page() {
    let fixture = Fixture::new();
    fixture.plan("snow-day", 1).await;
    let delivery = fixture.queued("snow-day").await[0].id();
    let ann = "c000@a.example".parse().unwrap();
    let body = format!("address=c000%40a.example&type=&delivery={delivery}&note=asked");
    let is_blocked = || async {
        let list = fixture.tracker.suppression(&ann).await.unwrap();
        list.entries().any(|(scope, entry)| *scope == Scope::AllKinds && entry.blocked)
    };
    let (admin, reader) =
        (fixture.log_in("office", ADMIN).await, fixture.log_in("teacher", READER).await);
    let own = "http://localhost";
    for (cookie, origin, path) in [
        (&admin, Some("http://evil.example"), "/block"),
        (&admin, Some("null"), "/block"),
        (&admin, None, "/block"),
        (&reader, Some(own), "/block"),
        (&reader, Some(own), "/unblock"),
    ] {
        let mut request = request(Method::POST, path).header(header::COOKIE, cookie);
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        assert_eq!(fixture.ask(request, &body).await.status, StatusCode::FORBIDDEN, "{origin:?}");
        assert!(!is_blocked().await);
    }
    let shown = |cookie: String| {
        let fixture = &fixture;
        async move {
            let path = format!("/delivery/{delivery}");
            fixture.ask(request(Method::GET, &path).header(header::COOKIE, cookie), "").await.body
        }
    };
    assert!(shown(admin.clone()).await.contains("Block for all types"));
    let act = |path: &str| {
        request(Method::POST, path).header(header::COOKIE, &admin).header(header::ORIGIN, own)
    };
    let answer = fixture.ask(act("/block"), &body).await;
    assert_eq!(answer.headers[header::LOCATION], format!("/delivery/{delivery}"));
    assert!(is_blocked().await);
    assert!(shown(admin.clone()).await.contains("Unblock"));
    let for_reader = shown(reader).await;
    assert!(for_reader.contains("someone blocked it by hand") && !for_reader.contains("Unblock"));

    let stream = mailtrail::core::StreamId::address(&fixture.tracker.store().namespace(), &ann);
    let entry = &fixture.tracker.store().stream(stream).await.unwrap()[0];
    assert_eq!(
        (entry.event.actor.as_deref(), &*entry.event.source.to_string()),
        (Some("office"), "page")
    );

    fixture.clock.advance(chrono::TimeDelta::seconds(1));
    fixture.ask(act("/unblock"), &body).await;
    assert!(!is_blocked().await);
    fixture.clock.advance(chrono::TimeDelta::seconds(1));
    // A program with a secret sends no cookies: nobody else can make it ask.
    let program = request(Method::POST, "/block").header(header::AUTHORIZATION, bearer(ADMIN));
    assert_eq!(fixture.ask(program, &body).await.status, StatusCode::SEE_OTHER);
    assert!(is_blocked().await);
    for (path, body) in [
        ("/block", "address=nonsense"),
        ("/block", "address=a%40b.example&type=%00"),
        ("/block", ""),
    ] {
        assert_eq!(fixture.ask(act(path), body).await.status, StatusCode::BAD_REQUEST, "{body}");
    }
}
