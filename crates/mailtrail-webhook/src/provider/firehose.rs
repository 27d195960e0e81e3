//! Amazon Data Firehose: the form in which it delivers to HTTP endpoints, around whatever was put into it.
//!
//! Source: docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.

use serde::Deserialize;
use serde_json::json;

use crate::Request;
use crate::text::base64;

/// What Firehose posts. Its `timestamp` is that of the attempt.
#[derive(Deserialize)]
struct Delivery {
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    data: String,
}

/// What was put into the stream, record by record; a record that is no base64 as it stands there. `None` if the request is
/// not Firehose's.
pub(super) fn records(request: &Request<'_>) -> Option<Vec<Vec<u8>>> {
    request_id(request)?;
    let delivery: Delivery = serde_json::from_slice(request.body).ok()?;
    let decoded = |Record { data }| base64(&data).unwrap_or_else(|| data.into_bytes());
    Some(delivery.records.into_iter().map(decoded).collect())
}

/// What it takes for an answer: any other is a failure to it. `None` if the request is not Firehose's.
pub(super) fn answer(request: &Request<'_>, status: u16) -> Option<String> {
    let id = request_id(request)?;
    let mut answer = json!({ "requestId": id, "timestamp": request.now.timestamp_millis() });
    if status != STORED {
        answer
            .as_object_mut()?
            .insert("errorMessage".into(), json!(format!("not taken: {status}")));
    }
    Some(answer.to_string())
}

fn request_id<'r>(request: &'r Request<'_>) -> Option<&'r str> {
    request.headers.text("x-amz-firehose-request-id").filter(|id| id.len() <= LONGEST_ID)
}

const STORED: u16 = 200;
/// It is a UUID; nobody is answered more than that.
const LONGEST_ID: usize = 128;
