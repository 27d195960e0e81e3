//! Tables for a terminal, or for a plain text file when piped.

use std::collections::BTreeMap;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, TableComponent, presets};
use mailtrail_core::Status;

use super::safe;
use crate::row::EmailLogRow;
use crate::summary::{Rate, Summary};

/// The rows as a table of the columns that matter most; all columns are in CSV and JSON.
///
/// With a width it fits into so many columns, and a narrow one leaves out the counts; without, every
/// line is as long as it is.
///
/// ```
/// use mailtrail_report::render::email_log_table;
/// assert!(email_log_table(&[], None).contains("Opens"));
/// assert!(!email_log_table(&[], Some(80)).contains("Opens"));
/// ```
pub fn email_log_table(rows: &[EmailLogRow], width: Option<u16>) -> String {
    let shown = if width.is_some_and(|width| width < WIDE) { NARROW } else { COLUMNS.len() };
    let mut table = table(width);
    table.set_header(COLUMNS.into_iter().take(shown));
    for row in rows {
        let opens = row.opens_person.saturating_add(row.opens_unknown);
        let cells = [
            safe(&row.contact_id),
            safe(&row.name),
            safe(&row.email_address),
            row.delivery_results.to_owned(),
            safe(&row.why),
            opens.to_string(),
            row.attempts.to_string(),
        ];
        table.add_row(cells.into_iter().take(shown));
    }
    lines(&table)
}

/// What a table shows, the dispensable last.
const COLUMNS: [&str; 7] =
    ["Contact ID", "Name", "Email Address", "Delivery Results", "Why", "Opens", "Attempts"];
/// How many of them a narrow terminal gets.
const NARROW: usize = 5;
/// From this width on there is room for all.
const WIDE: u16 = 100;

/// The ten counts, then the three rates with their bases.
///
/// ```
/// use std::collections::BTreeMap;
/// use mailtrail_report::Summary;
/// use mailtrail_report::render::summary_table;
/// let whole = BTreeMap::from([(String::new(), Summary::default())]);
/// assert!(summary_table(&whole, None).contains("Needs attention"));
/// ```
pub fn summary_table(groups: &BTreeMap<String, Summary>, label: Option<&str>) -> String {
    let mut table = table(None);
    let title = label.map_or("", |label| label);
    let names: Vec<String> = groups.keys().map(|value| safe(value)).collect();
    if label.is_some() {
        table.set_header(std::iter::once(safe(title)).chain(names));
    }
    let mut add = |name: &str, value: &dyn Fn(&Summary) -> String| {
        let cells =
            groups.values().map(|s| Cell::new(value(s)).set_alignment(CellAlignment::Right));
        table.add_row(std::iter::once(Cell::new(name)).chain(cells));
    };
    for status in Status::ALL {
        add(status.label(), &|summary| summary.of(status).to_string());
    }
    add("Rows", &|summary| summary.rows().to_string());
    add("Reached", &|summary| percent(summary.reached()));
    add("Read", &|summary| percent(summary.read()));
    add("Needs attention", &|summary| percent(summary.needs_attention()));
    add("Bounced after delivery", &|summary| summary.bounced_after_delivery.to_string());
    add("Complained", &|summary| summary.complained.to_string());
    add("Unsubscribed", &|summary| summary.unsubscribed.to_string());
    lines(&table)
}

fn table(width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    for between_rows in [
        TableComponent::HorizontalLines,
        TableComponent::MiddleIntersections,
        TableComponent::LeftBorderIntersections,
        TableComponent::RightBorderIntersections,
    ] {
        table.remove_style(between_rows);
    }
    match width {
        Some(width) => {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    table
}

fn lines(table: &Table) -> String {
    let mut out = String::new();
    for line in table.to_string().lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn percent(rate: Rate) -> String {
    let Some(per_mille) = rate.per_mille() else { return format!("{} of {}", rate.count, rate.of) };
    let (whole, tenth) = (per_mille.div_euclid(10), per_mille.rem_euclid(10));
    format!("{whole}.{tenth} % ({} of {})", rate.count, rate.of)
}
