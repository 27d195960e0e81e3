//! What the index of the Email Log promises: it finds, sorts and counts what is in the rows, at once and after any change.

use std::cmp::Ordering;

use chrono::{DateTime, TimeDelta, Utc};
use mailtrail_core::event::{Deferred, Envelope};
use mailtrail_core::{DeliveryId, Status};
use mailtrail_report::sheet::Cell;
use mailtrail_report::{
    EmailLog, EmailLogIndex, EmailLogRow, EmailLogState, IndexedRow, Paging, Query, QueryError,
    Sort, render,
};
use mailtrail_testkit::Feeder;
use mailtrail_testkit::proptest::prelude::*;
use mailtrail_testkit::strategy::{Shape, history};

use super::story::{Planned, Story, built, noon};

/// The rows by their cells, as anybody would sort them.
fn sorted(mut rows: Vec<EmailLogRow>, sort: &Sort) -> Vec<DeliveryId> {
    let sheet = EmailLogRow::sheet(&rows);
    let column = sheet.columns.iter().position(|column| column.name == sort.column);
    let cells =
        sheet.rows.iter().map(|row| column.map_or(Cell::Empty, |column| row[column].clone()));
    let mut keyed: Vec<_> = cells.zip(rows.drain(..)).collect();
    keyed.sort_by(|(one, _), (other, _)| {
        let by_value = match (one, other) {
            (Cell::Text(one), Cell::Text(other)) => one.to_lowercase().cmp(&other.to_lowercase()),
            (Cell::Count(one), Cell::Count(other)) => one.cmp(other),
            (Cell::Flag(one), Cell::Flag(other)) => one.cmp(other),
            (Cell::Time(one), Cell::Time(other)) => one.cmp(other),
            (Cell::Status(one), Cell::Status(other)) => one.cmp(other),
            _ => Ordering::Equal,
        };
        let by_value = if sort.is_descending { by_value.reverse() } else { by_value };
        one.is_empty().cmp(&other.is_empty()).then(by_value)
    });
    keyed.into_iter().map(|(_, row)| row.delivery).collect()
}

