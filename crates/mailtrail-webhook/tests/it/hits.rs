//! The pixel, links and unsubscribing over real HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use mailtrail_core::event::{Agent, Hit, HitKind, Unsubscribed, UnsubscribedHow};
use mailtrail_core::store::{AppendBatch, AppendError, Appended, EventStore, Filter, Position};
use mailtrail_core::token::Purpose;
use mailtrail_core::{DeliveryId, Event};
use mailtrail_memory::{MemoryRaw, MemoryStore};
use mailtrail_testkit::{Double, Otherwise};
use mailtrail_webhook::track::{
    GIF, LostHit, MOST_WAITING, Unsubscribe, click_url, pixel_url, trap_url, unsubscribe_url,
};

use super::router::{Response, Server};
use super::{keys, namespace, now};

const DELIVERY: DeliveryId = DeliveryId::from_bytes([2; 16]);
const BROWSER: &str = "\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)";
const LINK: &str = "https://school.example/menu?day=1&week=2#top";

impl Server {
    /// The answer, when what it began is stored or lost.
    async fn get(&self, path: &str, fields: &str) -> Response {
        self.ask("GET", path, fields, b"").await
    }

    async fn ask(&self, method: &str, path: &str, fields: &str, body: &[u8]) -> Response {
        let answer = self.request(&format!("{method} {path} HTTP/1.1{fields}"), body).await;
        while self.intake.hits().counts().waiting > 0 {
            tokio::task::yield_now().await;
        }
        answer
    }

    async fn submit(&self, path: &str, media: &str, body: &str) -> Response {
        self.ask("POST", path, &format!("\r\nContent-Type: {media}"), body.as_bytes()).await
    }

    async fn facts(&self) -> Vec<Event> {
        self.events().await.iter().map(|event| event.fact().unwrap().event).collect()
    }
}

const FORM: &str = "application/x-www-form-urlencoded";
const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

#[tokio::test]
async fn the_pixel_is_always_a_picture_and_a_get_with_a_token_a_hit() {
    let server = Server::start().await;
    let path = pixel_url("", &keys(), DELIVERY);
    let click = keys().sign(Purpose::Click, DELIVERY);
    for (method, path) in [
        ("HEAD", path.clone()),
        ("GET", "/o/forged.gif".into()),
        ("GET", format!("/o/{click}.gif")),
    ] {
        let answer = server.ask(method, &path, BROWSER, b"").await;
        assert_eq!(answer.status, 200, "{method} {path}");
        assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);
        assert!(answer.head.contains("content-type: image/gif"), "{}", answer.head);
        assert_eq!(answer.body, if method == "GET" { GIF } else { b"" });
    }
    assert!(server.events().await.is_empty());
    let counts = server.intake.hits().counts();
    assert_eq!((counts.no_token, counts.head), (2, 1));

    // A person: a hit, the verdict comes later. Apple's proxy: both at once.
    let apple = "\r\nUser-Agent: Mozilla/5.0";
    for agent in [BROWSER, apple, BROWSER, BROWSER] {
        assert_eq!(server.get(&path, agent).await.body, GIF);
    }
    let events = server.events().await;
    let types: Vec<_> = events.iter().map(|event| event.event.event_type.as_str()).collect();
    assert_eq!(types, ["hit", "hit", "opened", "custom"]);
    assert!(events.iter().all(|event| event.stream.as_delivery() == Some(DELIVERY)));
    assert_eq!(events[0].private().ip.as_deref(), Some("127.0.0.1"));
    let counts = server.intake.hits().counts();
    assert_eq!((counts.recorded, counts.dropped), (3, 1));
}

