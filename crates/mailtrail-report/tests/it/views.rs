//! What the reports over the Email Log promise: the same whatever the order, the numbers of the summary, and nothing claimed
//! of few.

use chrono::{DurationRound, TimeDelta};
use mailtrail_core::event::{
    Agent, AutoReplied, Bounced, Clicked, Custom, Deferred, Delivered, Envelope, Sent,
};
use mailtrail_core::reason::Reason;
use mailtrail_core::{DeliveryId, Private, Status, StreamId};
use mailtrail_report::render::{self, Cells};
use mailtrail_report::sheet::{Kind, Sheet};
use mailtrail_report::{
    BroadcastSummary, By, Change, Comparison, Contradictions, CustomEvents, DomainHealth, EmailLog,
    EmailLogRow, EmailLogState, InvalidAddresses, OverTime, Paging, Period, Query, QueryError,
    Rate, ReadingBehaviour, Summary, Times, TrackingCoverage, Trails, UnmatchedFeedback,
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
    for period in [Period::Day, Period::Week] {
        sheets.push(DomainHealth::of(&log, &all, period).unwrap().sheet());
    }
    sheets.push(TrackingCoverage::of(&log, &all).unwrap().sheet());
    let trails = built(&Trails, envelopes);
    sheets.push(UnmatchedFeedback::of(&log, &trails).unwrap().sheet());
    sheets.push(Contradictions::of(&log, &trails, &all).unwrap().sheet(None));
    sheets.push(CustomEvents::of(&log, &trails, &all).unwrap().sheet(None));
    sheets.push(OverTime::of(&log, &trails, &all).unwrap().sheet());
    sheets.push(Comparison::of(&log, &all, 3).unwrap().sheet());
    let mut summary = Summary::sheet(&log.summary_by(&all, "school").unwrap(), Some("school"));
    Times::add_to(&mut summary, &Times::by(&log, &all, Some("school")).unwrap());
    sheets.push(summary);
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
    fn every_report_has_the_numbers_of_the_summary(h in history(Shape::adversarial().broadcasts(3)), seed: u64) {
        let envelopes = Feeder::new(&h).shuffled_by(seed).envelopes();
        let (log, trails) = (built(&EmailLog, &envelopes), built(&Trails, &envelopes));
        let all = Query::default();
        let summary = log.summary(&all).unwrap();

        let health = DomainHealth::of(&log, &all, Period::Week).unwrap();
        let delivered: u64 = health.domains.values().map(|health| health.delivered).sum();
        prop_assert_eq!(delivered, summary.reached().count);
        for health in health.domains.values() {
            let given_up: u64 = health.given_up.iter().sum();
            prop_assert!(health.delivered + given_up + health.blocked <= health.rows);
            prop_assert!(health.in_trouble <= health.rows && health.deferred <= health.in_trouble);
        }

        let coverage = TrackingCoverage::of(&log, &all).unwrap();
        for groups in [&coverage.domains, &coverage.from] {
            let delivered: u64 = groups.values().map(|coverage| coverage.delivered).sum();
            prop_assert_eq!(delivered, summary.reached().count);
        }

        let unmatched = UnmatchedFeedback::of(&log, &trails).unwrap();
        prop_assert_eq!(unmatched.feedback.len() as u64, log.unmatched().unwrap());
        let contradictions = Contradictions::of(&log, &trails, &all).unwrap().contradictions;
        let mut contradicted: Vec<_> = contradictions.iter().map(|one| one.row.delivery).collect();
        contradicted.dedup();
        prop_assert_eq!(contradicted.len() as u64, summary.bounced_after_delivery);

        let comparison = Comparison::of(&log, &all, usize::MAX).unwrap();
        let rows: u64 = comparison.broadcasts.iter().map(|one| one.summary.rows()).sum();
        prop_assert_eq!(rows, summary.rows());
    }

    /// A report by the values of a label is, of each value, that of its rows alone.
    #[test]
    fn groups_are_the_reports_of_their_rows(h in history(Shape::adversarial()), seed: u64) {
        let envelopes = Feeder::new(&h).shuffled_by(seed).envelopes();
        let (log, trails) = (built(&EmailLog, &envelopes), built(&Trails, &envelopes));
        let all = Query::default();
        for (value, health) in DomainHealth::by(&log, &all, Period::Day, Some("school")).unwrap() {
            let own = Query::default().label("school", value);
            prop_assert_eq!(health, DomainHealth::of(&log, &own, Period::Day).unwrap());
        }
        for (value, coverage) in TrackingCoverage::by(&log, &all, Some("school")).unwrap() {
            let own = Query::default().label("school", value);
            prop_assert_eq!(coverage, TrackingCoverage::of(&log, &own).unwrap());
        }
        let contradictions = Contradictions::of(&log, &trails, &all).unwrap();
        let (by, plain) = (contradictions.sheet(Some("school")), contradictions.sheet(None));
        prop_assert_eq!(by.rows.len(), plain.rows.len());
        for row in &by.rows {
            prop_assert!(plain.rows.contains(&row[1..].to_vec()));
        }
    }

    /// The counts of an hour are those of what had happened by its end; the last ones are the present ones.
    #[test]
    fn the_counts_over_time_are_those_of_the_log_as_it_was(h in history(Shape::adversarial()), hour in any::<prop::sample::Index>()) {
        let mut envelopes = Feeder::new(&h).envelopes();
        for (second, envelope) in (1_600_000_000..).zip(&mut envelopes) {
            // Every fact has a time, and every row is planned before all else.
            let is_plan = envelope.fact().is_ok_and(|fact| fact.event.row().is_some());
            let at = chrono::DateTime::from_timestamp(second, 0);
            if is_plan || envelope.event.occurred_at.is_none() {
                envelope.event.occurred_at = at;
            }
        }
        let log = built(&EmailLog, &envelopes);
        let hours = OverTime::of(&log, &built(&Trails, &envelopes), &Query::default()).unwrap().counts;
        let counts = |log: &EmailLogState| {
            let summary = log.summary(&Query::default()).unwrap();
            Status::ALL.map(|status| summary.of(status))
        };
        prop_assert_eq!(hours.last().map_or([0; 10], |(_, last)| *last), counts(&log));
        if !hours.is_empty() {
            let (start, shown) = hours[hour.index(hours.len())];
            let end = start.unwrap() + TimeDelta::hours(1);
            let by_then = |envelope: &&Envelope| envelope.event.occurred_at.is_some_and(|at| at < end);
            let by_then: Vec<_> = envelopes.iter().filter(by_then).cloned().collect();
            prop_assert_eq!(shown, counts(&built(&EmailLog, &by_then)));
        }
    }

    /// What is kept of each broadcast is what its rows say, in whatever order the events came.
    #[test]
    fn the_counts_of_a_broadcast_over_time_are_kept_ready(h in history(Shape::adversarial().broadcasts(3)), seed: u64, most in 1_usize..9) {
        let envelopes = Feeder::new(&h).shuffled_by(seed).envelopes();
        let (log, trails) = (built(&EmailLog, &envelopes), built(&Trails, &envelopes));
        for broadcast in built(&BroadcastSummary, &envelopes).broadcasts().unwrap() {
            let query = Query::of(broadcast.clone());
            let (by_row, now) = (OverTime::of(&log, &trails, &query).unwrap(), chrono::DateTime::<chrono::Utc>::MAX_UTC);
            let kept = OverTime::of_broadcast(&trails, &broadcast, usize::MAX, now).unwrap();
            let hour = |at: chrono::DateTime<chrono::Utc>| at.duration_trunc(TimeDelta::hours(1)).unwrap();
            let mut hours = std::collections::BTreeMap::new();
            for (minute, counts) in &kept.counts {
                hours.insert(minute.map(hour), *counts);
            }
            prop_assert_eq!(hours.into_iter().collect::<Vec<_>>(), by_row.counts);

            let few = OverTime::of_broadcast(&trails, &broadcast, most, now).unwrap();
            prop_assert!(few.counts.len() <= most && few.span >= kept.span);
            let summary = log.summary(&query).unwrap();
            let present = Status::ALL.map(|status| summary.of(status));
            prop_assert_eq!(few.counts.last().map_or([0; 10], |(_, last)| *last), present);
            let long_ago = chrono::DateTime::<chrono::Utc>::MIN_UTC;
            let untimed = OverTime::of_broadcast(&trails, &broadcast, most, long_ago).unwrap();
            prop_assert!(untimed.counts.iter().all(|(at, counts)| at.is_none() && *counts == present));
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

/// Whoever has two addresses, of which one works, still has one to correct.
#[test]
fn another_address_that_was_there_all_along_corrects_nothing() {
    let mut story = Story::default();
    for (broadcast, day) in [("b1", 1), ("b2", 2)] {
        let old = story.plan(&Planned::new(broadcast, "ann", "old@a.example", day));
        let new = story.plan(&Planned::new(broadcast, "ann", "new@a.example", day));
        story.says(old, Bounced::because(Reason::UserUnknown), noon(day) + TimeDelta::seconds(1));
        story.says(new, Delivered::default(), noon(day) + TimeDelta::seconds(2));
    }
    let since = noon(1) + TimeDelta::seconds(1);
    let invalid = InvalidAddresses::of(&story.state(), &Query::default()).unwrap().addresses;
    assert_eq!((invalid.len(), invalid[0].since, invalid[0].broadcasts), (1, Some(since), 2));
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

#[cfg(all(feature = "html", feature = "parquet"))]
#[test]
fn every_report_is_a_page_and_a_table_of_columns() {
    let sheets = sheets(&school().envelopes);
    let footer = render::Footer::new(mailtrail_core::store::Head::default(), "now", "test");
    for sheet in &sheets {
        assert!(render::parquet(sheet, &footer).is_ok(), "{}", sheet.name);
    }
    let page = render::html("School", &sheets, &footer);
    assert!(page.contains("There is no such mailbox at this domain."));
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

/// So many rows of a day, of which so many are deferred, then delivered.
fn tried(story: &mut Story, domain: &str, day: i64, rows: usize, deferred: usize) {
    for number in 0..rows {
        let address = format!("p{number}@{domain}");
        let row = story.plan(&Planned::new("b", &address, &address, day));
        if number < deferred {
            story.says(row, Deferred::because(Reason::RateLimited), noon(day));
        }
        story.says(row, Sent::default(), noon(day));
        story.says(row, Delivered::default(), noon(day) + TimeDelta::seconds(60));
    }
}

#[test]
fn a_sudden_change_is_one_that_is_sure() {
    let mut story = Story::default();
    for day in 0..3 {
        tried(&mut story, "a.example", day, 30, 1);
        tried(&mut story, "few.example", day, 5, 0);
    }
    tried(&mut story, "a.example", 3, 30, 20);
    tried(&mut story, "few.example", 3, 5, 5);
    tried(&mut story, "a.example", 30, 30, 30);
    let health = DomainHealth::of(&story.state(), &Query::default(), Period::Day).unwrap();
    let change = |domain, day| health.change(domain, noon(day).date_naive());
    assert_eq!(change("a.example", 0), None, "there is nothing before it");
    assert_eq!(change("a.example", 2), None);
    assert_eq!(change("a.example", 3), Some(Change::Worse));
    assert_eq!(change("few.example", 3), None, "too few to say");
    assert_eq!(change("a.example", 30), None, "what was before is too long ago");
    let table = render::table(&health.sheet(), None);
    assert_eq!(table.matches("more trouble than before").count(), 1, "{table}");
    assert!(table.contains("1 min"), "the delay: {table}");
    let weeks = DomainHealth::of(&story.state(), &Query::default(), Period::Week).unwrap();
    assert_eq!(weeks.domains.len(), 3);
}

#[test]
fn advice_is_given_when_the_numbers_speak_for_it() {
    let mut story = Story::default();
    let mut from_several = |contact: usize, from: &'static str, is_read: bool| {
        let mut row = Planned::new("b", &format!("c{contact}"), "c@a.example", 0);
        row.from = from;
        let delivery = story.plan(&row);
        story.says(delivery, Delivered::default(), noon(0));
        if is_read {
            story.opened(delivery, Agent::Human, noon(1));
        }
    };
    for contact in 0..30 {
        from_several(contact, "office@school.example", true);
        from_several(100 + contact, "office@school.example", contact < 5);
        from_several(100 + contact, "news@school.example", contact < 5);
    }
    let coverage = TrackingCoverage::of(&story.state(), &Query::default()).unwrap();
    assert_eq!(coverage.read_by_from_addresses, [Rate::new(30, 30), Rate::new(10, 60)]);
    let advice = coverage.advice();
    assert_eq!(advice.len(), 1);
    assert!(advice[0].starts_with("Don't change the From address often"), "{advice:?}");
    assert!(advice[0].contains("of 30") && advice[0].contains("of 60"), "with the numbers");
    assert!(coverage.sheet().notes.contains(&advice[0]));

    // Who follows a link and shows no open sees no images.
    let mut story = Story::default();
    for contact in 0..40 {
        let delivery = story.plan(&Planned::new("b", &format!("c{contact}"), "c@a.example", 0));
        story.says(delivery, Delivered::default(), noon(0));
        story.says(delivery, Clicked::default(), noon(1));
        if contact < 20 {
            story.opened(delivery, Agent::Human, noon(1));
        }
    }
    let advice = TrackingCoverage::of(&story.state(), &Query::default()).unwrap().advice();
    assert!(advice.len() == 1 && advice[0].contains("trusted senders"), "{advice:?}");
}

#[test]
fn a_broadcast_is_compared_with_those_of_its_type() {
    let mut story = Story::default();
    for (broadcast, kind, day, opened) in [
        ("mon", "lunch", 0, 20),
        ("trip", "trip", 1, 0),
        ("wed", "lunch", 2, 22),
        ("thu", "lunch", 3, 4),
    ] {
        let mut row = Planned::new(broadcast, "c", "c@a.example", day);
        row.kind = kind;
        read(&mut story, &row, 40, opened);
    }
    let of = |broadcast: &str, count| {
        let query = Query::of(broadcast.parse().unwrap());
        let comparison = Comparison::of(&story.state(), &query, count).unwrap();
        let names = comparison.broadcasts.iter().map(|one| one.broadcast.to_string()).collect();
        let names: Vec<String> = names;
        (names, comparison.sheet())
    };
    let (names, sheet) = of("thu", 2);
    assert_eq!(names, ["thu", "wed", "mon"]);
    assert!(sheet.notes.contains(&"Fewer read than of the 2 before.".to_owned()), "{sheet:?}");
    assert_eq!(of("thu", 1).0, ["thu", "wed"]);
    assert!(of("wed", 2).1.notes.is_empty(), "22 and 20 of 40 may be the same");
    let table = render::table(&sheet, None);
    assert!(table.contains("1 min 30 s") && table.contains("1 h"), "{table}");
}

#[test]
fn what_single_events_say_is_listed_with_who_brought_it() {
    let mut story = school();
    let ann = story.plan(&Planned::new("b4", "ann", "ann@a.example", 4));
    story.says(ann, Delivered::default(), noon(4));
    story.says(ann, Bounced::because(Reason::MailboxFull), noon(5));
    let mut custom = Custom::default();
    custom.custom_type = "printed".into();
    story.says(ann, custom, noon(6));
    let nobody = StreamId::delivery(DeliveryId::from_bytes([9; 16]));
    let mut private = Private::default();
    private.recipient = Some("<Ann@A.example>".into());
    story.add(nobody, Delivered::default().into(), &private, noon(7));
    let (log, trails) = (story.state(), built(&Trails, &story.envelopes));
    let json = |sheet: &Sheet| -> serde_json::Value {
        serde_json::from_str(&render::json(sheet).unwrap()).unwrap()
    };
    let all = Query::default();
    let contradiction = json(&Contradictions::of(&log, &trails, &all).unwrap().sheet(None));
    for (name, value) in [
        ("contact_id", "ann"),
        ("status", "delivered"),
        ("refused", "2023-11-18T12:00:00Z"),
        ("type", "bounced"),
        ("source", "story"),
        ("why", "The mailbox is full."),
    ] {
        assert_eq!(contradiction[name], value);
    }
    let custom = json(&CustomEvents::of(&log, &trails, &all).unwrap().sheet(None));
    assert_eq!((&custom["type"], &custom["broadcast"]), (&"printed".into(), &"b4".into()));
    let elsewhere = Query::of("b1".parse().unwrap());
    assert!(CustomEvents::of(&log, &trails, &elsewhere).unwrap().events.is_empty());
    let unmatched = json(&UnmatchedFeedback::of(&log, &trails).unwrap().sheet());
    assert_eq!((&unmatched["type"], &unmatched["source"]), (&"delivered".into(), &"story".into()));
    assert_eq!(unmatched["first"], "2023-11-20T12:00:00Z");
    assert_eq!(unmatched["may_belong_to"], "ann in b4");
}

#[test]
fn unmatched_feedback_may_belong_to_the_last_message_before_it() {
    let mut story = school();
    let suggested = |story: &Story| {
        let trails = built(&Trails, &story.envelopes);
        let unmatched = UnmatchedFeedback::of(&story.state(), &trails).unwrap().feedback;
        let named =
            |row: &mailtrail_core::event::Row| format!("{} in {}", row.contact, row.broadcast);
        unmatched.iter().map(|one| one.suggested.as_ref().map(named)).collect::<Vec<_>>()
    };
    let mut private = Private::default();
    for (number, recipient, day) in [
        (1, Some("ann@a.example"), -1),
        (2, Some("ann@a.example"), 1),
        (3, Some("ann@a.example"), 16),
        (4, Some("ann@a.example"), 17),
        (5, Some("eve@a.example"), 18),
        (6, None, 19),
    ] {
        private.recipient = recipient.map(Into::into);
        let nobody = StreamId::delivery(DeliveryId::from_bytes([number; 16]));
        story.add(nobody, Delivered::default().into(), &private, noon(day));
    }
    let expected = [None, Some("ann in b1"), Some("ann in b2"), None, None, None];
    assert_eq!(suggested(&story), expected.map(|row| row.map(str::to_owned)));
    // What is suggested moves no row.
    assert_eq!(story.state().unmatched().unwrap(), 6);
}
