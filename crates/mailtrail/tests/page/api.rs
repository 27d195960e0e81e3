//! The same for programs.

use axum::http::StatusCode;

use crate::fixture::{Fixture, delivered};

#[tokio::test]
async fn every_path_that_is_described_answers() {
    let fixture = Fixture::new();
    fixture.plan("snow-day", 3).await;
    let delivery = fixture.queued("snow-day").await[0].id().to_string();
    let description = fixture.get("/api/openapi.json").await.json();
    let paths = description["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 7);
    for (path, operations) in paths {
        let mut asked = path.clone();
        let mut query = Vec::new();
        for parameter in operations["get"]["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let value = match (path.as_str(), name) {
                ("/api/deliveries/{id}", "id") => delivery.as_str(),
                ("/api/contact", "id") => "c000",
                (_, "id") => "snow-day",
                (_, "name") => "late_opens",
                (_, "status") => "unsent",
                (_, "where") => "school=North",
                (_, "sort") => "name:desc",
                (_, "limit") => "1",
                (_, "search" | "after") => "",
                other => panic!("{other:?} is new"),
            };
            if parameter["in"] == "path" {
                asked = asked.replace(&format!("{{{name}}}"), value);
            } else {
                query.push(format!("{name}={value}"));
            }
        }
        let answer = fixture.get(&format!("{asked}?{}", query.join("&"))).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        let body = answer.json();
        assert!(body.as_object().is_some_and(|body| !body.is_empty()), "{path}");
        for named in description["paths"][path]["get"]["responses"]["200"]["description"]
            .as_str()
            .unwrap()
            .split('`')
            .skip(1)
            .step_by(2)
        {
            assert!(body.get(named).is_some(), "{path} has no {named}: {body}");
        }
    }
    assert_eq!(description["components"]["securitySchemes"]["secret"]["scheme"], "bearer");
}

#[tokio::test]
async fn the_numbers_are_those_of_the_page() {
    let fixture = Fixture::new();
    fixture.plan("snow-day", 3).await;
    let queued = fixture.queued("snow-day").await;
    fixture.tell(&queued[1], delivered()).await;
    fixture.caught_up().await;
    let summary = fixture.get("/api/summary?id=snow-day").await.json();
    assert_eq!(summary["reached"], serde_json::json!({ "count": 1, "of": 3 }));
    assert_eq!(summary["summary"]["statuses"]["delivered"], 1);

    let page = fixture.get("/api/email-log?id=snow-day&limit=2").await.json();
    assert_eq!((page["rows"].as_array().unwrap().len(), &page["matching"]), (2, &3.into()));
    assert_eq!(page["rows"][1]["status"], "delivered");
    let next = page["next"].as_str().unwrap();
    let rest = fixture.get(&format!("/api/email-log?{next}")).await.json();
    assert_eq!(
        (rest["rows"][0]["contact_id"].as_str(), rest["next"].is_null()),
        (Some("c002"), true)
    );
    assert_eq!(rest["position"], fixture.tracker.store().head().await.unwrap().position.get());

    let sheet = fixture.get("/api/sheets/late_opens").await.json();
    assert_eq!(sheet["rows"][7], serde_json::json!({ "school": "School <7>", "late": 7 }));
    let names = fixture.get("/api/sheets").await.json();
    for name in [
        "invalid_addresses",
        "reading_behaviour",
        "domain_health",
        "tracking_coverage",
        "unmatched_feedback",
        "contradictions",
        "custom_events",
    ] {
        let sheet = fixture.get(&format!("/api/sheets/{name}")).await.json();
        let said: Vec<_> =
            names["sheets"].as_array().unwrap().iter().map(|sheet| &sheet["name"]).collect();
        assert!(said.contains(&&name.into()) && sheet["rows"].is_array(), "{name}: {sheet}");
    }
    for path in ["/api/summary?id=other", "/api/deliveries/x", "/api/sheets/x", "/api/contact?id=x"]
    {
        let answer = fixture.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.body.starts_with("{\"error\":\"nothing is known"), "{}", answer.body);
    }
}