#[tokio::test]
async fn a_click_leads_to_the_link_that_was_signed_and_nowhere_else() {
    let server = Server::start().await;
    let path = click_url("", &keys(), DELIVERY, LINK);
    let (url, _) = path.split_once("?u=").unwrap();
    for (path, status) in [
        (format!("{url}?u=https%3A%2F%2Fevil.example%2F"), 404),
        (format!("{path}x"), 404),
        (url.to_owned(), 404),
        (click_url("", &keys(), DELIVERY, "javascript:alert(1)"), 404),
        (click_url("", &keys(), DELIVERY, "https://a.example/\r\nSet-Cookie: a=b"), 404),
        (path.replace("/c/", "/o/"), 200),
    ] {
        let answer = server.get(&path, BROWSER).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(!answer.head.contains("location:"), "{}", answer.head);
    }
    assert!(server.events().await.is_empty());

    let head = server.ask("HEAD", &path, BROWSER, b"").await;
    let get = server.get(&format!("{path}&utm_source=mail"), BROWSER).await;
    for answer in [&head, &get] {
        assert_eq!(answer.status, 302);
        assert!(answer.head.contains(&format!("location: {LINK}")), "{}", answer.head);
        assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);
        assert!(answer.head.contains("referrer-policy: no-referrer"), "{}", answer.head);
    }
    let [Event::Hit(Hit { hit: HitKind::Link, link, .. })] = &server.facts().await[..] else {
        panic!()
    };
    assert_eq!(link.as_deref(), Some(LINK));
}

#[tokio::test]
async fn what_nobody_looks_at_yet_does_not_count() {
    let server = Server::start().await;
    let (click, pixel) = (click_url("", &keys(), DELIVERY, LINK), pixel_url("", &keys(), DELIVERY));
    for field in [
        "Sec-Purpose: prefetch;prerender",
        "Purpose: prefetch",
        "X-Purpose: preview",
        "X-Moz: prefetch",
    ] {
        let fields = format!("{BROWSER}\r\n{field}");
        assert_eq!(server.get(&click, &fields).await.status, 503, "so that a click asks again");
        assert_eq!(server.get(&pixel, &fields).await.body, GIF);
    }
    assert!(server.events().await.is_empty());
    assert_eq!(server.intake.hits().counts().prefetch, 8);
}

#[tokio::test]
async fn the_hidden_link_is_harmless_and_tells_a_scanner() {
    let server = Server::start().await;
    let answer = server.get(&trap_url("", &keys(), DELIVERY), BROWSER).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    let facts = server.facts().await;
    let [Event::Hit(_), Event::Clicked(clicked)] = &facts[..] else { panic!("{facts:?}") };
    assert_eq!((clicked.agent, clicked.rule.as_deref()), (Agent::Scanner, Some("trap_link")));
}

#[tokio::test]
async fn a_get_never_unsubscribes_and_a_post_does() {
    let server = Server::start().await;
    let path = unsubscribe_url("", &keys(), DELIVERY);
    for method in ["GET", "HEAD", "GET"] {
        let answer = server.ask(method, &path, BROWSER, b"").await;
        assert_eq!(answer.status, 200);
        for field in
            ["text/html; charset=utf-8", "cache-control: no-store", "default-src 'none'", "nosniff"]
        {
            assert!(answer.head.contains(field), "{field}: {}", answer.head);
        }
    }
    let page = server.get(&path, BROWSER).await;
    insta::assert_snapshot!(String::from_utf8(page.body).unwrap());
    assert_eq!(server.submit(&path, FORM, "").await.status, 400);
    assert_eq!(server.submit(&path, FORM, "List-Unsubscribe=No").await.status, 400);
    assert!(server.events().await.is_empty());
    for token in ["forged".to_owned(), keys().sign(Purpose::Open, DELIVERY)] {
        for body in [ONE_CLICK, ""] {
            assert_eq!(server.submit(&format!("/u/{token}"), FORM, body).await.status, 404);
        }
        assert_eq!(server.get(&format!("/u/{token}"), "").await.status, 404);
    }
    assert!(server.events().await.is_empty());

    let multipart = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
    for (media, body) in [
        ("multipart/form-data; boundary=b", multipart),
        (FORM, ONE_CLICK),
        (FORM, "unsubscribe=page"),
        (FORM, "unsubscribe=page"),
    ] {
        assert_eq!(server.submit(&path, media, body).await.status, 200);
    }
    let how = |fact: &Event| match fact {
        Event::Unsubscribed(Unsubscribed { how, .. }) => *how,
        other => panic!("{other:?}"),
    };
    let hows: Vec<_> = server.facts().await.iter().map(how).collect();
    assert_eq!(hows, [UnsubscribedHow::OneClick, UnsubscribedHow::Page], "each once a minute");
    let counts = server.intake.hits().counts();
    assert_eq!((counts.unsubscribed, counts.dropped), (2, 2));
    let large = "a".repeat(70_000);
    assert_eq!(server.submit(&path, FORM, &large).await.status, 413);
}

