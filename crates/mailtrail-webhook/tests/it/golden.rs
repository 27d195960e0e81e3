//! Every event of every provider: what it is read as. `mocks/<provider>/<event>/<what>.json` is a body of
//! one event, which mocks post too; `tests/golden/<provider>/<what>.json` one of several, or of what is
//! wrong or rare. The snapshot in the latter folder is what is stored. A `.form` has a field on each line,
//! as `name=value`; what Mandrill posts is the only field of a form.

use std::fs;
use std::path::Path;

use mailtrail_core::Feedback;
use serde_json::{Value, json};

use super::{form, namespace, open, read};

#[test]
fn every_event_is_read() {
    insta::glob!("..", "golden/*/*.{json,form}", |path| {
        is_read_as_before(path.parent().unwrap(), path);
    });
}

#[test]
fn every_body_of_a_mock_is_read_as_the_one_event_that_its_folder_names() {
    insta::glob!("../..", "mocks/*/*/*.{json,form}", |path| {
        let folder = path.parent().unwrap();
        let types = is_read_as_before(folder.parent().unwrap(), path);
        assert_eq!(types, [folder.file_name().unwrap().to_str().unwrap()]);
    });
}

/// The types of the events in the file of a provider, which are compared with its snapshot.
fn is_read_as_before(folder: &Path, path: &Path) -> Vec<String> {
    let provider = folder.file_name().unwrap().to_str().unwrap();
    let feedback =
        read(&*open(provider), &posted(provider, path, fs::read_to_string(path).unwrap()));
    let types = feedback.iter().map(|one| one.fact.event.type_name().to_owned()).collect();
    let stored: Vec<Value> = feedback.into_iter().map(stored).collect();
    let snapshots = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(provider);
    insta::with_settings!({
        snapshot_path => snapshots,
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_json_snapshot!("stored", stored);
    });
    types
}

/// The body as the provider posts it, of what is in a file of this name.
pub(super) fn posted(provider: &str, path: &Path, file: String) -> Vec<u8> {
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
