//! A provider that tries again regroups its batches: the same facts are the same events.

use std::collections::BTreeSet;

use mailtrail_core::Event;
use mailtrail_core::event::Authenticity;
use mailtrail_webhook::Request;
use mailtrail_webhook::provider::{Account, Context, Reader};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{classifier, ids, keys, now, open, read};

/// Elements with and without an event id, some of which nobody can read.
fn element() -> impl Strategy<Value = String> {
    let known =
        (0_u32..20, any::<bool>(), "open|bounce|delivered|made_up").prop_map(|(n, id, event)| {
            let mut element = json!({
                "event": event, "email": format!("p{n}@a.example"), "timestamp": 1_600_000_000 + n,
                "sg_message_id": format!("m{n}.filter0001.1.2"), "text": "a ] \\ \" } , b",
            });
            if id {
                element["sg_event_id"] = Value::String(format!("e{n}-{event}"));
            }
            element.to_string()
        });
    let bad = "[0-9]{1,5}|\"[a-z]{1,5}\"|nonsense|\\{\"event\":\\}|\\[\\]|\\{\"email\":5\\}";
    prop_oneof![8 => known, 1 => bad]
}

proptest! {
    #[test]
    fn a_retry_in_other_batches_gives_the_same_events(
        (elements, again) in prop::collection::vec(element(), 1..30).prop_flat_map(|elements| {
            (Just(elements.clone()), Just(elements).prop_shuffle())
        }),
        size in 1_usize..10,
    ) {
        let provider = open("sendgrid");
        let once = read(&*provider, format!("[{}]", elements.join(",")).as_bytes());
        prop_assert_eq!(once.len(), elements.len());
        let ids_once: BTreeSet<_> = ids(&once).into_iter().collect();
        let batches = again.chunks(size).map(|batch| format!("\n [ {} ]\r\n", batch.join(" ,\n ")));
        let ids_again: BTreeSet<_> =
            batches.flat_map(|body| ids(&read(&*provider, body.as_bytes()))).collect();
        prop_assert_eq!(ids_once, ids_again);
    }

    #[test]
    fn a_bad_element_harms_no_other(elements in prop::collection::vec(element(), 1..10), bad: Vec<u8>) {
        // What breaks out of its brackets or strings is not one element any more.
        let bad: Vec<u8> = bad.into_iter().filter(|byte| !b"[]{}\"\\,".contains(byte)).collect();
        let provider = open("sendgrid");
        let good = format!("[{}", elements.join(","));
        let body = [good.as_bytes(), b",", &bad, b"]"].concat();
        let all = read(&*provider, &body);
        let alone = read(&*provider, format!("{good}]").as_bytes());
        prop_assert_eq!(&all[..alone.len()], &alone[..]);
    }

    /// Of a batch only the members that are read are parsed; of one element all of them.
    #[test]
    fn a_batch_says_what_its_elements_say(
        elements in prop::collection::vec(element(), 0..20), cut in 0_usize..3,
    ) {
        let provider = open("sendgrid");
        let body = format!(" [ {}", elements.join(" , ")) + ["]", "", "] {}"][cut];
        let request = Request::new(body.as_bytes(), now());
        let (keys, classifier) = (keys(), classifier());
        let reader = Reader::new(&keys, classifier);
        let context = Context::new(&reader, &*provider, Authenticity::None, None, now());
        let split = provider.split(&request).unwrap();
        let alone: Vec<_> = split.iter().flat_map(|one| provider.read(one, &context)).collect();
        prop_assert_eq!(read(&*provider, body.as_bytes()), alone);
    }

    #[test]
    fn whatever_comes_is_kept_and_can_be_stored(
        body in prop_oneof![
            any::<Vec<u8>>(),
            "\\PC{0,40}".prop_map(String::into_bytes),
            "[\\[\\]{}\",:a0 ]{0,60}".prop_map(String::into_bytes),
            "\\{\"RecordType\":\"(Open|Bounce)\",\"ID\":[0-9]{1,30},\"Type\":\"\\PC{0,9}\"\\}".prop_map(String::into_bytes),
        ],
        name in prop::sample::select(Account::providers()),
    ) {
        let feedback = read(&*open(&name), &body);
        prop_assert!(name != "postmark" || feedback.len() == 1);
        for one in feedback {
            prop_assert!(one.into_event(&super::namespace()).is_ok());
        }
    }
}

#[test]
fn an_element_without_an_id_is_known_by_its_content_alone() {
    let provider = open("sendgrid");
    let a = br#"[{"event":"open","email":"ann@a.example","timestamp":1600000000}]"#;
    let b = br#"[ {"timestamp": 1600000000, "email": "ann@a.example", "event": "open"} ]"#;
    let c = br#"[{"event":"open","email":"ann@a.example","timestamp":1600000001}]"#;
    let ids = [a.as_slice(), b, c].map(|body| ids(&read(&*provider, body)));
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}

#[test]
fn integers_over_2_to_the_53_stay_apart() {
    let provider = open("sendgrid");
    let body =
        br#"[{"event":"made_up","n":9007199254740992},{"event":"made_up","n":9007199254740993}]"#;
    let feedback = read(&*provider, body);
    let ids = ids(&feedback);
    assert_ne!(ids[0], ids[1]);
    assert!(matches!(feedback[1].fact.event, Event::Custom(_)));
    let kept = feedback[1].private.custom.as_ref().unwrap().to_string();
    assert!(kept.contains("9007199254740993"), "{kept}");
}

#[test]
fn no_body_becomes_more_than_so_many_events() {
    let body = format!("[{}1]", "1,".repeat(50_000));
    assert_eq!(read(&*open("sendgrid"), body.as_bytes()).len(), 20_001);
}