/// Hangs or fails as it is told to.
#[derive(Debug)]
struct Unwell {
    store: Arc<MemoryStore>,
    hangs: AtomicBool,
    fails: AtomicBool,
}

#[async_trait]
impl Otherwise for Unwell {
    fn store(&self) -> &dyn EventStore {
        &*self.store
    }

    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.fails.load(Ordering::SeqCst) {
            return Err(AppendError::Unavailable { cause: "no space left".into() });
        }
        self.store.append(batch).await
    }
}

async fn unwell() -> (Server, Arc<Double<Unwell>>) {
    let store = Arc::new(MemoryStore::with(namespace(), Arc::new(now)));
    let (hangs, fails) = (AtomicBool::new(false), AtomicBool::new(false));
    let unwell = Arc::new(Double(Unwell { store: Arc::clone(&store), hangs, fails }));
    let events: Arc<dyn EventStore> = Arc::<Double<Unwell>>::clone(&unwell);
    let raw = Arc::new(MemoryRaw::default());
    (Server::with_stores(store, events, Arc::clone(&raw), raw).await, unwell)
}

#[tokio::test]
async fn a_store_that_hangs_delays_no_click_and_fills_no_memory() {
    let (server, store) = unwell().await;
    store.hangs.store(true, Ordering::SeqCst);
    for n in 0_u8..20 {
        let delivery = DeliveryId::from_bytes([n; 16]);
        for path in [click_url("", &keys(), delivery, LINK), pixel_url("", &keys(), delivery)] {
            let asked = Instant::now();
            let answer = server.request(&format!("GET {path} HTTP/1.1{BROWSER}"), b"").await;
            assert!(matches!(answer.status, 200 | 302));
            assert!(asked.elapsed() < Duration::from_millis(250), "{:?}", asked.elapsed());
        }
    }
    let hits = server.intake.hits();
    assert_eq!(hits.counts().waiting, 40);
    // Who unsubscribes is told to come again, and no second one is begun meanwhile.
    let token = keys().sign(Purpose::Unsubscribe, DELIVERY);
    let visit = mailtrail_webhook::track::Visit::new();
    let ask = || hits.unsubscribe(&token, UnsubscribedHow::OneClick, visit);
    let first = tokio::time::timeout(Duration::from_millis(1), async {
        let (mut first, mut second) = (Box::pin(ask()), Box::pin(ask()));
        tokio::select! { biased; _ = &mut first => unreachable!(), again = &mut second => again }
    });
    assert_eq!(first.await.unwrap(), Unsubscribe::Later);
    assert_eq!(hits.counts().unsubscribe_failed, 1);
    let mut pending = Vec::new();
    for n in 0..MOST_WAITING {
        let mut id = [9; 16];
        id[..8].copy_from_slice(&n.to_be_bytes());
        let token = keys().sign(Purpose::Open, DeliveryId::from_bytes(id));
        pending.extend(hits.pixel(&token, mailtrail_webhook::track::Visit::new()));
    }
    assert_eq!((pending.len(), hits.counts().failed), (MOST_WAITING - 40, 40));
    assert!(matches!(&*hits.last_loss().unwrap(), LostHit::TooManyWaiting { .. }));
    drop(pending);
    assert_eq!((hits.counts().waiting, hits.counts().failed), (40, MOST_WAITING as u64));
}

