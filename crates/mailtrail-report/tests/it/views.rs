//! What the reports over the Email Log promise: the same whatever the order, the numbers of the summary, and nothing claimed
//! of few.

use chrono::TimeDelta;
use mailtrail_core::Status;
use mailtrail_core::event::{Agent, AutoReplied, Bounced, Deferred, Delivered, Envelope, Sent};
use mailtrail_core::reason::Reason;
use mailtrail_report::render::{self, Cells};
use mailtrail_report::sheet::{Kind, Sheet};
use mailtrail_report::{
    By, EmailLog, EmailLogRow, EmailLogState, InvalidAddresses, Paging, Query, QueryError, Rate,
    ReadingBehaviour,
};
use mailtrail_testkit::Feeder;
use mailtrail_testkit::proptest::prelude::*;
use mailtrail_testkit::strategy::{Shape, history};

use super::story::{Planned, Story, built, noon};

const ALL_BY: [By; 6] = [By::Kind, By::Subject, By::Hour, By::Weekday, By::Contact, By::Domain];

fn sheets(envelopes: &[Envelope]) -> Vec<Sheet> {
    let log = built(&EmailLog, envelopes);
    let all = Query::default();
    let mut sheets = vec![InvalidAddresses::of(&log, &all).unwrap().sheet(Some("school"))];
    for by in &ALL_BY {
        sheets.push(ReadingBehaviour::of(&log, &all, by).unwrap().sheet());
    }
    sheets
}

fn rendered(sheet: &Sheet) -> (Vec<u8>, String, String) {
    let csv = render::csv(sheet, Cells::Safe).unwrap();
    (csv, render::json(sheet).unwrap(), render::table(sheet, Some(120)))
}

