//! The mocks: each request is read as what it says, each spoilt one is refused, and none is missing.

mod complete;

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use futures_executor::block_on;
use mailtrail_core::correlation::Correlation;
use mailtrail_core::event::Authenticity;
use mailtrail_core::store::{EventStore, Position};
use mailtrail_core::token::Purpose;
use mailtrail_core::{DeliveryId, Feedback};
use mailtrail_memory::MemoryStore;
use mailtrail_webhook::Intake;
use mailtrail_webhook::provider::mock::{About, Mock, MockError, MockRequest, Spoil, Spoilt};
use mailtrail_webhook::provider::{Account, Mapping, Provider, Reader, Refused, receive};
use proptest::prelude::*;

use super::{classifier, endpoint, ids, keys, namespace, now};

/// What these tell of, they date by nothing.
const TIMELESS: [(&str, &str); 4] = [
    ("brevo", "proxy_open"),
    ("postmark", "smtp_api_error"),
    ("ses", "reject"),
    ("ses", "rendering_failure"),
];
/// These name no message.
const NAMELESS: [(&str, &str); 3] = [
    ("mailgun", "legacy_clicked"),
    ("mailgun", "legacy_unsubscribed"),
    ("scaleway", "email_blocklisted"),
];
/// These give nothing of ours back.
const TOKENLESS: [&str; 4] = ["ahasend", "azure", "loops", "mailpace"];

fn mocks() -> impl Iterator<Item = (String, Mock)> {
    let mock = |name: String| (name.clone(), Mock::new(endpoint(&name), &name).unwrap());
    Account::providers().into_iter().map(mock)
}

fn read(account: &Account, request: &MockRequest) -> Result<Vec<Feedback>, Refused> {
    let (keys, classifier) = (keys(), classifier());
    receive(account, &request.request(), &Reader::new(&keys, classifier), None)
}

fn types(feedback: &[Feedback]) -> Vec<&str> {
    feedback.iter().map(|one| one.fact.event.type_name()).collect()
}