#[tokio::test]
async fn what_could_not_be_stored_is_counted_and_is_kept_when_it_comes_again() {
    let (server, store) = unwell().await;
    store.fails.store(true, Ordering::SeqCst);
    let (click, leave) =
        (click_url("", &keys(), DELIVERY, LINK), unsubscribe_url("", &keys(), DELIVERY));
    assert_eq!(server.get(&click, BROWSER).await.status, 302);
    let loss = server.intake.hits().last_loss().unwrap();
    assert!(matches!(&*loss, LostHit::NotStored(AppendError::Unavailable { .. })), "{loss:?}");
    let answer = server.submit(&leave, FORM, ONE_CLICK).await;
    assert_eq!(answer.status, 503, "the mailbox's provider tries again");
    assert!(answer.head.contains("retry-after: 60"), "{}", answer.head);
    let counts = server.intake.hits().counts();
    assert_eq!((counts.failed, counts.unsubscribe_failed, counts.recorded), (1, 1, 0));

    store.fails.store(false, Ordering::SeqCst);
    server.get(&click, BROWSER).await;
    assert_eq!(server.submit(&leave, FORM, ONE_CLICK).await.status, 200);
    assert_eq!(server.facts().await.len(), 2);

    // Nor is it forgotten to say that there were more, and the one that is stored keeps its place.
    store.fails.store(true, Ordering::SeqCst);
    server.get(&click, BROWSER).await;
    store.fails.store(false, Ordering::SeqCst);
    server.get(&click, BROWSER).await;
    server.get(&click, BROWSER).await;
    let facts = server.facts().await;
    assert!(matches!(facts[2..], [Event::Custom(_)]), "{facts:?}");
}

#[tokio::test]
async fn one_who_reloads_for_ever_costs_few_events() {
    reload(2_000).await;
}

/// A million times.
#[tokio::test]
async fn soak_one_who_reloads_a_million_times_costs_few_events() {
    let full = std::env::var_os("MAILTRAIL_SOAK").is_some();
    reload(if full { 1_000_000 } else { 20_000 }).await;
}

async fn reload(times: u32) {
    let store = Arc::new(MemoryStore::with(namespace(), Arc::new(now)));
    let seconds = Arc::new(std::sync::atomic::AtomicI64::new(0));
    let clock = {
        let seconds = Arc::clone(&seconds);
        move || now() + chrono::TimeDelta::milliseconds(seconds.load(Ordering::SeqCst))
    };
    let count = std::sync::atomic::AtomicU64::new(0);
    let random = move || {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&count.fetch_add(1, Ordering::SeqCst).to_be_bytes());
        bytes
    };
    let events: Arc<dyn EventStore> = Arc::<MemoryStore>::clone(&store);
    let hits = mailtrail_webhook::track::Hits::new(events, keys(), Arc::new(clock), random);
    let token = keys().sign(Purpose::Open, DELIVERY);
    // Three programs, one request each 50 ms: a million are half a day.
    for n in 0..times {
        seconds.fetch_add(50, Ordering::SeqCst);
        let agent = format!("Mozilla/5.0 (program {})", n % 3);
        let visit = mailtrail_webhook::track::Visit::new().user_agent(Some(&agent));
        if let Some(pending) = hits.pixel(&token, visit) {
            pending.await;
        }
    }
    let stored = store.read_all(&Filter::all(), Position::START, 1_000).await.unwrap().events.len();
    // 200 hits, and one event that says that there were more.
    assert!(stored <= 201, "{stored}");
    assert!(stored > 2, "{stored}");
    assert_eq!(hits.counts().dropped + hits.counts().recorded, u64::from(times));
}
