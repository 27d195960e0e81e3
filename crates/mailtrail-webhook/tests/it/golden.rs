//! Every event of every provider: what it is read as. `tests/golden/<provider>/<what>.json` is the
//! body, the snapshot beside it what is stored. A `.form` has a field on each line, as `name=value`;
//! what Mandrill posts is the only field of a form.

use std::path::Path;

use mailtrail_core::Feedback;
use serde_json::{Value, json};

use super::{form, namespace, open, read};

#[test]
fn every_event_is_read() {
    insta::glob!("..", "golden/*/*.{json,form}", |path| {
        let provider =
            path.parent().and_then(|folder| folder.file_name()).unwrap().to_str().unwrap();
        let body = body(provider, path);
        let stored: Vec<Value> = read(&*open(provider), &body).into_iter().map(stored).collect();
        insta::with_settings!({
            snapshot_path => path.parent().unwrap(),
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_json_snapshot!("stored", stored);
        });
    });
}

/// The body as the provider posts it.
fn body(provider: &str, path: &Path) -> Vec<u8> {
    let file = std::fs::read_to_string(path).unwrap();
    match path.extension().unwrap().to_str().unwrap() {
        "form" => form(&file.lines().map(|line| line.split_once('=').unwrap()).collect::<Vec<_>>()),
        _ if provider == "mandrill" => form(&[("mandrill_events", &file)]),
        _ => file.into_bytes(),
    }
}

fn stored(feedback: Feedback) -> Value {
    let (stream, event) = feedback.into_event(&namespace()).unwrap();
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    json!({
        "event": event.event_type,
        "id": event.event_id,
        "stream": stream,
        "occurred_at": event.occurred_at,
        "data": json(&event.data),
        "private": event.private.as_deref().map(json),
        "provenance": event.provenance,
    })
}
