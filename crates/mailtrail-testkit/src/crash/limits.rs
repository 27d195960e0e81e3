//! What an engine does beyond what the contract allows.

/// What a store's engine does beyond what the contract allows: stated, not hidden.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Limits {
    /// Why its process may end at damaged files (a panic that can't be caught, an abort, a signal).
    pub ends: Option<&'static str>,
    /// Why it may take longer than [`PATIENCE`](super::PATIENCE) over damaged files.
    pub hangs: Option<&'static str>,
    /// Why it may give other data from files that nobody has opened again since they were written.
    pub unsettled: Option<&'static str>,
    /// The file that it maps into memory, shared and writable, and why it needs nothing that is in it.
    pub mapped: Option<(&'static str, &'static str)>,
    /// Why it may say that it is damaged after a power cut.
    pub power_cuts: Option<&'static str>,
}

impl Limits {
    /// It always answers.
    pub const fn none() -> Self {
        Self { ends: None, hangs: None, unsettled: None, mapped: None, power_cuts: None }
    }

    /// Its process may end, for this reason.
    pub const fn may_end(mut self, why: &'static str) -> Self {
        self.ends = Some(why);
        self
    }

    /// It may hang, for this reason.
    pub const fn may_hang(mut self, why: &'static str) -> Self {
        self.hangs = Some(why);
        self
    }

    /// From files that nobody has opened again since they were written it may give other data, for this reason.
    pub const fn may_lose_unsettled(mut self, why: &'static str) -> Self {
        self.unsettled = Some(why);
        self
    }

    /// It maps files of this name into memory, shared and writable, so that nobody sees what it writes to them; it needs
    /// nothing that is in them, for this reason. After a power cut there is anything in them.
    pub const fn may_map(mut self, name: &'static str, why: &'static str) -> Self {
        self.mapped = Some((name, why));
        self
    }

    /// After a power cut it may say that it is damaged, for this reason. Any other answer is the right one all the same.
    pub const fn may_be_damaged_by_a_power_cut(mut self, why: &'static str) -> Self {
        self.power_cuts = Some(why);
        self
    }

    /// The names of the files that may be mapped.
    pub(super) fn mapped_names(&self) -> Vec<&'static str> {
        self.mapped.iter().map(|(name, _)| *name).collect()
    }
}
