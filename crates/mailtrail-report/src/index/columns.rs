//! The cells of all rows, column by column.

use mailtrail_core::{DeliveryId, Status};

use super::texts::{Code, Texts};
use super::{IndexFull, IndexedRow};
use crate::course::place;
use crate::row::EmailLogRow;
use crate::sheet::{Cell, Kind};

/// The number of a row, in the order in which rows came.
pub(super) type RowNumber = u32;

/// The cells of all rows.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    pub(super) deliveries: Vec<DeliveryId>,
    /// By which rows of one contact are in order.
    pub(super) addresses: Vec<Code>,
    /// The number of each row's set of labels.
    pub(super) labels: Vec<u32>,
    /// As the Email Log has them.
    cells: Vec<Cells>,
}

/// The cells of one column.
#[derive(Debug, Clone)]
pub(super) enum Cells {
    /// They are the deliveries.
    Deliveries,
    Texts(Vec<Code>),
    /// Microseconds since 1970, or [`NO_TIME`].
    Times(Vec<i64>),
    Counts(Vec<u32>),
    /// Numbers of statuses.
    Statuses(Vec<u8>),
    Flags(Vec<bool>),
}

impl Columns {
    /// Sets the cells of a row, which may be one behind the last. Says how many texts it no longer has.
    pub(super) fn set(
        &mut self,
        row: RowNumber,
        to: &IndexedRow,
        labels: u32,
        texts: &mut Texts,
    ) -> Result<usize, IndexFull> {
        put(&mut self.deliveries, row, to.row.delivery);
        put(&mut self.addresses, row, texts.code(&to.address)?);
        put(&mut self.labels, row, labels);
        let mut gone = 0_usize;
        for (cells, cell) in self.cells.iter_mut().zip(&to.row.cells()) {
            gone = gone.saturating_add(usize::from(cells.set(row, cell, texts)?));
        }
        Ok(gone)
    }

    /// Replaces all numbers of texts.
    pub(super) fn recode(&mut self, mut code: impl FnMut(Code) -> Code) {
        let cells = self.cells.iter_mut().filter_map(|cells| match cells {
            Cells::Texts(codes) => Some(codes),
            _ => None,
        });
        for held in cells.chain([&mut self.addresses]).flatten() {
            *held = code(*held);
        }
    }

    pub(super) fn cells(&self, column: usize) -> &Cells {
        self.cells.get(column).unwrap_or(&Cells::Deliveries)
    }

    /// Which of a row's texts say something that only some do.
    pub(super) fn says(&self, row: RowNumber, saying: &[bool]) -> bool {
        self.cells.iter().any(|cells| match cells {
            Cells::Texts(codes) => at(saying, at(codes, row)),
            _ => false,
        })
    }

    pub(super) fn delivery(&self, row: RowNumber) -> DeliveryId {
        let none = DeliveryId::from_bytes([0; 16]);
        self.deliveries.get(row as usize).copied().unwrap_or(none)
    }
}

impl Default for Columns {
    fn default() -> Self {
        let columns = crate::row::columns().into_iter().enumerate();
        let cells = columns.map(|(number, column)| match column.kind {
            _ if number == EmailLogRow::DELIVERY => Cells::Deliveries,
            Kind::Time => Cells::Times(Vec::new()),
            Kind::Count => Cells::Counts(Vec::new()),
            Kind::Status => Cells::Statuses(Vec::new()),
            Kind::Flag => Cells::Flags(Vec::new()),
            _ => Cells::Texts(Vec::new()),
        });
        let (deliveries, addresses, labels) = (Vec::new(), Vec::new(), Vec::new());
        Self { deliveries, addresses, labels, cells: cells.collect() }
    }
}

impl Cells {
    /// Sets a cell. Says whether it had another text before.
    fn set(&mut self, row: RowNumber, cell: &Cell, texts: &mut Texts) -> Result<bool, IndexFull> {
        match (self, cell) {
            (Self::Texts(codes), Cell::Text(text)) => {
                let code = texts.code(text)?;
                return Ok(put(codes, row, code).is_some_and(|before| before != code));
            }
            (Self::Texts(codes), _) => {
                put(codes, row, Texts::EMPTY);
            }
            (Self::Times(times), Cell::Time(time)) => {
                put(times, row, time.timestamp_micros());
            }
            (Self::Times(times), _) => {
                put(times, row, NO_TIME);
            }
            (Self::Counts(counts), cell) => {
                let count = if let Cell::Count(count) = cell { *count } else { 0 };
                put(counts, row, u32::try_from(count).unwrap_or(u32::MAX));
            }
            (Self::Statuses(statuses), cell) => {
                let status = if let Cell::Status(status) = cell { *status } else { Status::Unsent };
                put(statuses, row, place(status));
            }
            (Self::Flags(flags), cell) => {
                put(flags, row, matches!(cell, Cell::Flag(true)));
            }
            (Self::Deliveries, _) => {}
        }
        Ok(false)
    }
}

/// What a list has at this number; what is not there is the least.
pub(super) fn at<T: Copy + Default>(list: &[T], number: u32) -> T {
    list.get(number as usize).copied().unwrap_or_default()
}

/// Sets what stands at a number, which may be one behind the last. Says what stood there.
fn put<T: Copy>(list: &mut Vec<T>, number: u32, value: T) -> Option<T> {
    if let Some(held) = list.get_mut(number as usize) {
        return Some(std::mem::replace(held, value));
    }
    list.push(value);
    None
}

pub(super) const NO_TIME: i64 = i64::MIN;
