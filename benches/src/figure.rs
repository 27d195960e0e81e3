//! One figure a line, as `cargo xtask bench` reads it.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use serde::Serialize;

/// A measured figure. The bound is on the ratio if there is one, else on the value.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Figure {
    /// Its name.
    pub name: Cow<'static, str>,
    /// What was measured.
    pub value: f64,
    /// In which unit.
    pub unit: &'static str,
    /// What it is divided by in the same run.
    pub against: Option<&'static str>,
    /// The ratio.
    pub ratio: Option<f64>,
    /// The least that is asked.
    pub at_least: Option<f64>,
    /// The most that is allowed.
    pub at_most: Option<f64>,
}

impl Figure {
    /// A figure without a bound.
    pub fn new(name: impl Into<Cow<'static, str>>, value: f64, unit: &'static str) -> Self {
        let name = name.into();
        Self { name, value, unit, against: None, ratio: None, at_least: None, at_most: None }
    }

    /// Divided by what was measured beside it.
    pub fn against(mut self, other: &'static str, value: f64) -> Self {
        self.against = Some(other);
        self.ratio = Some(self.value / value);
        self
    }

    /// With the least that is asked.
    pub fn at_least(mut self, bound: f64) -> Self {
        self.at_least = Some(bound);
        self
    }

    /// With the most that is allowed.
    pub fn at_most(mut self, bound: f64) -> Self {
        self.at_most = Some(bound);
        self
    }

    /// Prints it as one JSON object.
    pub fn print(&self) {
        if let Ok(json) = serde_json::to_string(self) {
            println!("{json}");
        }
    }
}

/// Which figures were asked for on the command line: all, if none is named.
#[derive(Debug, Clone)]
pub struct Wanted(Vec<String>);

impl Wanted {
    /// Reads the command line; what cargo itself adds is no name.
    pub fn from_args() -> Self {
        Self(std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect())
    }

    /// Whether figures are asked for by this name: who names none doesn't want them.
    pub fn names(&self, name: &str) -> bool {
        !self.0.is_empty() && self.has(name)
    }

    /// Whether a figure is asked for: by its name, or by a part of it before a dot.
    pub fn has(&self, name: &str) -> bool {
        let asked = |wanted: &String| {
            name == wanted || name.strip_prefix(wanted.as_str()).is_some_and(|r| r.starts_with('.'))
        };
        self.0.is_empty() || self.0.iter().any(asked)
    }
}

/// The shortest of several runs: what the machine can do when nothing else disturbs it.
pub fn best_of(runs: usize, mut run: impl FnMut()) -> Duration {
    let once = |()| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    std::iter::repeat_n((), runs.max(1)).map(once).min().unwrap_or_default()
}

/// The value below which so much of all lie, of values in order.
pub fn percentile(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * part).ceil() as usize).copied().unwrap_or(f64::NAN)
}
