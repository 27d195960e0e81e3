//! The same numbers in every rendering.

use std::collections::BTreeMap;

use mailtrail_core::Status;
use mailtrail_core::projection::Projection;
use mailtrail_core::store::Head;
use mailtrail_report::render::{self, Cells, Footer};
use mailtrail_report::sheet::{Cell, Chart, Column, Kind, Sheet, Shown};
use mailtrail_report::{EmailLog, EmailLogRow, EmailLogState, Query, Rate, Summary};
use mailtrail_testkit::Feeder;
use mailtrail_testkit::proptest::prelude::*;
use mailtrail_testkit::strategy::{Shape, history};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value;

fn footer() -> Footer {
    Footer::new(Head::default(), "now", "mailtrail test")
}

/// Any sheet, with texts of every kind in it.
fn sheet() -> impl Strategy<Value = Sheet> {
    let cell = |kind: Kind| match kind {
        Kind::Text => "[ -~\u{e9}\u{5d0}\u{202e}\u{1b}\n=]{0,8}".prop_map(Cell::from).boxed(),
        Kind::Count => any::<u32>().prop_map(|count| Cell::Count(count.into())).boxed(),
        Kind::Seconds => any::<u32>().prop_map(|count| Cell::Seconds(count.into())).boxed(),
        Kind::Flag => any::<bool>().prop_map(Cell::Flag).boxed(),
        Kind::Rate | Kind::Estimate => (0_u64..90, 0_u64..90)
            .prop_map(|(count, more)| Rate::new(count, count + more).into())
            .boxed(),
        Kind::Time => (0_i64..4_000_000_000)
            .prop_map(|at| chrono::DateTime::from_timestamp(at, 0).into())
            .boxed(),
        _ => prop::sample::select(Status::ALL.to_vec()).prop_map(Cell::from).boxed(),
    };
    let row = KINDS.map(|kind| prop_oneof![3 => cell(kind), 1 => Just(Cell::Empty)]).to_vec();
    (prop::collection::vec(row, 0..6), any::<bool>()).prop_map(|(rows, is_tall)| {
        let columns = KINDS.iter().enumerate().map(|(index, kind)| {
            Column::new(&format!("c{index}"), &format!("Column {index}"), *kind)
        });
        let mut sheet = Sheet::new("any", "Any <sheet>", columns);
        for row in rows {
            sheet.push(row);
        }
        sheet.is_tall = is_tall;
        sheet.charts.push(Chart::bars("Bars & more", [("one", 3), ("<two>", 0)]));
        let moments = [0, 3_600, 1_000_000_000_000]
            .map(|at| chrono::DateTime::from_timestamp(at, 0).unwrap());
        let lines = [("<up>", vec![0, 1, u64::MAX]), ("down", vec![7, 0])];
        sheet.charts.push(Chart::lines("Lines & more", moments.into(), lines));
        sheet
    })
}

const KINDS: [Kind; 8] = [
    Kind::Text,
    Kind::Count,
    Kind::Flag,
    Kind::Time,
    Kind::Rate,
    Kind::Estimate,
    Kind::Seconds,
    Kind::Status,
];

