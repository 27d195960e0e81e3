//! One self-contained file for people: to be read in a browser, mailed and printed.

use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use super::chart::drawn;
use super::text::time;
use super::{Footer, safe, text};
use crate::sheet::{Cell, Kind, Sheet, Shown};

/// Sheets as one HTML page: no script, nothing from elsewhere. What people read stands in tables with captions and
/// headers, so that a screen reader tells the same; a chart shows what its table says.
///
/// ```
/// # use mailtrail_core::store::Head;
/// use mailtrail_report::{EmailLogRow, render};
/// # let footer = render::Footer::new(Head::default(), "now", "mailtrail 0.1.0");
/// let page = render::html("Snow day", &[EmailLogRow::sheet(&[])], &footer);
/// assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<caption>Email Log</caption>"));
/// ```
pub fn html(title: &str, sheets: &[Sheet], footer: &Footer) -> String {
    let page = markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="color-scheme" content="light dark";
                title { (safe(title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (safe(title)) }
                    @for sheet in sheets { (section(sheet)) }
                }
                footer { @for line in footer.lines().lines() { p { (line) } } }
            }
        }
    };
    page.into_string()
}

/// The charts of a sheet, each with its words for a screen reader; all they say stands in the [table](section), too.
///
/// ```
/// use mailtrail_report::{Summary, render};
/// let drawn = render::charts(&Summary::default().funnel()).into_string();
/// assert!(drawn.is_empty(), "there is nothing to draw");
/// ```
pub fn charts(sheet: &Sheet) -> Markup {
    markup! {
        @for chart in &sheet.charts {
            @if let Some(drawn) = drawn(chart) { figure { (PreEscaped(drawn)) } }
        }
    }
}

/// A sheet as a part of a page: its charts, its table, its notes.
///
/// ```
/// use mailtrail_report::{EmailLogRow, render};
/// let part = render::section(&EmailLogRow::sheet(&[])).into_string();
/// assert!(part.starts_with("<section") && part.contains("<th scope=\"col\">Delivery Results</th>"));
/// ```
pub fn section(sheet: &Sheet) -> Markup {
    markup! {
        section class="sheet" {
            (charts(sheet))
            // A wide table scrolls by itself, also by keyboard.
            div class="scrolled" tabindex="0" role="region" aria-label=(safe(&sheet.title)) {
                table {
                    caption { (safe(&sheet.title)) }
                    @if sheet.is_tall { (tall(sheet)) } @else { (wide(sheet)) }
                }
            }
            @for note in &sheet.notes { p class="note" { (safe(note)) } }
        }
    }
}

fn wide(sheet: &Sheet) -> Markup {
    markup! {
        thead { tr {
            @for (_, column) in sheet.shown(Shown::Full) {
                th scope="col" class=[class(column.kind)] { (safe(&column.title)) }
            }
        } }
        tbody {
            @for row in &sheet.rows { tr {
                @for (index, column) in sheet.shown(Shown::Full) { (cell(row.get(index), column.kind)) }
            } }
        }
    }
}

/// A line for each column. A text in the first heads its row.
fn tall(sheet: &Sheet) -> Markup {
    let mut columns = sheet.shown(Shown::Full).peekable();
    let heads = columns.next_if(|(_, column)| column.kind == Kind::Text);
    markup! {
        @if let Some((index, column)) = heads {
            thead { tr {
                th scope="col" { (safe(&column.title)) }
                @for row in &sheet.rows { th scope="col" class="number" { (shown(row.get(index), column.kind)) } }
            } }
        }
        tbody {
            @for (index, column) in columns { tr {
                th scope="row" { (safe(&column.title)) }
                @for row in &sheet.rows { td class="number" { (shown(row.get(index), column.kind)) } }
            } }
        }
    }
}

fn cell(cell: Option<&Cell>, kind: Kind) -> Markup {
    let status = match cell {
        Some(Cell::Status(status)) => Some(status.code()),
        _ => None,
    };
    let is_long = matches!(cell, Some(Cell::Text(text)) if text.len() > WORD);
    markup! {
        td class=[is_long.then_some("words").or_else(|| class(kind))] data-status=[status] {
            @if let Some(Cell::Time(at)) = cell {
                time datetime=(time(*at)) { (at.format("%Y-%m-%d %H:%M:%S")) }
            } @else { (shown(cell, kind)) }
        }
    }
}

fn shown(cell: Option<&Cell>, kind: Kind) -> String {
    cell.map_or_else(String::new, |cell| safe(&text(cell, kind)))
}

fn class(kind: Kind) -> Option<&'static str> {
    let number = matches!(kind, Kind::Count | Kind::Rate | Kind::Estimate | Kind::Seconds);
    number.then_some("number").or_else(|| (kind == Kind::Time).then_some("time"))
}

/// What is longer needs room for several words in a line.
const WORD: usize = 24;
/// How a page of sheets looks: light and dark, narrow and printed.
pub const STYLE: &str = include_str!("page.css");
