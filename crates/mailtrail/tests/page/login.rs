//! Who gets in.

use axum::http::{Method, StatusCode, header};
use chrono::TimeDelta;

use crate::fixture::{ADMIN, Fixture, READER, request};

#[tokio::test]
async fn nothing_is_shown_without_a_session() {
    let fixture = Fixture::new();
    fixture.plan("snow-day", 1).await;
    let delivery = fixture.queued("snow-day").await[0].id();
    for path in [
        "/",
        "/broadcast?id=snow-day",
        &format!("/delivery/{delivery}"),
        "/contact?id=c000",
        "/sheets/late_opens",
    ] {
        let answer = fixture.ask(request(Method::GET, path), "").await;
        assert_eq!(
            (answer.status, &answer.headers[header::LOCATION]),
            (StatusCode::SEE_OTHER, &"/login".parse().unwrap()),
            "{path}"
        );
        assert!(!answer.body.contains("snow-day"));
    }
    let elsewhere = fixture.ask(request(Method::POST, "/webhooks/none"), "").await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND);
    for path in
        ["/api/broadcasts", "/api/openapi.json", "/live/overview", "/live/broadcast?id=snow-day"]
    {
        let answer = fixture.ask(request(Method::GET, path), "").await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::UNAUTHORIZED, ""), "{path}");
    }
}

#[tokio::test]
async fn a_link_logs_in_once_and_in_time() {
    let fixture = Fixture::new();
    fixture.plan("snow-day", 1).await;
    let link = fixture.page.login_link("http://localhost/").unwrap();
    let path = link.strip_prefix("http://localhost").unwrap();
    let first = fixture.ask(request(Method::GET, path), "").await;
    assert_eq!(first.status, StatusCode::SEE_OTHER);
    let with_cookie = request(Method::GET, "/").header(header::COOKIE, first.cookie());
    let inside = fixture.ask(with_cookie, "").await;
    assert_eq!(inside.status, StatusCode::OK);
    assert!(inside.body.contains("this computer (admin)"));
    let second = fixture.ask(request(Method::GET, path), "").await;
    assert_eq!(second.status, StatusCode::FORBIDDEN);
    assert!(!second.headers.contains_key(header::SET_COOKIE));

    let late = fixture.page.login_link("").unwrap();
    fixture.clock.advance(TimeDelta::minutes(10));
    assert_eq!(fixture.ask(request(Method::GET, &late), "").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_secret_logs_its_own_user_in() {
    let fixture = Fixture::new();
    fixture.plan("snow-day", 1).await;
    for (name, secret) in [("office", READER), ("office", ""), ("nobody", ADMIN), ("", ADMIN)] {
        let request = request(Method::POST, "/login").header(header::ORIGIN, "http://localhost");
        let answer = fixture.ask(request, &format!("name={name}&secret={secret}")).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}");
        assert!(!answer.headers.contains_key(header::SET_COOKIE));
    }
    let cookie = fixture.log_in("teacher", READER).await;
    let ask = || request(Method::GET, "/").header(header::COOKIE, &cookie);
    assert!(fixture.ask(ask(), "").await.body.contains("teacher (read only)"));

    let leave = request(Method::POST, "/logout")
        .header(header::COOKIE, &cookie)
        .header(header::ORIGIN, "http://localhost");
    assert_eq!(fixture.ask(leave, "").await.status, StatusCode::SEE_OTHER);
    assert_eq!(fixture.ask(ask(), "").await.status, StatusCode::SEE_OTHER);

    let cookie = fixture.log_in("teacher", READER).await;
    fixture.clock.advance(TimeDelta::hours(12));
    let ask = request(Method::GET, "/").header(header::COOKIE, &cookie);
    assert_eq!(fixture.ask(ask, "").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_cookie_is_for_this_page_alone() {
    let fixture = Fixture::new();
    let set = |host: &'static str| {
        let fixture = &fixture;
        async move {
            let request = axum::http::Request::builder().method("POST").uri("/login");
            let request = request
                .header(header::HOST, host)
                .header(header::ORIGIN, format!("https://{host}"));
            let answer = fixture.ask(request, &format!("name=office&secret={ADMIN}")).await;
            answer.headers[header::SET_COOKIE].to_str().unwrap().to_owned()
        }
    };
    let plain = set("127.0.0.1:8025").await;
    assert!(plain.starts_with("mailtrail=") && !plain.contains("Secure"), "{plain}");
    let named = set("mail.school.example").await;
    assert!(named.starts_with("__Host-mailtrail=") && named.ends_with("; Secure"), "{named}");
    for cookie in [plain, named] {
        assert!(cookie.contains("; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200"), "{cookie}");
    }
}

#[tokio::test]
async fn who_guesses_is_told_to_come_later() {
    let fixture = Fixture::new();
    let attempt = |secret: &'static str| {
        let request = request(Method::POST, "/login").header(header::ORIGIN, "http://localhost");
        fixture.ask(request, Box::leak(format!("name=office&secret={secret}").into_boxed_str()))
    };
    for _ in 0..20 {
        assert_eq!(attempt("guessed").await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(attempt(ADMIN).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(fixture.get("/api/broadcasts").await.status, StatusCode::TOO_MANY_REQUESTS);
    fixture.clock.advance(TimeDelta::minutes(1));
    assert_eq!(attempt(ADMIN).await.status, StatusCode::SEE_OTHER);
}
