//! Azure signs nothing: secrets in the URL and in header fields.

use mailtrail_core::Event;
use mailtrail_core::event::Authenticity;
use mailtrail_webhook::provider::{Access, Refused};
use mailtrail_webhook::{Headers, Intake, Request, Secret};

use super::{account, now, read_one};

fn request<'a>(query: Option<&'a str>, field: Option<&str>) -> Request<'a> {
    let headers = field.map_or(Headers::new(), |value| Headers::new().with("X-Our-Key", value));
    Request::new(b"[]", now()).headers(headers).query(query)
}

#[test]
fn a_secret_in_the_url_is_asked_for_and_rotated() {
    let access = Access::new().query("key", Secret::new("old +1")).query("key", Secret::new("new"));
    for (query, expected) in [
        (Some("key=new"), Ok(Authenticity::SharedSecret)),
        (Some("a=b&key=old%20%2B1&c"), Ok(Authenticity::SharedSecret)),
        (Some("key=old+%2b1"), Ok(Authenticity::SharedSecret)),
        (Some("key=news"), Err(Refused::WrongCredentials)),
        (Some("key="), Err(Refused::WrongCredentials)),
        (Some("key=new&key=new"), Err(Refused::MissingCredentials)),
        (Some("KEY=new"), Err(Refused::MissingCredentials)),
        (Some(""), Err(Refused::MissingCredentials)),
        (None, Err(Refused::MissingCredentials)),
    ] {
        let unauthenticated = access.clone().unauthenticated();
        assert_eq!(access.check(&request(query, None)), expected, "{query:?}");
        assert_eq!(unauthenticated.check(&request(query, None)), expected, "{query:?}");
    }
}

#[test]
fn a_secret_in_a_header_field_is_another_place_of_which_one_must_hold() {
    let access =
        Access::new().header("x-our-key", Secret::new("a")).header("X-OUR-KEY", Secret::new("b"));
    let both = access.clone().query("key", Secret::new("new"));
    for (query, field, alone, together) in [
        (Some("key=new"), Some("b"), None, None),
        (None, Some("a"), None, Some(Refused::MissingCredentials)),
        (Some("key=no"), Some("a"), None, Some(Refused::WrongCredentials)),
        (
            Some("key=new"),
            Some("c"),
            Some(Refused::WrongCredentials),
            Some(Refused::WrongCredentials),
        ),
        (
            Some("key=new"),
            None,
            Some(Refused::MissingCredentials),
            Some(Refused::MissingCredentials),
        ),
    ] {
        assert_eq!(access.check(&request(query, field)).err(), alone);
        assert_eq!(both.check(&request(query, field)).err(), together);
    }
    let basic = both.credential(Secret::basic("a", "b"));
    assert_eq!(basic.check(&request(Some("key=new"), Some("b"))), Err(Refused::MissingCredentials));
    let printed = format!("{:?}", Access::new().query("key", Secret::new("hidden")));
    assert!(!printed.contains("hidden"), "{printed}");
}

/// 400, 401, 403 and 413 are where Event Grid stops.
#[test]
fn event_grid_is_never_told_to_stop() {
    let access = Access::new().query("key", Secret::new("new"));
    let store = std::sync::Arc::new(mailtrail_memory::MemoryStore::new());
    let classifier = super::classifier().clone();
    let intake = Intake::new(store, super::keys(), classifier, now, || [3; 10])
        .provider(account("azure", "azure", access));
    let status = |query| {
        let request = request(query, None);
        futures_executor::block_on(intake.webhook("azure", &request)).status
    };
    assert_eq!([status(Some("key=new")), status(Some("key=no")), status(None)], [200, 429, 429]);
    assert_eq!(intake.too_large("azure").status, 429);
}

#[test]
fn the_handshake_is_of_no_delivery_and_a_list_is_no_delivery() {
    for body in [
        r#"[{"id":"1","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"c","recipient":"ann@a.example","messageId":"m"}}]"#,
        r#"[{"id":"1","eventType":"Microsoft.Communication.EmailDeliveryReportReceived","data":{"status":"Expanded","recipient":"all@a.example","messageId":"m"}}]"#,
    ] {
        let one = read_one("azure", body.as_bytes());
        assert!(matches!(one.fact.event, Event::Custom(_)));
        assert_eq!(one.private.recipient.is_none(), body.contains("Validation"));
    }
}
