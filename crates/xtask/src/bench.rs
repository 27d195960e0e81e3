//! `cargo xtask bench`: runs the benches and holds their figures against the bounds they name.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::metadata::Metadata;
use crate::project::Project;
use crate::servers::Servers;
use crate::{output, process};

const PACKAGE: &str = "mailtrail-benches";
/// The bench beside the stores of others; as a name, all its figures.
const PEERS: &str = "peers";
/// Its figures that are not called after it.
const RIVALS: [&str; 4] = ["replay.evento", "replay.postgres_es", "replay.sqlite", "replay.duckdb"];

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Figures by name, or by the beginning of their names up to a dot; none: all but those beside
    /// the stores of others, which `peers` names, and those of fifty million events, `growth`
    names: Vec<String>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// One measured figure, as a bench prints it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Figure {
    name: String,
    value: f64,
    unit: Option<String>,
    /// What the value is divided by, measured in the same run.
    against: Option<String>,
    ratio: Option<f64>,
    at_least: Option<f64>,
    at_most: Option<f64>,
}

impl Figure {
    /// Whether the bounds hold: of the ratio if there is something to compare with, else of the value.
    fn holds(&self) -> bool {
        let measured = if self.against.is_some() { self.ratio } else { Some(self.value) };
        let holds = |bound: Option<f64>, within: fn(f64, f64) -> bool| {
            bound.is_none_or(|bound| measured.is_some_and(|measured| within(measured, bound)))
        };
        holds(self.at_least, |measured, bound| measured >= bound)
            && holds(self.at_most, |measured, bound| measured <= bound)
    }

    fn asked(&self) -> String {
        let bound =
            |sign: &str, bound: Option<f64>| bound.map(|bound| format!("{sign} {}", number(bound)));
        [bound("≥", self.at_least), bound("≤", self.at_most)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn cells(&self) -> [String; 7] {
        [
            self.name.clone(),
            number(self.value),
            self.unit.clone().unwrap_or_default(),
            self.against.clone().unwrap_or_default(),
            self.ratio.map(number).unwrap_or_default(),
            self.asked(),
            if self.holds() { String::new() } else { "MISSED".to_owned() },
        ]
    }
}

/// Runs all benches. False if a bound is missed.
pub(crate) fn run(project: &Project, options: &Options) -> Result<bool> {
    let servers = Servers::locate(project);
    let (rivals, own): (Vec<String>, Vec<String>) =
        options.names.iter().cloned().partition(|name| is_of_rivals(name));
    let mut figures = Vec::new();
    if rivals.is_empty() || !own.is_empty() {
        figures = chosen(own_figures(project, &servers, &own)?, &own)?;
    }
    if !rivals.is_empty() {
        // All of them, but for those whose rival is absent.
        let names = if rivals.iter().any(|name| name == PEERS) { Vec::new() } else { rivals };
        figures.extend(chosen(rival_figures(project, &servers, &names)?, &names)?);
    }
    print(&figures, options.json)?;
    let missed: Vec<&str> = figures
        .iter()
        .filter(|figure| !figure.holds())
        .map(|figure| figure.name.as_str())
        .collect();
    if !missed.is_empty() {
        output::complain(&format!("bounds missed: {}", missed.join(", ")));
    }
    Ok(missed.is_empty())
}

fn print(figures: &[Figure], json: bool) -> Result<()> {
    if json {
        for figure in figures {
            output::line(&serde_json::to_string(figure)?);
        }
    } else {
        for line in table(figures) {
            output::line(&line);
        }
    }
    Ok(())
}

fn own_figures(project: &Project, servers: &Servers, names: &[String]) -> Result<Vec<Figure>> {
    let metadata = Metadata::read(project)?;
    let package =
        metadata.package(PACKAGE).with_context(|| format!("there is no package {PACKAGE}"))?;
    let benches: Vec<&str> = package.targets("bench").collect();
    ensure!(!benches.is_empty(), "{PACKAGE} has no benches");
    let mut build = process::cargo(project, ["bench", "--package", PACKAGE, "--no-run"]);
    build.arg("--all-features");
    process::stream_each(build, output::complain)?.success()?;
    let mut figures = Vec::new();
    for bench in benches {
        let mut command = process::cargo(project, ["bench", "--quiet", "--package", PACKAGE]);
        command.args(["--all-features", "--bench", bench]);
        figures.extend(
            measure(command, servers, names).with_context(|| format!("the bench {bench}"))?,
        );
    }
    Ok(figures)
}

/// The rivals have a workspace of their own, and a target folder below ours.
fn rival_figures(project: &Project, servers: &Servers, names: &[String]) -> Result<Vec<Figure>> {
    let cargo = |quiet: &str| {
        let mut command = process::cargo(project, ["bench", quiet, "--bench", PEERS]);
        command.arg("--manifest-path").arg(project.root().join("benches/peers/Cargo.toml"));
        command.arg("--target-dir").arg(project.target(PEERS));
        command
    };
    process::stream_each(cargo("--no-run"), output::complain)?.success()?;
    measure(cargo("--quiet"), servers, names).context("the bench of the peers")
}

/// Runs a bench, and gives the figures that it prints.
fn measure(mut command: Command, servers: &Servers, names: &[String]) -> Result<Vec<Figure>> {
    command.args(["--", "--json"]).args(names);
    servers.tell(&mut command);
    let (mut figures, mut unread) = (Vec::new(), None);
    process::stream_each(command, |line| match figure(line) {
        Ok(Some(figure)) => figures.push(figure),
        Ok(None) => output::complain(line),
        Err(error) => unread = Some(error),
    })?
    .success()?;
    match unread {
        Some(error) => Err(error.context("cannot read what it prints")),
        None => Ok(figures),
    }
}

/// Whether a figure is measured beside the stores of others: only who asks for one builds them.
fn is_of_rivals(name: &str) -> bool {
    is_named(name, PEERS) || RIVALS.iter().any(|rival| is_named(name, rival))
}

/// A line of a bench's output: a figure if it is a JSON object, else something to pass on.
fn figure(line: &str) -> Result<Option<Figure>> {
    if !line.starts_with('{') {
        return Ok(None);
    }
    serde_json::from_str(line).map(Some).with_context(|| line.to_owned())
}

/// The figures that were asked for. A name without a figure is an error.
fn chosen(figures: Vec<Figure>, names: &[String]) -> Result<Vec<Figure>> {
    for name in names {
        ensure!(
            figures.iter().any(|figure| is_named(&figure.name, name)),
            "there is no figure {name}"
        );
    }
    ensure!(!figures.is_empty(), "the benches printed no figure");
    Ok(figures
        .into_iter()
        .filter(|figure| names.is_empty() || names.iter().any(|name| is_named(&figure.name, name)))
        .collect())
}

fn is_named(figure: &str, name: &str) -> bool {
    figure.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn table(figures: &[Figure]) -> Vec<String> {
    let head = ["figure", "value", "unit", "against", "ratio", "asked", ""].map(str::to_owned);
    let rows: Vec<[String; 7]> =
        std::iter::once(head).chain(figures.iter().map(Figure::cells)).collect();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..7).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, &width))| match column {
                    1 | 4 => format!("{cell:>width$}"),
                    _ => format!("{cell:<width$}"),
                })
                .collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect()
}

