//! A power cut: when it was, and what became of each operation that was not synced.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::fate::Fate;
use super::model::{Image, Model, sectors};
use crate::crash::Places;
use crate::crash::child::Said;
use crate::crash::trace::{Operation, What};

/// A power cut. What has no fate was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) moment: usize,
    pub(super) fates: BTreeMap<usize, Fate>,
}

impl Cut {
    /// At every moment before a sync: one that leaves all that was synced and nothing else, one that leaves all, and one that
    /// tears the last write.
    pub(super) fn at_syncs(model: &Model, places: &mut Places) -> Vec<Self> {
        let mut cuts = Vec::new();
        for moment in model.moments() {
            let pending = model.pending(moment);
            let kept: BTreeMap<_, _> = pending.iter().map(|at| (*at, Fate::Kept)).collect();
            let last = pending.iter().rev().find_map(|at| Some((*at, torn(model, *at, places)?)));
            let torn =
                last.map(|last| kept.iter().map(|(at, fate)| (*at, *fate)).chain([last]).collect());
            cuts.extend(
                [BTreeMap::new(), kept].into_iter().chain(torn).map(|fates| Self { moment, fates }),
            );
        }
        cuts
    }

    /// Between any two syncs, with any of the rest.
    pub(super) fn chosen(model: &Model, places: &mut Places) -> Self {
        let moments = model.moments();
        let turn = places.below(moments.len());
        let from = turn.checked_sub(1).map_or(0, |before| moments[before]);
        let moment = from + 1 + places.below(moments[turn] - from);
        // Of few cuts almost everything is there, of few almost nothing.
        let odds = [1, 4, 8, 12, 15][places.below(5)];
        let pending = model.pending(moment).into_iter();
        let fates = pending.map(|at| (at, fate(model, at, odds, places)));
        let fates = fates.filter(|(_, fate)| *fate != Fate::Dropped).collect();
        Self { moment, fates }
    }

    pub(super) fn image(&self, model: &Model) -> Image {
        model.image(self.moment, &self.fates)
    }

    /// What somebody was told before it.
    pub(super) fn words(&self, model: &Model) -> Vec<Said> {
        let begun = model.recording().operations.iter().filter(|of| of.began < self.moment);
        let words = begun.filter_map(|of| match of.what {
            What::Say(said) => Some(said),
            _ => None,
        });
        words.collect()
    }

    /// The script of a cut that is as bad, and of which less must be said: with as little kept as can be; or, where nothing
    /// need be kept, with as little dropped.
    pub(super) fn script(self, model: &Model, mut is_bad: impl FnMut(&Self) -> bool) -> String {
        let mut least = self;
        for fated in pieces(&least.fates.keys().copied().collect::<Vec<_>>()) {
            let mut less = least.clone();
            less.fates.retain(|at, _| !fated.contains(at));
            if less != least && is_bad(&less) {
                least = less;
            }
        }
        if !least.fates.is_empty() {
            return least.told(model, Fate::Dropped);
        }
        for dropped in pieces(&model.pending(least.moment)) {
            let mut more = least.clone();
            more.fates.extend(dropped.into_iter().map(|at| (at, Fate::Kept)));
            if more != least && is_bad(&more) {
                least = more;
            }
        }
        least.told(model, Fate::Kept)
    }

    /// What became of what was not synced, for people, where it is not this; and what was said last.
    fn told(&self, model: &Model, plain: Fate) -> String {
        let operations = &model.recording().operations;
        let mut script = format!("a power cut before line {} of the trace\n", self.moment + 1);
        for at in model.pending(self.moment) {
            let fate = self.fates.get(&at).copied().unwrap_or(Fate::Dropped);
            if fate != plain {
                let (line, what) = (operations[at].ended + 1, shown(&operations[at]));
                writeln!(script, "  line {line}, not synced: {what}: {fate}").ok();
            }
        }
        let words = self.words(model);
        let said: Vec<_> = words.iter().rev().take(3).map(Said::to_string).collect();
        writeln!(script, "  all else that was not synced: {plain}").ok();
        writeln!(script, "  said before, the last first: {}", said.join(", ")).ok();
        script
    }
}

/// A fate of a write of more than one sector.
fn torn(model: &Model, at: usize, places: &mut Places) -> Option<Fate> {
    let What::Write { at, bytes, .. } = &model.recording().operations[at].what else { return None };
    let count = sectors(*at, bytes.len()).count();
    (count > 1).then(|| match places.below(2) {
        0 => Fate::First(1 + places.below(count - 1)),
        _ => Fate::Some(places.next()),
    })
}

/// Any fate, kept at these odds in sixteen.
fn fate(model: &Model, at: usize, odds: usize, places: &mut Places) -> Fate {
    let kept = places.below(16) < odds;
    let is_write = matches!(model.recording().operations[at].what, What::Write { .. });
    let torn = if places.below(3) == 0 { torn(model, at, places) } else { None };
    match torn {
        Some(torn) => torn,
        None if kept => Fate::Kept,
        None if is_write && places.below(6) == 0 => Fate::Grown,
        None => Fate::Dropped,
    }
}

/// All of them, then halves, then quarters, and so on down to each.
fn pieces(of: &[usize]) -> Vec<Vec<usize>> {
    let (mut pieces, mut size) = (Vec::new(), of.len());
    while size > 0 {
        pieces.extend(of.chunks(size).map(<[_]>::to_vec));
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    pieces
}

/// An operation, for people.
fn shown(Operation { path, what, .. }: &Operation) -> String {
    match what {
        What::Write { at, bytes, .. } => format!("{} bytes written to {path} at {at}", bytes.len()),
        What::Resize { size, .. } => format!("{path} made {size} bytes long"),
        What::Link { .. } => format!("{path} made"),
        What::Unlink { .. } => format!("{path} removed"),
        What::Rename { to: (_, name), .. } => format!("{path} renamed to {name}"),
        What::Sync { .. } => format!("{path} synced"),
        What::SyncAll => "everything synced".to_owned(),
        What::Say(said) => said.to_string(),
    }
}
