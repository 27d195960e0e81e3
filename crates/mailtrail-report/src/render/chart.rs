//! Charts, drawn as SVG.

use chrono::{DateTime, Utc};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::safe;
use crate::sheet::{Chart, Drawn};

/// A chart. `None` if there is nothing to draw.
///
/// It is drawn in dark on light; a page may draw it the other way round, by its style.
pub(super) fn drawn(chart: &Chart) -> Option<String> {
    let (lines, seen) = match &chart.drawn {
        Drawn::Bars(bars) => (bars.len(), String::new()),
        Drawn::Lines { lines, .. } => (lines.len().checked_add(1)?, last(lines)),
    };
    let lines = i32::try_from(lines).ok()?;
    let height = TOP.checked_add(lines.checked_mul(LINE)?)?;
    let mut svg = String::new();
    {
        let size = (u32::try_from(WIDTH).ok()?, u32::try_from(height).ok()?);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let title = ("sans-serif", 16).into_font().color(&INK);
        area.draw(&Text::new(safe(&chart.title), (10, 10), title)).ok()?;
        match &chart.drawn {
            Drawn::Bars(bars) => draw_bars(&area, bars)?,
            Drawn::Lines { moments, lines } => draw_lines(&area, moments, lines)?,
        }
        area.present().ok()?;
    }
    // What is drawn is told by the table; a reader is told what there is to see.
    let told = escaped(&safe(&format!("{}{seen}", chart.title)));
    Some(svg.replacen("<svg", &format!("<svg role=\"img\" aria-label=\"{told}\""), 1))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Horizontal bars, each with its text and its number.
fn draw_bars(area: &Area<'_>, bars: &[(Box<str>, u64)]) -> Option<()> {
    let longest = bars.iter().map(|(_, length)| *length).max().filter(|most| *most > 0)?;
    for (line, (of, length)) in (0..).zip(bars) {
        let top = top(line)?;
        let end = BARS.checked_add(share(*length, longest, room()?)?)?;
        write(area, &short(of), (10, top.checked_add(5)?))?;
        let corners = [(BARS, top.checked_add(4)?), (end, top.checked_add(LINE - 4)?)];
        area.draw(&Rectangle::new(corners, BAR.filled())).ok()?;
        write(area, &length.to_string(), (end.checked_add(6)?, top.checked_add(5)?))?;
    }
    Some(())
}

/// Lines as hills, each with its text before it and its last number behind it, all as high as the same number makes them;
/// below them the first and the last moment.
fn draw_lines(
    area: &Area<'_>,
    moments: &[DateTime<Utc>],
    lines: &[(Box<str>, Vec<u64>)],
) -> Option<()> {
    let (first, last) = (moments.first()?, moments.last()?);
    let highest = lines.iter().flat_map(|(_, values)| values).max().filter(|most| **most > 0)?;
    let elapsed = |at: &DateTime<Utc>| u64::try_from((*at - *first).num_seconds()).ok();
    // The last value is seen for a while, too.
    let whole = elapsed(last)?.checked_add((elapsed(last)? / 20).max(1))?;
    let right = BARS.checked_add(room()?)?;
    for (line, (of, values)) in (0..).zip(lines) {
        let floor = top(line)?.checked_add(LINE - 2)?;
        let mut hill = vec![(BARS, floor)];
        let mut height = floor;
        for (moment, value) in moments.iter().zip(values) {
            let at = BARS.checked_add(share(elapsed(moment)?, whole, room()?)?)?;
            hill.push((at, height));
            let high = share(*value, *highest, LINE - 6)?.max(i32::from(*value > 0));
            height = floor.checked_sub(high)?;
            hill.push((at, height));
        }
        hill.extend([(right, height), (right, floor)]);
        area.draw(&Polygon::new(hill, BAR.filled())).ok()?;
        area.draw(&PathElement::new([(BARS, floor), (right, floor)], INK)).ok()?;
        let beside = top(line)?.checked_add(5)?;
        write(area, &short(of), (10, beside))?;
        let number = values.last()?.to_string();
        write(area, &number, (right.checked_add(6)?, beside))?;
    }
    let below = top(i32::try_from(lines.len()).ok()?)?.checked_add(5)?;
    let time = |at: &DateTime<Utc>| at.format("%Y-%m-%d %H:%M").to_string();
    write(area, &time(first), (BARS, below))?;
    if last == first {
        return Some(());
    }
    write(area, &time(last), (right.checked_sub(TIME)?, below))
}

fn write(area: &Area<'_>, text: &str, at: (i32, i32)) -> Option<()> {
    let label = ("sans-serif", 13).into_font().color(&INK);
    area.draw(&Text::new(text.to_owned(), at, label)).ok()
}

/// What each line says at last.
fn last(lines: &[(Box<str>, Vec<u64>)]) -> String {
    let last = |(of, values): &(Box<str>, Vec<u64>)| Some(format!("{of} {}", values.last()?));
    let said: Vec<_> = lines.iter().filter_map(last).collect();
    if said.is_empty() { String::new() } else { format!(". At last: {}", said.join(", ")) }
}

/// Where a line begins.
fn top(line: i32) -> Option<i32> {
    TOP.checked_add(line.checked_mul(LINE)?)
}

/// How wide the longest bar is.
fn room() -> Option<i32> {
    WIDTH.checked_sub(BARS)?.checked_sub(NUMBER)
}

/// How much of a room a part of a whole takes, in pixels.
fn share(part: u64, whole: u64, room: i32) -> Option<i32> {
    let room = u128::try_from(room).ok()?;
    let pixels = u128::from(part).checked_mul(room)?.checked_div(whole.into())?;
    i32::try_from(pixels).ok()
}

fn short(text: &str) -> String {
    let text = safe(text);
    match text.char_indices().nth(LETTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

const WIDTH: i32 = 720;
const TOP: i32 = 40;
const LINE: i32 = 26;
/// Where bars begin.
const BARS: i32 = 210;
/// Room for the number behind a bar.
const NUMBER: i32 = 90;
/// Room for a moment.
const TIME: i32 = 110;
const LETTERS: usize = 28;
const INK: RGBColor = RGBColor(27, 31, 36);
const BAR: RGBColor = RGBColor(40, 96, 160);
