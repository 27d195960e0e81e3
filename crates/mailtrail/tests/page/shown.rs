//! What the pages say.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::StatusCode;
use mailtrail::audit::Erasure;
use mailtrail::core::event::Custom;
use mailtrail::core::plan::{Contact, ContactAddress};
use mailtrail::memory::MemoryRaw;

use crate::fixture::{Fixture, bounced, delivered, opened};

/// The links of a page that have this id.
fn link(page: &str, id: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("<a id=\"{id}\""))?;
    let (_, rest) = rest.split_once("href=\"")?;
    Some(rest.split_once('"')?.0.replace("&amp;", "&"))
}

/// The contacts of a page, in order.
fn contacts(page: &str) -> Vec<String> {
    let rows = page.split("href=\"/contact?id=").skip(1);
    rows.map(|row| row.split_once('"').unwrap().0.to_owned()).collect()
}

#[tokio::test]
async fn a_broadcast_shows_its_counts_and_its_rows() {
    let fixture = Fixture::new();
    fixture.plan("snow-day", 4).await;
    fixture.plan("picnic", 1).await;
    let queued = fixture.queued("snow-day").await;
    for delivery in &queued {
        fixture.sent(delivery).await;
    }
    fixture.tell(&queued[0], opened()).await;
    fixture.tell(&queued[1], delivered()).await;
    fixture.tell(&queued[2], bounced("user_unknown")).await;
    fixture.caught_up().await;

    let overview = fixture.get("/").await.body;
    assert!(overview.contains("2 broadcasts"));
    assert!(overview.contains("50.0 % (2 of 4)"), "{overview}");
    let found = fixture.get("/?search=SNOW").await.body;
    assert!(found.contains("<p>1 broadcast</p>") && !found.contains("picnic"));

    let page = fixture.get("/broadcast?id=snow-day").await.body;
    for said in [
        "50.0 % (2 of 4)",
        "25.0 % (1 of 4)",
        "All 4 rows",
        "“Closed &lt;today&gt;”",
        "school=North",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    // What is drawn stands in words and in a table beside it.
    for said in [
        "aria-label=\"From planned to read\"",
        "<td>Sent or tried</td><td class=\"number\">4</td><td class=\"number\">100.0 % (4 of 4)</td>",
        "aria-label=\"Delivery Results over time. At last: Sent 1, Failed 1, Delivered 1, Opened 1\"",
        "at the end of each minute (UTC)",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let failed = fixture.get(&link(&page, "status-failed").unwrap()).await.body;
    assert_eq!(contacts(&failed), ["c002"]);
    assert!(failed.contains("aria-current=\"true\""));
    let north = fixture.get("/broadcast?id=snow-day&where=school%3DNorth&search=C00").await.body;
    assert_eq!(contacts(&north), ["c000", "c002"]);
    let sorted = fixture.get(&link(&page, "sort-delivery_results").unwrap()).await.body;
    assert_eq!(contacts(&sorted), ["c003", "c002", "c001", "c000"]);
    assert!(sorted.contains("aria-sort=\"ascending\""));

    let id = queued[2].id();
    let trail = fixture.get(&link(&page, &format!("trail-{id}")).unwrap()).await.body;
    for said in [
        "It was planned",
        "It was given up, by webhook:postmark",
        "Sent → Failed",
        "This decided it",
        "There is no such mailbox",
    ] {
        assert!(trail.contains(said), "{said}: {trail}");
    }
    let contact = fixture.get("/contact?id=c000").await.body;
    assert!(contact.contains("snow-day") && contact.contains("picnic"));
}

/// What the index held of a person is gone with the state from which it was made.
#[tokio::test]
async fn who_was_erased_is_no_longer_found() {
    let fixture = Fixture::new();
    fixture.plan("snow-day", 3).await;
    let found = async |text: &str| {
        let path = format!("/broadcast?id=snow-day&search={text}");
        contacts(&fixture.get(&path).await.body)
    };
    assert_eq!(found("CONTACT+1").await, ["c001"]);
    let store = &**fixture.tracker.store();
    let erasure = Erasure::find(store, &"c001".parse().unwrap()).await.unwrap();
    erasure.erase(store, &MemoryRaw::default(), Some(&*fixture.states)).await.unwrap();
    fixture.plan("picnic", 1).await;
    for _ in 0..100 {
        if found("CONTACT+1").await.is_empty() && !found("erased").await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((found("CONTACT+1").await, found("erased").await), (vec![], vec!["c001".into()]));
}

#[tokio::test]
async fn what_single_events_say_has_its_pages() {
    let fixture = Fixture::new();
    fixture.plan("snow-day", 1).await;
    let ann = &fixture.queued("snow-day").await[0];
    fixture.tell(ann, delivered()).await;
    fixture.tell(ann, bounced("mailbox_full")).await;
    let mut printed = Custom::default();
    printed.custom_type = "printed".into();
    fixture.tell(ann, printed).await;
    fixture.tell_of("m-elsewhere", delivered()).await;
    fixture.caught_up().await;
    for (name, title, said) in [
        (
            "unmatched_feedback",
            "Unmatched feedback",
            "<td>webhook:postmark</td><td>c000 in snow-day</td>",
        ),
        ("contradictions", "Contradictions", "The mailbox is full."),
        ("custom_events", "Custom events", "<td>printed</td>"),
    ] {
        let page = fixture.get(&format!("/sheets/{name}")).await.body;
        assert!(page.contains(said), "{name}: {page}");
        assert!(fixture.get("/").await.body.contains(&format!("\">{title}</a>")), "{title}");
        let rows = fixture.get(&format!("/api/sheets/{name}")).await.json();
        assert_eq!(rows["rows"].as_array().unwrap().len(), 1, "{rows}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_not_there() {
    let fixture = Fixture::new();
    fixture.plan("snow-day", 1).await;
    for (path, status) in [
        ("/broadcast?id=other", StatusCode::NOT_FOUND),
        ("/broadcast", StatusCode::NOT_FOUND),
        ("/broadcast?id=snow-day&status=lost", StatusCode::BAD_REQUEST),
        ("/broadcast?id=snow-day&where=North", StatusCode::BAD_REQUEST),
        ("/broadcast?id=snow-day&sort=weight", StatusCode::BAD_REQUEST),
        ("/broadcast?id=snow-day&after=x", StatusCode::BAD_REQUEST),
        ("/delivery/nonsense", StatusCode::NOT_FOUND),
        ("/delivery/6ba7b810-9dad-11d1-80b4-00c04fd430c8", StatusCode::NOT_FOUND),
        ("/contact?id=nobody", StatusCode::NOT_FOUND),
        ("/sheets/other", StatusCode::NOT_FOUND),
        ("/sheets/broken", StatusCode::INTERNAL_SERVER_ERROR),
        ("/sheets/late_opens?from=x", StatusCode::BAD_REQUEST),
    ] {
        let answer = fixture.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.body.contains("<main"), "{path}");
    }
}

#[tokio::test]
async fn texts_of_others_stay_texts() {
    let fixture = Fixture::new();
    let hostile = "</td><script>alert(1)</script>\u{202e}\"onmouseover=\"x\u{1b}[2J";
    let odd = ["..", "a/b", "a b&c=d", "שלום", "<b>"];
    for id in odd {
        let contact = Contact::new(id.parse().unwrap())
            .name(hostile)
            .label("school", hostile)
            .address(ContactAddress::new("ann@a.example"));
        fixture.plan_for(id, vec![contact]).await;
    }
    let overview = fixture.get("/").await.body;
    for id in odd {
        let encoded: String = form_encoded(id);
        assert!(overview.contains(&format!("/broadcast?id={encoded}")), "{id}: {overview}");
        let page = fixture.get(&format!("/broadcast?id={encoded}")).await;
        assert_eq!(page.status, StatusCode::OK, "{id}");
        let delivery = fixture.queued(id).await[0].id();
        for page in [
            page.body,
            fixture.get(&format!("/contact?id={encoded}")).await.body,
            fixture.get(&format!("/delivery/{delivery}")).await.body,
        ] {
            assert!(!page.contains("<script>") && !page.contains("<b>\""), "{page}");
            assert!(
                !page.contains(['\u{202e}', '\u{1b}']) && !page.contains("\"onmouseover"),
                "{page}"
            );
        }
    }
    // What one typed oneself comes back as it was.
    let own = format!("/broadcast?id=..&search={}", form_encoded(hostile));
    let own = fixture.get(&own).await.body;
    assert!(own.contains("value=\"&lt;/td&gt;&lt;script&gt;"), "{own}");
    assert!(!own.contains("<script>") && !own.contains("\"onmouseover"), "{own}");
    let sheet = fixture.get("/sheets/late_opens").await.body;
    assert!(sheet.contains("School &lt;499&gt;") && !sheet.contains("&lt;500&gt;"));
    assert!(sheet.contains("Rows 1 to 500 of 1200"));
    let last = fixture.get("/sheets/late_opens?from=1000").await.body;
    assert!(last.contains("School &lt;1199&gt;") && !last.contains("Next rows"));
}

fn form_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'*' => {
                char::from(byte).to_string()
            }
            b' ' => "+".to_owned(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Rows change and come between two pages; whatever doesn't is on exactly one of them.
#[tokio::test]
async fn pages_neither_repeat_nor_lose_a_row() {
    let fixture = Fixture::new();
    fixture.plan("snow-day", 250).await;
    let queued = fixture.queued("snow-day").await;
    for sort in [
        "",
        "&sort=name:desc",
        "&sort=delivery_results",
        "&sort=last_change:desc",
        "&sort=email_address:desc",
    ] {
        let mut next = Some(format!("/broadcast?id=snow-day{sort}"));
        let (mut seen, mut pages) = (Vec::new(), 0);
        while let Some(path) = next {
            let page = fixture.get(&path).await.body;
            seen.extend(contacts(&page));
            next = link(&page, "next");
            pages += 1;
        }
        let all: BTreeSet<_> = seen.iter().collect();
        assert_eq!((pages, seen.len(), all.len()), (3, 250, 250), "{sort}");
    }
    let first = fixture.get("/broadcast?id=snow-day&sort=delivery_results").await.body;
    let next = link(&first, "next").unwrap();
    // Those of the first page go to the end of the order: the second page doesn't skip ahead.
    for delivery in &queued[..50] {
        fixture.tell(delivery, opened()).await;
    }
    fixture.caught_up().await;
    let second = fixture.get(&next).await.body;
    let (first, second) = (contacts(&first), contacts(&second));
    assert_eq!((first.len(), second.len()), (100, 100));
    assert_eq!((first[99].as_str(), second[0].as_str()), ("c099", "c100"));
}
