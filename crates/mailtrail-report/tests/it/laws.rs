//! What every report promises: the same whatever the order, and rows that add up.

use mailtrail_core::Status;
use mailtrail_core::event::Envelope;
use mailtrail_core::projection::Projection;
use mailtrail_report::render::{self, Cells};
use mailtrail_report::{EmailLog, EmailLogRow, EmailLogState, Query};
use mailtrail_testkit::Feeder;
use mailtrail_testkit::proptest::prelude::*;
use mailtrail_testkit::strategy::{Shape, history};

mod email_log {
    mailtrail_testkit::projection_laws!(mailtrail_report::EmailLog, order_free);
}

mod trails {
    mailtrail_testkit::projection_laws!(mailtrail_report::Trails, order_free);
}

fn build(envelopes: &[Envelope]) -> EmailLogState {
    let mut state = EmailLogState::default();
    for envelope in envelopes {
        EmailLog.apply(envelope, &mut state).unwrap();
    }
    state
}

fn rendered(state: &EmailLogState) -> (Vec<u8>, String, String) {
    let sheet = EmailLogRow::sheet(&state.rows(&Query::default()).unwrap());
    let csv = render::csv(&sheet, Cells::Safe).unwrap();
    (csv, render::json(&sheet).unwrap(), render::table(&sheet, Some(120)))
}

proptest! {
    #[test]
    fn order_and_repetition_give_the_same_bytes(h in history(Shape::adversarial()), seed: u64) {
        let straight = build(&Feeder::new(&h).envelopes());
        let shuffled = build(&Feeder::new(&h).repeated(1..=3).shuffled_by(seed).envelopes());
        prop_assert_eq!(rendered(&shuffled), rendered(&straight));
    }

    #[test]
    fn the_counts_add_up_to_the_rows_in_every_rendering(h in history(Shape::adversarial()), seed: u64) {
        let mut state = EmailLogState::default();
        for envelope in Feeder::new(&h).shuffled_by(seed).envelopes() {
            EmailLog.apply(&envelope, &mut state).unwrap();
            let rows = state.rows(&Query::default()).unwrap();
            let summary = state.summary(&Query::default()).unwrap();
            prop_assert_eq!(summary.rows(), rows.len() as u64);
            for status in Status::ALL {
                let of_status = state.rows(&Query::default().status(status)).unwrap().len() as u64;
                prop_assert_eq!(summary.of(status), of_status);
            }
            let by_school = state.summary_by(&Query::default(), "school").unwrap();
            prop_assert_eq!(by_school.values().map(mailtrail_report::Summary::rows).sum::<u64>(), summary.rows());
        }
        let (csv, json, _) = rendered(&state);
        let mut reader = csv::Reader::from_reader(&csv[..]);
        let of_csv: Vec<String> = reader.records().map(|r| r.unwrap()[7].to_owned()).collect();
        let of_json: Vec<String> = json
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["delivery_results"].as_str().unwrap().to_owned())
            .collect();
        prop_assert_eq!(of_csv, of_json);
    }
}

#[test]
fn a_spreadsheet_runs_nothing_and_a_terminal_is_not_steered() {
    use futures_executor::block_on;
    use mailtrail_core::plan::{Broadcast, Contact, ContactAddress, Planner};
    use mailtrail_core::projection::replay;
    let store = mailtrail_memory::MemoryStore::new();
    let clock = mailtrail_testkit::VirtualClock::default();
    let broadcast = Broadcast::new("b".parse().unwrap(), "general".parse().unwrap());
    let contact = Contact::new("c1".parse().unwrap())
        .name("=HYPERLINK(\"http://evil.example\")\u{202e}\u{1b}[2J")
        .address(ContactAddress::new("ann@a.example"));
    let mut state = EmailLogState::default();
    block_on(async {
        let mut planner = Planner::open(&store, broadcast, &clock).await.unwrap();
        planner.add(contact).await.unwrap();
        planner.finish().await.unwrap();
        let from = mailtrail_core::projection::Checkpoint::default();
        replay(&store, &EmailLog, &mut state, from, &mailtrail_core::projection::AsOf::Now)
            .await
            .unwrap();
    });
    let (csv, _, table) = rendered(&state);
    let csv = String::from_utf8(csv).unwrap();
    assert!(
        csv.contains("'=HYPERLINK") && !csv.contains('\u{1b}') && !csv.contains('\u{202e}'),
        "{csv}"
    );
    assert!(!table.contains('\u{1b}') && !table.contains('\u{202e}'), "{table}");
    let sheet = EmailLogRow::sheet(&state.rows(&Query::default()).unwrap());
    let raw = render::csv(&sheet, Cells::Raw).unwrap();
    assert!(
        String::from_utf8(raw).unwrap().contains("\u{202e}\u{1b}[2J"),
        "exact values on demand"
    );
}
