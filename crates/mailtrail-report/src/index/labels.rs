//! The labels of rows: few rows have labels of their own, most share them with many others.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::IndexFull;
use super::texts::{Code, Texts};

/// Sets of labels, each held once, by number.
#[derive(Debug, Clone, Default)]
pub(super) struct LabelSets {
    sets: Vec<Set>,
    numbers: HashMap<Set, u32>,
}

/// The names and values of a row's labels.
type Set = Arc<[(Code, Code)]>;

impl LabelSets {
    /// The number of these labels.
    pub(super) fn number(
        &mut self,
        labels: &BTreeMap<String, String>,
        texts: &mut Texts,
    ) -> Result<u32, IndexFull> {
        let codes = labels.iter().map(|(name, value)| Ok((texts.code(name)?, texts.code(value)?)));
        let set: Set = codes.collect::<Result<Vec<_>, IndexFull>>()?.into();
        if let Some(number) = self.numbers.get(&set) {
            return Ok(*number);
        }
        let number = u32::try_from(self.sets.len()).map_err(|_| IndexFull)?;
        self.sets.push(Arc::clone(&set));
        self.numbers.insert(set, number);
        Ok(number)
    }

    pub(super) fn get(&self, number: u32) -> &[(Code, Code)] {
        self.sets.get(number as usize).map_or(&[], |set| set)
    }

    /// Replaces all numbers of texts.
    pub(super) fn recode(&mut self, mut code: impl FnMut(Code) -> Code) {
        self.numbers.clear();
        for (number, set) in (0..).zip(&mut self.sets) {
            *set = set.iter().map(|(name, value)| (code(*name), code(*value))).collect();
            self.numbers.insert(Arc::clone(set), number);
        }
    }

    /// For each set, in the order of their numbers, what it is asked.
    pub(super) fn map<T>(&self, ask: impl Fn(&[(Code, Code)]) -> T) -> Vec<T> {
        self.sets.iter().map(|set| ask(set)).collect()
    }
}

/// The value of a label among these.
pub(super) fn value(set: &[(Code, Code)], name: Code) -> Option<Code> {
    set.iter().find(|(own, _)| *own == name).map(|(_, value)| *value)
}