proptest! {
    #[test]
    fn order_and_repetition_give_the_same_bytes_of_every_report(h in history(Shape::adversarial()), seed: u64) {
        let straight = sheets(&Feeder::new(&h).envelopes());
        let shuffled = sheets(&Feeder::new(&h).repeated(1..=3).shuffled_by(seed).envelopes());
        for (straight, shuffled) in straight.iter().zip(&shuffled) {
            prop_assert_eq!(rendered(shuffled), rendered(straight));
        }
    }

    #[test]
    fn what_is_read_is_what_the_summary_counts(h in history(Shape::adversarial()), seed: u64) {
        let log = built(&EmailLog, &Feeder::new(&h).shuffled_by(seed).envelopes());
        let summary = log.summary(&Query::default()).unwrap();
        for by in &ALL_BY {
            let reading = ReadingBehaviour::of(&log, &Query::default(), by).unwrap();
            let of_all = |count: fn(&mailtrail_report::ReadCounts) -> u64| {
                reading.groups.iter().map(|(_, counts)| count(counts)).sum::<u64>()
            };
            prop_assert_eq!(of_all(|counts| counts.delivered), summary.reached().count);
            prop_assert_eq!(of_all(|counts| counts.read().count), summary.of(Status::Opened));
        }
    }

    #[test]
    fn an_invalid_address_is_a_row_that_the_email_log_shows_as_such(h in history(Shape::adversarial()), seed: u64) {
        let log = built(&EmailLog, &Feeder::new(&h).shuffled_by(seed).envelopes());
        for invalid in InvalidAddresses::of(&log, &Query::default()).unwrap().addresses {
            let row = log.row(invalid.delivery).unwrap().unwrap();
            prop_assert_eq!((&*row.contact_id, &row.email_address), (invalid.contact.as_str(), &invalid.email_address));
            prop_assert!(row.status != Status::Sent, "{:?}", row);
        }
    }

    /// Rows that no change moves come once, in their order, whatever the size of a page.
    #[test]
    fn pages_are_together_the_whole(h in history(Shape::adversarial()), limit in 1_usize..5, column in 0_usize..25, down: bool, sorted: bool) {
        let log = built(&EmailLog, &Feeder::new(&h).envelopes());
        let whole = log.rows(&Query::default()).unwrap();
        let name = EmailLogRow::sheet(&[]).columns.get(column).map(|column| column.name.clone()).unwrap();
        let mut paging = Paging::default().limit(limit);
        if sorted {
            paging = paging.sort(format!("{name}:{}", if down { "desc" } else { "asc" }).parse().unwrap());
        }
        let mut paged = Vec::new();
        loop {
            let page = log.page(&Query::default(), &paging).unwrap();
            prop_assert!(page.rows.len() <= limit);
            paged.extend(page.rows);
            let Some(next) = page.next else { break };
            prop_assert_eq!(next.to_string().parse(), Ok(next.clone()));
            paging = paging.after(next);
        }
        (paging.limit, paging.after) = (None, None);
        let at_once = log.page(&Query::default(), &paging).unwrap().rows;
        prop_assert_eq!(&paged, &at_once);
        if !sorted {
            prop_assert_eq!(&paged, &whole);
        }
        paged.sort_by_key(|row| row.delivery);
        let mut whole = whole;
        whole.sort_by_key(|row| row.delivery);
        prop_assert_eq!(paged, whole);
    }

    #[test]
    fn a_condition_on_a_column_selects_the_rows_that_show_the_value(h in history(Shape::adversarial()), of in 0_usize..8, column in 0_usize..25) {
        let log = built(&EmailLog, &Feeder::new(&h).envelopes());
        let whole = log.rows(&Query::default()).unwrap();
        let as_csv = |rows: &[EmailLogRow]| {
            let json = render::json(&EmailLogRow::sheet(rows)).unwrap();
            json.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<serde_json::Value>>()
        };
        let shown = as_csv(&whole);
        let name = EmailLogRow::sheet(&[]).columns.get(column).map(|column| column.name.clone()).unwrap();
        prop_assume!(!shown.is_empty());
        let value = &shown[of % shown.len()][&*name];
        let text = match value {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let found = as_csv(&log.rows(&Query::default().column(&*name, text)).unwrap());
        let expected: Vec<_> = shown.iter().filter(|row| row[&*name] == *value).cloned().collect();
        prop_assert_eq!(found, expected);
    }
}

/// Ann's address fails twice, then she gives another; Bob's fails for a reason that is not his; Cy has moved.
fn school() -> Story {
    let mut story = Story::default();
    let deliver = |story: &mut Story, row: &Planned| {
        let delivery = story.plan(row);
        story.says(delivery, Delivered::default(), noon(row.day));
        delivery
    };
    deliver(&mut story, &Planned::new("b0", "ann", "ann@a.example", 0));
    for (broadcast, day) in [("b1", 1), ("b2", 2)] {
        let ann = story.plan(&Planned::new(broadcast, "ann", "ann@a.example", day));
        story.says(ann, Bounced::because(Reason::UserUnknown), noon(day));
    }
    let bob = story.plan(&Planned::new("b1", "bob", "bob@a.example", 1));
    story.says(bob, Bounced::because(Reason::MailboxFull), noon(1));
    let cy = deliver(&mut story, &Planned::new("b1", "cy", "cy@a.example", 1));
    let mut moved = AutoReplied::default();
    moved.address_change = true;
    story.says(cy, moved, noon(1));
    story
}

fn invalid(story: &Story, query: &Query) -> Vec<String> {
    let invalid = InvalidAddresses::of(&story.state(), query).unwrap();
    let line = |one: &mailtrail_report::InvalidAddress| {
        let (contact, fault) = (one.contact.as_str(), one.fault.name());
        let good = one.last_good_delivery.map(|at| at == noon(0));
        format!("{contact} {fault} {:?} {} {good:?}", one.since == Some(noon(1)), one.broadcasts)
    };
    invalid.addresses.iter().map(line).collect()
}

#[test]
fn an_address_leaves_the_list_when_another_one_works() {
    let mut story = school();
    let all = Query::default();
    let cy = "cy moved true 1 None";
    assert_eq!(invalid(&story, &all), ["ann user_unknown true 2 Some(true)", cy]);
    assert!(invalid(&story, &Query::of("b0".parse().unwrap())).is_empty());
    // One that is only planned shows nothing; one that arrived does.
    let new = story.plan(&Planned::new("b3", "ann", "ann@b.example", 3));
    assert_eq!(invalid(&story, &all).len(), 2);
    story.says(new, Delivered::default(), noon(3));
    assert_eq!(invalid(&story, &all), [cy]);
    // Who has moved may still have the old mailbox: only an open there says that it is read.
    let old = story.plan(&Planned::new("b3", "cy", "cy@a.example", 3));
    story.says(old, Delivered::default(), noon(3));
    assert_eq!(invalid(&story, &all), ["cy moved true 1 Some(false)"]);
    story.opened(old, Agent::Human, noon(4));
    assert!(invalid(&story, &all).is_empty());
}

#[test]
fn the_list_is_for_the_school_office() {
    let sheet = InvalidAddresses::of(&school().state(), &Query::default()).unwrap().sheet(None);
    let csv = String::from_utf8(render::csv(&sheet, Cells::Safe).unwrap()).unwrap();
    assert_eq!(
        csv,
        "Contact ID,Name,Email Address,Why,Since,Broadcasts,Last Good Delivery,What To Do,school\r\n\
         ann,Name of ann,ann@a.example,There is no such mailbox at this domain.,2023-11-14T12:00:00Z,2,2023-11-13T12:00:00Z,Ask the contact for a correct address.,North\r\n\
         cy,Name of cy,cy@a.example,An automatic answer says that the person has moved.,2023-11-14T12:00:00Z,1,,Ask the contact for the new address.,North\r\n"
    );
    assert_eq!(sheet.notes, ["2 contacts have to give another address."]);
}

/// So many rows of a kind, of which so many are read.
fn read(story: &mut Story, row: &Planned, delivered: usize, read: usize) {
    for number in 0..delivered {
        let mut row = row.clone();
        row.contact = format!("{}-{}-{number}", row.kind, row.broadcast);
        let delivery = story.plan(&row);
        story.says(delivery, Sent::default(), noon(row.day));
        story.says(delivery, Delivered::default(), noon(row.day) + TimeDelta::seconds(90));
        if number < read {
            story.opened(delivery, Agent::Human, noon(row.day) + TimeDelta::hours(1));
        }
    }
}

#[test]
fn nothing_is_claimed_of_few() {
    let mut story = Story::default();
    let mut row = Planned::new("b", "c", "c@a.example", 0);
    for (kind, delivered, opened) in [("emergency", 40, 38), ("lunch", 40, 4), ("trip", 19, 19)] {
        row.kind = kind;
        read(&mut story, &row, delivered, opened);
    }
    let reading = ReadingBehaviour::of(&story.state(), &Query::default(), &By::Kind).unwrap();
    let sheet = reading.sheet();
    let kinds: Vec<&str> = reading.groups.iter().map(|(kind, _)| &**kind).collect();
    assert_eq!(kinds, ["emergency", "lunch", "trip"], "what is too few comes last");
    assert!(sheet.notes.contains(&"Read most: emergency. Read least: lunch.".to_owned()));
    assert_eq!(sheet.columns[5].kind, Kind::Estimate);
    let table = render::table(&sheet, None);
    assert!(table.contains("too few to say (19 of 19)"), "{table}");
    // Two rates that may be one are no order.
    let mut story = Story::default();
    for (kind, opened) in [("emergency", 22), ("lunch", 18)] {
        row.kind = kind;
        read(&mut story, &row, 40, opened);
    }
    let reading = ReadingBehaviour::of(&story.state(), &Query::default(), &By::Kind).unwrap();
    assert!(!reading.sheet().notes.iter().any(|note| note.contains("Read most")));
}

#[test]
fn hours_are_the_contacts_own() {
    let mut story = Story::default();
    let mut row = Planned::new("b", "c", "c@a.example", 0);
    row.zone = Some("Asia/Tokyo");
    read(&mut story, &row, 1, 1);
    row.zone = None;
    read(&mut story, &row, 1, 0);
    let state = story.state();
    let hours = ReadingBehaviour::of(&state, &Query::default(), &By::Hour).unwrap();
    let of = |hour: &str| hours.groups.iter().find(|(group, _)| &**group == hour).unwrap().1.read();
    assert_eq!((of("21:00"), of("12:00")), (Rate::new(1, 1), Rate::new(0, 1)));
    assert_eq!(hours.opened_in_hour[22], 1);
    let note = "1 of these rows have no time zone: they are in UTC.";
    assert!(hours.sheet().notes.iter().any(|said| said == note));
    let days = ReadingBehaviour::of(&state, &Query::default(), &By::Weekday).unwrap();
    assert_eq!(&*days.groups[0].0, "Monday");
}

#[test]
fn a_column_or_label_that_is_not_there_is_an_error() {
    let state = school().state();
    let unknown = |text: &str| state.check(&text.parse().unwrap(), None);
    assert!(unknown("school=North").is_ok() && unknown("Email Address=ann@a.example").is_ok());
    let refused = unknown("shool=North");
    assert!(matches!(refused, Err(QueryError::UnknownColumn { name }) if &*name == "shool"));
    assert!(state.check(&Query::default(), Some(&"nothing".parse().unwrap())).is_err());
    assert!(EmailLogState::default().check(&"shool=North".parse().unwrap(), None).is_ok());
    let on_day = state.rows(&"planned=2023-11-15".parse().unwrap()).unwrap();
    assert_eq!(on_day.len(), 1, "a time is found by its day");
    assert_eq!(state.rows(&Query::default().search("NAME OF CY")).unwrap().len(), 1);
}

#[test]
fn a_soft_bounce_without_news_says_so() {
    let mut story = Story::default();
    let row = story.plan(&Planned::new("b", "ann", "ann@a.example", 0));
    story.says(row, Deferred::because(Reason::MailboxFull), noon(0));
    let why = |day| story.state().rows(&Query::default().now(noon(day))).unwrap()[0].why.clone();
    assert!(why(4).ends_with("It is still tried: last tried 2023-11-13 12:00 UTC."), "{}", why(4));
    let silent = why(5);
    assert!(silent.ends_with("There is no news since 2023-11-13 12:00 UTC (5 days)."), "{silent}");
    assert_eq!(story.state().rows(&Query::default()).unwrap()[0].status, Status::SoftBounced);
}