/// What CSV says, by row and title.
fn of_csv(sheet: &Sheet) -> Vec<Vec<String>> {
    let bytes = render::csv(sheet, Cells::Raw).unwrap();
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

fn of_json(sheet: &Sheet) -> Vec<Value> {
    let lines = render::json(sheet).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What Parquet says, by row and name.
fn of_parquet(sheet: &Sheet) -> Vec<BTreeMap<String, Field>> {
    let bytes = bytes::Bytes::from(render::parquet(sheet, &footer()).unwrap());
    let reader = SerializedFileReader::new(bytes).unwrap();
    let rows = reader.get_row_iter(None).unwrap();
    rows.map(|row| row.unwrap().into_columns().into_iter().collect()).collect()
}

/// The cells of the page's table, in its order.
fn of_html(sheet: &Sheet) -> Vec<String> {
    let section = render::section(sheet).into_string();
    let page = roxmltree::Document::parse(&section).unwrap();
    let text = |cell: roxmltree::Node<'_, '_>| {
        cell.descendants().filter_map(|node| node.text().filter(|_| node.is_text())).collect()
    };
    // The first text of a row heads its column in a tall table.
    let heads = |node: &roxmltree::Node<'_, '_>| {
        sheet.is_tall
            && node.attribute("class") == Some("number")
            && node.attribute("scope") == Some("col")
    };
    page.descendants().filter(|node| node.has_tag_name("td") || heads(node)).map(text).collect()
}

/// A value as CSV writes it.
fn written(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(false) => String::new(),
        Value::Bool(true) => "yes".into(),
        Value::String(text) => text.clone(),
        Value::Object(rate) => {
            let rate = Rate::new(rate["count"].as_u64().unwrap(), rate["of"].as_u64().unwrap());
            let tenths = |share: u64| format!("{}.{}", share / 10, share % 10);
            rate.per_mille().map_or_else(String::new, tenths)
        }
        other => other.to_string(),
    }
}

/// The same of a value of Parquet.
fn of_field(columns: &BTreeMap<String, Field>, column: &Column) -> Value {
    let number = |name: &str| match &columns[name] {
        Field::Long(number) => Value::from(*number),
        Field::Null => Value::Null,
        other => panic!("{other:?} is no number"),
    };
    match column.kind {
        Kind::Rate | Kind::Estimate => match number(&format!("{}_count", column.name)) {
            Value::Null => Value::Null,
            count => {
                serde_json::json!({ "count": count, "of": number(&format!("{}_of", column.name)) })
            }
        },
        _ => match &columns[&*column.name] {
            Field::Null => Value::Null,
            Field::Str(text) => text.as_str().into(),
            Field::Bool(flag) => (*flag).into(),
            Field::Long(number) => (*number).into(),
            Field::TimestampMillis(at) => {
                let at = chrono::DateTime::from_timestamp_millis(*at).unwrap();
                at.format("%Y-%m-%dT%H:%M:%SZ").to_string().into()
            }
            other => panic!("{other:?} is no value of a sheet"),
        },
    }
}

proptest! {
    #[test]
    fn every_rendering_says_the_same(sheet in sheet()) {
        let (csv, json, parquet) = (of_csv(&sheet), of_json(&sheet), of_parquet(&sheet));
        prop_assert_eq!((csv.len(), json.len(), parquet.len()), (sheet.rows.len(), sheet.rows.len(), sheet.rows.len()));
        for (row, object) in json.iter().enumerate() {
            for (index, column) in sheet.columns.iter().enumerate() {
                let said = written(&object[&*column.name]);
                prop_assert_eq!(&csv[row][index], &said, "CSV and JSON of {}", column.title);
                prop_assert_eq!(written(&of_field(&parquet[row], column)), said, "Parquet and JSON of {}", column.title);
            }
        }
        let words = |index: usize, column: &Column, row: &Vec<Cell>| {
            let said = render::safe(&render::text(&row[index], column.kind));
            match &row[index] {
                Cell::Time(_) if !sheet.is_tall => said.replace('T', " ").replace('Z', ""),
                _ => said,
            }
        };
        let expected: Vec<String> = if sheet.is_tall {
            sheet.shown(Shown::Full).flat_map(|(index, column)| sheet.rows.iter().map(move |row| (index, column, row)))
                .map(|(index, column, row)| words(index, column, row)).collect()
        } else {
            sheet.rows.iter().flat_map(|row| sheet.shown(Shown::Full).map(move |(index, column)| (index, column, row)))
                .map(|(index, column, row)| words(index, column, row)).collect()
        };
        prop_assert_eq!(of_html(&sheet), expected);
    }

    #[test]
    fn the_reports_say_the_same(h in history(Shape::adversarial())) {
        let mut state = EmailLogState::default();
        for envelope in Feeder::new(&h).envelopes() {
            EmailLog.apply(&envelope, &mut state).unwrap();
        }
        let log = EmailLogRow::sheet(&state.rows(&Query::default()).unwrap());
        let groups = state.summary_by(&Query::default(), "school").unwrap();
        for sheet in [log, Summary::sheet(&groups, Some("school"))] {
            let (csv, parquet) = (of_csv(&sheet), of_parquet(&sheet));
            prop_assert_eq!(csv.len(), parquet.len());
            let shown = sheet.shown(Shown::Full).filter(|(_, column)| column.group.is_none());
            for (place, (_, column)) in sheet.shown(Shown::Full).enumerate().filter(|(_, (_, column))| column.group.is_none()) {
                for (row, fields) in csv.iter().zip(&parquet) {
                    prop_assert_eq!(&written(&of_field(fields, column)), &row[place], "{}", column.title);
                }
            }
            prop_assert!(shown.count() > 5);
        }
    }
}

/// A hill begins and ends on the floor, the highest number is the highest point, and a reader hears the last ones.
#[test]
fn lines_are_drawn_one_below_the_other_and_told_in_words() {
    let moments = [0, 60, 120].map(|at| chrono::DateTime::from_timestamp(at, 0).unwrap());
    let mut sheet = Sheet::new("x", "X", []);
    let lines = [("Sent", vec![10, 4, 1]), ("Opened", vec![0, 0, 10])];
    sheet.charts.push(Chart::lines("Over time", moments.into(), lines));
    let drawn = render::charts(&sheet).into_string();
    let page = roxmltree::Document::parse(&drawn).unwrap();
    let svg = page
        .descendants()
        .find(|node| node.has_tag_name("svg") || node.tag_name().name() == "svg")
        .unwrap();
    assert_eq!(svg.attribute("aria-label"), Some("Over time. At last: Sent 1, Opened 10"));
    assert_eq!(svg.attribute("role"), Some("img"));
    let hills: Vec<Vec<(i32, i32)>> = svg
        .descendants()
        .filter(|node| node.tag_name().name() == "polygon")
        .map(|node| {
            let points = node.attribute("points").unwrap().split_whitespace();
            points
                .map(|point| point.split_once(',').unwrap())
                .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
                .collect()
        })
        .collect();
    assert_eq!(hills.len(), 2);
    for hill in &hills {
        assert_eq!(hill.first().unwrap().1, hill.last().unwrap().1);
        assert!(hill.is_sorted_by_key(|(x, _)| *x), "{hill:?}");
    }
    let height = |hill: &[(i32, i32)]| hill[0].1 - hill.iter().map(|(_, y)| *y).min().unwrap();
    assert_eq!(height(&hills[0]), height(&hills[1]));
    let texts: String = svg.descendants().filter_map(|node| node.text()).collect();
    for said in ["Sent", "Opened", "10", "1970-01-01 00:00", "1970-01-01 00:02"] {
        assert!(texts.contains(said), "{said}: {texts}");
    }
}

#[test]
fn a_page_needs_nothing_from_elsewhere_and_runs_nothing() {
    let name = "<script>alert(1)</script>\u{202e}\u{1b}[2J";
    let mut sheet = Sheet::new("x", name, [Column::new("name", name, Kind::Text)]);
    sheet.push([name.into()]);
    sheet.note(name);
    sheet.charts.push(Chart::bars(name, [(name, 1)]));
    sheet.charts.push(Chart::lines(name, vec![chrono::DateTime::UNIX_EPOCH], [(name, vec![1])]));
    let page = render::html(name, &[sheet], &footer());
    assert!(!page.contains("<script") && !page.contains('\u{1b}') && !page.contains('\u{202e}'));
    let elsewhere = ["http://", "https://", "src=", "@import", "url("];
    let own = page.replace("http://www.w3.org/2000/svg", "");
    assert!(elsewhere.iter().all(|way| !own.contains(way)), "{own}");
    assert!(page.contains("default-src 'none'"));
}

/// DuckDB reads the file as anyone would, and counts what we count.
#[test]
fn duckdb_reads_it() {
    let Some(python) = std::env::var_os("MAILTRAIL_DUCKDB") else {
        return mailtrail_testkit::crash::skipped(
            "duckdb_reads_it",
            "no DuckDB: `cargo xtask test --install` brings it",
        );
    };
    let columns = [
        Column::new("name", "Name", Kind::Text),
        Column::new("status", "Status", Kind::Status),
        Column::new("sent", "Sent", Kind::Time),
        Column::new("opens", "Opens", Kind::Count),
        Column::new("read", "Read", Kind::Rate),
        Column::new("complained", "Complained", Kind::Flag),
        Column::new("school", "school", Kind::Text).of_group("labels"),
    ];
    let columns = columns.map(|column| {
        if column.kind == Kind::Status {
            Column::new("delivery_results", "x", Kind::Status)
        } else {
            column
        }
    });
    let mut sheet = Sheet::new("duck", "Duck", columns);
    let at = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    for count in 0..3_u64 {
        sheet.push([
            "\u{5d0}nn".into(),
            Status::Opened.into(),
            at.into(),
            count.into(),
            Rate::new(count, 3).into(),
            (count == 1).into(),
            Cell::Empty,
        ]);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("duck.parquet");
    std::fs::write(&file, render::parquet(&sheet, &footer()).unwrap()).unwrap();
    let ask = "import duckdb, sys\n\
        c = duckdb.connect()\n\
        f = sys.argv[1]\n\
        print(c.sql(f\"select count(*), sum(opens), min(name), min(status), max(delivery_results), epoch(min(sent)), sum(read_count), max(read_of), count(*) filter (complained), count(\\\"labels.school\\\") from '{f}'\").fetchall())\n\
        print(c.sql(f\"select value from parquet_kv_metadata('{f}') where key = 'program'\").fetchall())\n";
    let run = std::process::Command::new(python).arg("-c").arg(ask).arg(&file).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let said = String::from_utf8(run.stdout).unwrap();
    assert_eq!(
        said,
        "[(3, 3, '\u{5d0}nn', 'opened', 'Opened', 1700000000.0, 3, 3, 1, 0)]\n[(b'mailtrail test',)]\n"
    );
}