/// A query of what stands in one of the rows.
fn query(rows: &[EmailLogRow], of: prop::sample::Index, kind: u8, column: usize) -> Query {
    let Some(row) = rows.get(of.index(rows.len().max(1))) else { return Query::default() };
    let sheet = EmailLogRow::sheet(std::slice::from_ref(row));
    let json: serde_json::Value =
        serde_json::from_str(render::json(&sheet).unwrap().trim()).unwrap();
    let name = &*sheet.columns[column % sheet.columns.len()].name;
    let value = match &json[name] {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let part: String = value.chars().skip(1).take(3).collect();
    match kind {
        0 => Query::default(),
        1 => Query::of(row.broadcast.parse().unwrap()),
        2 => Query::default().status(row.status).status(Status::Delivered),
        3 => Query::default().column(name, value),
        4 => Query::default().search(part.to_uppercase()),
        5 => Query::default().search(value),
        6 => Query::default().column("planned", part),
        7 => Query::default().column(name, part),
        _ => match row.labels.first_key_value() {
            Some((name, value)) => Query::default().label(name, value),
            None => Query::default().label("school", ""),
        },
    }
}

fn ids(rows: &[EmailLogRow]) -> Vec<DeliveryId> {
    rows.iter().map(|row| row.delivery).collect()
}

fn now() -> DateTime<Utc> {
    noon(0) + TimeDelta::days(400)
}

/// As whoever follows the log does: what an event concerns, and what shows the result of that.
fn follow(index: &mut EmailLogIndex, state: &EmailLogState, events: &[Envelope]) {
    for event in events {
        for delivery in state.concerned(event.stream).unwrap() {
            let shown: Vec<_> = index.duplicates_of(delivery).collect();
            for delivery in shown.into_iter().chain([delivery]) {
                index.put(IndexedRow::of(state, delivery, Some(now())).unwrap()).unwrap();
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_found_is_what_the_rows_show(
        h in history(Shape::adversarial().broadcasts(3)),
        seed: u64,
        split: prop::sample::Index,
        (of, kind, column) in (any::<prop::sample::Index>(), 0_u8..9, any::<usize>()),
        (by, down, limit) in (any::<prop::sample::Index>(), any::<bool>(), 1_usize..6),
        compacts: bool,
    ) {
        let envelopes = Feeder::new(&h).repeated(1..=2).shuffled_by(seed).envelopes();
        let (before, since) = envelopes.split_at(split.index(envelopes.len() + 1));
        let mut state = built(&EmailLog, before);
        let mut index = EmailLogIndex::of(&state, &Query::default().now(now())).unwrap();
        // Not after each event: what is put is as of a later state, as it is where much comes at once.
        for events in since.chunks(7) {
            for envelope in events {
                mailtrail_core::projection::Projection::apply(&EmailLog, envelope, &mut state).unwrap();
            }
            follow(&mut index, &state, events);
            if compacts {
                index.compact();
            }
        }

        let whole = state.rows(&Query::default().now(now())).unwrap();
        prop_assert_eq!(index.len(), whole.len());
        let query = query(&whole, of, kind, column).now(now());
        let rows = state.rows(&query).unwrap();
        let found = index.find(&query, &Paging::default()).unwrap();
        prop_assert_eq!((&found.deliveries, found.count), (&ids(&rows), rows.len() as u64));

        let columns = EmailLogRow::sheet(&whole).columns;
        let sort = Sort::by(&columns[by.index(columns.len())].name, down);
        let mut paging = Paging::default().sort(sort.clone()).limit(limit);
        let mut paged = Vec::new();
        loop {
            let page = index.find(&query, &paging).unwrap();
            prop_assert!(page.deliveries.len() <= limit && page.count == rows.len() as u64);
            paged.extend(page.deliveries);
            let Some(next) = page.next else { break };
            prop_assert_eq!(next.to_string().parse(), Ok(next.clone()));
            paging = paging.after(next);
        }
        prop_assert_eq!(&paged, &sorted(rows, &sort));
        prop_assert_eq!(index.check(&query, Some(&sort)).is_ok(), state.check(&query, Some(&sort)).is_ok());
        let of_all = ids(&state.page(&query, &Paging::default().sort(sort)).unwrap().rows);
        prop_assert_eq!(of_all, paged);
    }
}

#[test]
fn a_long_silence_is_told_when_it_is_due() {
    let mut story = Story::default();
    let ann = story.plan(&Planned::new("b", "ann", "ann@a.example", 0));
    story.says(ann, Deferred::default(), noon(0));
    let (state, silence) = (story.state(), Query::default().search("no news since"));
    let mut index = EmailLogIndex::of(&state, &silence.clone().now(noon(0))).unwrap();
    assert_eq!(index.due(noon(4)).count(), 0);
    for day in [5, 6] {
        let due: Vec<_> = index.due(noon(day)).collect();
        assert_eq!(due, [ann]);
        index.put(IndexedRow::of(&state, ann, Some(noon(day))).unwrap()).unwrap();
        assert_eq!(index.find(&silence, &Paging::default()).unwrap().deliveries, [ann]);
        let days = Query::default().search(format!("({day} days)"));
        assert_eq!(index.find(&days, &Paging::default()).unwrap().count, 1);
    }
}

#[test]
fn what_no_row_has_is_told() {
    let mut story = Story::default();
    let ann = story.plan(&Planned::new("b", "ann", "ann@a.example", 0));
    let index = EmailLogIndex::of(&story.state(), &Query::default()).unwrap();
    let unknown = index.check(&Query::default().label("class", "3b"), None);
    assert!(matches!(unknown, Err(QueryError::UnknownColumn { name }) if &*name == "class"));
    assert!(index.check(&Query::of("other".parse().unwrap()).label("class", "3b"), None).is_ok());
    let labels = index.labels(&"b".parse().unwrap());
    assert_eq!(
        labels.into_iter().next().map(|(name, values)| (name, values.len())),
        Some(("school".into(), 1))
    );
    let id = ann.to_string();
    let found =
        |text: &str| index.find(&Query::default().search(text), &Paging::default()).unwrap().count;
    assert_eq!((found(&id), found(&id.to_uppercase()), found(&id[..8])), (1, 1, 0));
}