fn message_id(feedback: &Feedback) -> Option<&str> {
    match &feedback.correlation {
        Correlation::Key(key) => Some(key.message_id()),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn a_request_tells_of_the_delivery_that_it_is_about(
        to in "[A-Z][a-z]{1,9}(\\.[a-z0-9]{1,5})?@[a-z]{1,9}\\.example",
        id in "[1-9][0-9]{11,14}",
        delivery: [u8; 16],
        ago in 0..86_400_i64,
    ) {
        let (at, delivery) = (now() - TimeDelta::seconds(ago), DeliveryId::from_bytes(delivery));
        let about = About::new(&to, now()).message_id(&id).occurred_at(at);
        let token = keys().sign(Purpose::Metadata, delivery);
        for (provider, mock) in mocks() {
            let planned = mock.requests(&about.clone().token(&token));
            for (request, planned) in mock.requests(&about).iter().zip(planned) {
                let case = format!("{provider} {}", request.name);
                let is = |list: &[(&str, &str)]| list.contains(&(&provider, &request.name));
                let feedback = read(mock.account(), request).unwrap();
                prop_assert_eq!(&types(&feedback), request.events(), "{}", &case);
                let [one] = feedback.as_slice() else { panic!("{case}") };
                prop_assert_eq!(one.private.recipient.as_deref(), Some(&*to), "{}", &case);
                prop_assert_ne!(&one.provenance.authenticity, &Authenticity::None, "{}", &case);
                // A legacy form of Mailgun's has one time, of the event and of the signature.
                let at = if request.name.starts_with("legacy_") { now() } else { at };
                prop_assert_eq!(one.occurred_at, (!is(&TIMELESS)).then_some(at), "{}", &case);
                let named = if is(&NAMELESS) { "" } else { &id };
                prop_assert_eq!(message_id(one), Some(named), "{}", &case);

                let feedback = read(mock.account(), &planned).unwrap();
                let is_ours = matches!(feedback[0].correlation,
                    Correlation::Token { delivery: own, .. } if own == delivery);
                prop_assert_eq!(is_ours, !TOKENLESS.contains(&&*provider), "{}", &case);
            }
        }
    }
}

#[test]
fn what_comes_again_is_the_same_event_and_of_another_message_it_is_another() {
    for (provider, mock) in mocks() {
        let events = |about: &About| -> Vec<_> {
            let all = mock.requests(about);
            all.iter().flat_map(|request| ids(&read(mock.account(), request).unwrap())).collect()
        };
        let about = |id| About::new("ann@a.example", now()).message_id(id);
        assert_eq!(events(&about("1001")), events(&about("1001")));
        let (one, other) = (events(&about("1001")), events(&about("1002")));
        for (index, id) in one.iter().enumerate() {
            let request = &mock.requests(&about("1001"))[index];
            let is_nameless = NAMELESS.contains(&(&provider, &request.name));
            assert!(is_nameless || !other.contains(id), "{provider} {}", request.name);
        }
    }
}

/// What feedback calls a message ties what comes later to the delivery: two deliveries share no name.
#[test]
fn no_two_messages_have_a_name_in_common() {
    for (provider, mock) in mocks() {
        let names = |id: &str, delivery| -> BTreeSet<_> {
            let token = keys().sign(Purpose::Metadata, DeliveryId::from_bytes([delivery; 16]));
            let about = About::new("ann@a.example", now()).message_id(id).token(&token);
            let read = |request: &MockRequest| read(mock.account(), request).unwrap();
            let feedback = mock.requests(&about).iter().flat_map(read).collect::<Vec<_>>();
            feedback.into_iter().flat_map(|one| one.names).collect()
        };
        let (one, other) = (names("1001", 1), names("1002", 2));
        assert_eq!(one.is_empty(), TOKENLESS.contains(&&*provider), "{provider}");
        assert!(one.is_disjoint(&other), "{provider}: {one:?}");
    }
}

/// A server, as far as it is to be seen from outside.
struct Server {
    store: Arc<MemoryStore>,
    intake: Intake,
    mock: Mock,
}

impl Server {
    fn new(mock: Mock) -> Self {
        let store = Arc::new(MemoryStore::with(namespace(), Arc::new(now)));
        let events: Arc<dyn EventStore> = Arc::<MemoryStore>::clone(&store);
        let intake = Intake::new(events, keys(), classifier().clone(), now, || [0; 10])
            .fetch(mock.fetch())
            .provider(mock.account().clone());
        Self { store, intake, mock }
    }

    /// The status of the answer, and whether anything was stored. Nothing but what goes over a wire is
    /// taken, so that certificates have to be fetched.
    fn post(&self, request: &MockRequest) -> (u16, bool) {
        let mut received = request.request();
        received.certificate = None;
        let before = self.position();
        let endpoint = self.mock.account().endpoint().as_str();
        let answer = block_on(self.intake.webhook(endpoint, &received));
        (answer.status, self.position() != before)
    }

    fn position(&self) -> Position {
        block_on(self.store.head()).unwrap().position
    }

    fn refused(&self, cause: Refused) -> u64 {
        let endpoint = self.mock.account().endpoint().as_str();
        let counts = self.intake.counts(endpoint).unwrap();
        counts.refused.get(&cause).copied().unwrap_or_default()
    }
}

#[test]
fn every_request_is_stored_and_every_spoilt_one_is_refused_and_leaves_nothing() {
    let mut spoils = BTreeSet::new();
    for (provider, mock) in mocks() {
        let server = Server::new(mock);
        let answers = server.mock.account().answers();
        for (index, one) in
            server.mock.requests(&About::new("x@x.example", now())).iter().enumerate()
        {
            // One delivery for each: of one some events would be the same.
            let about = About::new(&format!("ann{index}@a.example"), now());
            let request = &server.mock.requests(&about)[index];
            assert_eq!(request.name, one.name);
            let (reused, others): (Vec<_>, Vec<_>) =
                request.spoilt().into_iter().partition(|spoilt| spoilt.what == Spoil::Reused);
            let refuse = |spoilt: &Spoilt| {
                let case = format!("{provider} {} {:?}", request.name, spoilt.what);
                let before = server.refused(spoilt.refused);
                let (status, is_stored) = server.post(&spoilt.request);
                assert!(status == answers.unverified || status == 401, "{case}: {status}");
                assert!(!is_stored, "{case}");
                assert_eq!(server.refused(spoilt.refused), before + 1, "{case}");
            };
            others.iter().for_each(refuse);
            assert_eq!(server.post(request), (answers.stored, true), "{provider} {}", request.name);
            assert_eq!(
                server.post(request),
                (answers.stored, false),
                "{provider} {}",
                request.name
            );
            reused.iter().for_each(refuse);
            spoils.extend(others.iter().chain(&reused).map(|spoilt| (spoilt.what, spoilt.refused)));
        }
    }
    let kinds: BTreeSet<_> = spoils.iter().map(|(what, _)| what).collect();
    assert_eq!(kinds.len(), 14, "{spoils:?}");
}

#[test]
fn what_is_changed_is_one_byte() {
    let mut ran = 0;
    for (provider, mock) in mocks() {
        for request in mock.requests(&About::new("ann@a.example", now())) {
            let is_changed = |one: &Spoilt| one.what == Spoil::Changed;
            let Some(spoilt) = request.spoilt().into_iter().find(is_changed) else { continue };
            let (good, bad) = (&request.body, &spoilt.request.body);
            let differ = good.iter().zip(bad).filter(|(one, other)| one != other).count();
            assert_eq!((good.len(), differ), (bad.len(), 1), "{provider} {}", request.name);
            ran += 1;
        }
    }
    assert!(ran > 100, "{ran}");
}

#[test]
fn several_events_come_in_one_request_where_the_provider_posts_them_so() {
    let mut together = BTreeSet::new();
    for (provider, mock) in mocks() {
        let about = |name| About::new(&format!("{name}@a.example"), now());
        let all = [mock.requests(&about("ann")), mock.requests(&about("ben"))].concat();
        let alike = |request: &&MockRequest| request.name == all[0].name;
        let alike: Vec<_> = all.iter().filter(alike).cloned().collect();
        for requests in [alike, all] {
            let Some(batch) = mock.batch(&requests) else { continue };
            let feedback = read(mock.account(), &batch).unwrap();
            let expected: Vec<_> = requests.iter().flat_map(MockRequest::events).collect();
            assert_eq!(types(&feedback), expected, "{provider}");
            assert!(
                feedback
                    .iter()
                    .any(|one| one.private.recipient.as_deref() == Some("ben@a.example"))
            );
            for spoilt in batch.spoilt().into_iter().filter(|spoilt| spoilt.what != Spoil::Reused) {
                assert_eq!(read(mock.account(), &spoilt.request).unwrap_err(), spoilt.refused);
            }
            together.insert((provider.clone(), requests.len() > 2));
        }
        assert!(mock.batch(&[]).is_none());
    }
    let mixed = |(provider, is_mixed): &(String, bool)| is_mixed.then_some(provider.clone());
    let providers: Vec<_> = together.iter().filter_map(mixed).collect();
    insta::assert_snapshot!(providers.join(" "), @"ahasend azure brevo customer_io hyvor_relay kumomta lettermint loops mailjet mailpace mailtrap mandrill scaleway sendgrid sparkpost sweego unisender_go");
    assert!(together.contains(&("zeptomail".to_owned(), false)));
}

#[test]
fn a_file_of_ones_own_has_a_mock_too() {
    let text = r#"
        name = "own"
        source = "us"
        batch = "lines"
        [signature]
        algorithm = "ed25519"
        header = "x-signature"
        signed = "{timestamp}.{body}"
        timestamp = "x-time"
        milliseconds = true
        tolerance = 60
        [fields]
        event = "kind"
        recipient = ["to"]
        message_id = ["id"]
        token_in = ["headers"]
        time = [{ at = "when", form = "united_states" }]
        [[event]]
        when = ["gone"]
        is = "bounced"
        [[test]]
        body = '{"kind":"gone","to":"a@a.example","id":7,"when":"3/26/2026 5:14:02 PM"}'
        expect = [{ event = "bounced" }]
        [[test]]
        body = '{"kind":"moved","to":"a@a.example"}'
        expect = [{ event = "custom" }]
    "#;
    let mock = Mock::of(endpoint("own"), Mapping::from_toml(text).unwrap()).unwrap();
    let token = keys().sign(Purpose::Metadata, DeliveryId::from_bytes([4; 16]));
    let about = About::new("ann@a.example", now());
    let [request] = <[_; 1]>::try_from(mock.requests(&about.clone().token(&token))).unwrap();
    let feedback = read(mock.account(), &request).unwrap();
    assert!(matches!(feedback[0].correlation, Correlation::Token { .. }));
    assert_eq!(feedback[0].occurred_at, Some(now()));
    let whats: Vec<_> = request.spoilt().iter().map(|spoilt| spoilt.what).collect();
    assert!(whats.contains(&Spoil::Stale) && whats.contains(&Spoil::Redated));
    let batch = mock.batch(&[request.clone(), request]).unwrap();
    assert_eq!(types(&read(mock.account(), &batch).unwrap()), ["bounced", "bounced"]);

    let weak = text.replace("ed25519", "rsa-sha1");
    let weak = Mock::of(endpoint("own"), Mapping::from_toml(&weak).unwrap());
    assert_eq!(weak.unwrap_err(), MockError::Unsignable);
    assert!(matches!(Mock::new(endpoint("own"), "nobody"), Err(MockError::Account(_))));
}

#[test]
fn a_time_is_written_to_the_second_at_least() {
    let mock = Mock::new(endpoint("sendgrid"), "sendgrid").unwrap();
    let at = DateTime::from_timestamp(1_600_000_000, 999_000_000).unwrap();
    let request =
        mock.request("opened", &About::new("ann@a.example", now()).occurred_at(at)).unwrap();
    let feedback = read(mock.account(), &request).unwrap();
    assert_eq!(feedback[0].occurred_at.map(|time| time.timestamp()), Some(1_600_000_000));
}