/// A number for people: whole with groups of three from 1,000 on, else three significant digits.
fn number(value: f64) -> String {
    if value.abs() < 1_000.0 {
        let decimals = match value.abs() {
            size if size >= 100.0 || size == 0.0 => 0,
            size if size >= 10.0 => 1,
            size if size >= 1.0 => 2,
            _ => 3,
        };
        return format!("{value:.decimals$}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if value < 0.0 { format!("-{grouped}") } else { grouped }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sled() -> Figure {
        figure(
            r#"{"name":"sled.group64","value":38000.0,"unit":"events/s","against":"one writer","ratio":9.5,"at_least":8,"at_most":null}"#,
        )
        .unwrap()
        .unwrap()
    }

    #[test]
    fn a_bound_is_on_the_ratio_where_there_is_one() {
        let mut figure = sled();
        assert!(figure.holds());
        figure.ratio = Some(7.9);
        assert!(!figure.holds(), "the value is above the bound, the ratio is not");
        figure.ratio = None;
        assert!(!figure.holds(), "a bound without a measure is not met");
        figure.against = None;
        assert!(figure.holds());
        figure.at_most = Some(10.0);
        assert!(!figure.holds());
        figure.value = f64::NAN;
        assert!(!figure.holds());
    }

    #[test]
    fn json_keeps_all_fields_in_order() {
        assert_eq!(
            serde_json::to_string(&sled()).unwrap(),
            r#"{"name":"sled.group64","value":38000.0,"unit":"events/s","against":"one writer","ratio":9.5,"at_least":8.0,"at_most":null}"#
        );
        assert_eq!(figure("measuring …").unwrap(), None);
        assert!(figure(r#"{"name":3}"#).is_err());
    }

    #[test]
    fn names_choose_up_to_a_dot() {
        let figures = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            chosen(vec![sled(), Figure { name: "sledge".to_owned(), ..sled() }], &names)
        };
        assert_eq!(figures(&[]).unwrap().len(), 2);
        assert_eq!(figures(&["sled"]).unwrap(), [sled()]);
        assert_eq!(figures(&["sled.group64"]).unwrap(), [sled()]);
        assert!(figures(&["sled", "fold"]).is_err());
    }

    #[test]
    fn rivals_are_built_only_for_who_names_them() {
        let asked = ["peers", "peers.append1", "replay.duckdb", "replay.duckdb.two"];
        assert!(asked.iter().all(|name| is_of_rivals(name)));
        let own = ["replay", "replay.fjall", "peer", "append.batch100", "report.duckdb"];
        assert!(!own.iter().any(|name| is_of_rivals(name)));
    }

    #[test]
    fn the_table_is_aligned_and_names_what_missed() {
        let missed = Figure { name: "fold".to_owned(), value: 1.5, against: None, ..sled() };
        assert_eq!(
            table(&[sled(), missed]),
            [
                "figure         value  unit      against     ratio  asked",
                "sled.group64  38,000  events/s  one writer   9.50  ≥ 8.00",
                "fold            1.50  events/s               9.50  ≥ 8.00  MISSED",
            ]
        );
    }

    #[test]
    fn numbers_are_grouped() {
        let shown: Vec<String> =
            [0.0, 0.25, 12.34, 999.0, 1_000.0, -5_123_456.0].map(number).into();
        assert_eq!(shown, ["0", "0.250", "12.3", "999", "1,000", "-5,123,456"]);
    }
}
