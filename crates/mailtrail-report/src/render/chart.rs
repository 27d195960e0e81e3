//! Charts, drawn as SVG.

use plotters::prelude::*;

use super::safe;
use crate::sheet::Chart;

/// Horizontal bars, each with its text and its number. `None` if there is nothing to draw.
///
/// It draws on white, also in a dark page: so it prints, and its contrast holds.
pub(super) fn drawn(chart: &Chart) -> Option<String> {
    let longest = chart.bars.iter().map(|(_, length)| *length).max().filter(|most| *most > 0)?;
    let lines = i32::try_from(chart.bars.len()).ok()?;
    let height = TOP.checked_add(lines.checked_mul(LINE)?)?;
    let mut svg = String::new();
    {
        let size = (u32::try_from(WIDTH).ok()?, u32::try_from(height).ok()?);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let title = ("sans-serif", 16).into_font().color(&INK);
        let label = ("sans-serif", 13).into_font().color(&INK);
        area.draw(&Text::new(safe(&chart.title), (10, 10), title)).ok()?;
        for (line, (of, length)) in (0..lines).zip(&chart.bars) {
            let top = TOP.checked_add(line.checked_mul(LINE)?)?;
            let end = BARS.checked_add(share(*length, longest)?)?;
            area.draw(&Text::new(short(of), (10, top.checked_add(5)?), label.clone())).ok()?;
            let corners = [(BARS, top.checked_add(4)?), (end, top.checked_add(LINE - 4)?)];
            area.draw(&Rectangle::new(corners, BAR.filled())).ok()?;
            let beside = (end.checked_add(6)?, top.checked_add(5)?);
            area.draw(&Text::new(length.to_string(), beside, label.clone())).ok()?;
        }
        area.present().ok()?;
    }
    // What is drawn is told by the table; a reader is told what there is to see.
    let named = format!("<svg role=\"img\" aria-label=\"{}\"", escaped(&safe(&chart.title)));
    Some(svg.replacen("<svg", &named, 1))
}

/// How long a bar is, in pixels.
fn share(length: u64, longest: u64) -> Option<i32> {
    let room = u128::try_from(WIDTH.checked_sub(BARS)?.checked_sub(NUMBER)?).ok()?;
    let pixels = u128::from(length).checked_mul(room)?.checked_div(longest.into())?;
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
const LETTERS: usize = 28;
const INK: RGBColor = RGBColor(27, 31, 36);
const BAR: RGBColor = RGBColor(40, 96, 160);
