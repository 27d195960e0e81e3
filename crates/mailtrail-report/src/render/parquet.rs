//! Parquet, for DuckDB, pandas and polars.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError as Cause;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::Footer;
use crate::sheet::{Cell, Column, Kind, Sheet};

/// A sheet as a Parquet file, compressed with Snappy; the footer is its key-value metadata.
///
/// A text is a `STRING`, a number of things or seconds an `INT64`, yes or no a `BOOLEAN`, a moment a `TIMESTAMP` in
/// milliseconds of UTC. Of a rate there are two columns, `…_count` and `…_of`; of a status its label and, as `status`, its
/// code. A label of a contact is the column `labels.NAME`. What is unknown is null.
///
/// ```
/// # use mailtrail_core::store::Head;
/// use mailtrail_report::{EmailLogRow, render};
/// # let footer = render::Footer::new(Head::default(), "now", "mailtrail 0.1.0");
/// let file = render::parquet(&EmailLogRow::sheet(&[]), &footer)?;
/// assert!(file.starts_with(b"PAR1") && file.ends_with(b"PAR1"));
/// # Ok::<(), render::ParquetError>(())
/// ```
///
/// # Errors
/// [`ParquetError`]: the writer's own.
pub fn parquet(sheet: &Sheet, footer: &Footer) -> Result<Vec<u8>, ParquetError> {
    write(sheet, footer).map_err(ParquetError::Write)
}

/// Why no Parquet was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParquetError {
    /// The writer failed.
    #[error("the Parquet file can't be written")]
    Write(#[source] Cause),
}

fn write(sheet: &Sheet, footer: &Footer) -> Result<Vec<u8>, Cause> {
    let fields: Vec<Field<'_>> = sheet.columns.iter().enumerate().flat_map(Field::of).collect();
    let types = fields.iter().map(Field::schema).collect::<Result<_, _>>()?;
    let schema = Type::group_type_builder(&sheet.name).with_fields(types).build()?;
    let metadata = footer.pairs().map(|(name, value)| KeyValue::new(name.to_owned(), value));
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(footer.program.clone())
        .set_key_value_metadata(Some(metadata.collect()));
    let mut out = Vec::new();
    let mut file =
        SerializedFileWriter::new(&mut out, Arc::new(schema), Arc::new(properties.build()))?;
    for rows in sheet.rows.chunks(ROWS) {
        let mut group = file.next_row_group()?;
        let mut fields = fields.iter();
        while let (Some(mut column), Some(field)) = (group.next_column()?, fields.next()) {
            let cells = rows.iter().map(|row| row.get(field.index).unwrap_or(&Cell::Empty));
            field.write(cells, column.untyped())?;
            column.close()?;
        }
        group.close()?;
    }
    file.close()?;
    Ok(out)
}

/// A column of the file.
struct Field<'s> {
    index: usize,
    column: &'s Column,
    part: Part,
}

/// What of a cell it holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    /// The code of a status.
    Code,
    /// Of a rate, how many.
    Count,
    /// Of how many.
    Of,
}

impl<'s> Field<'s> {
    fn of((index, column): (usize, &'s Column)) -> impl Iterator<Item = Self> {
        let parts: &[Part] = match column.kind {
            Kind::Status => &[Part::Whole, Part::Code],
            Kind::Rate | Kind::Estimate => &[Part::Count, Part::Of],
            _ => &[Part::Whole],
        };
        parts.iter().map(move |part| Self { index, column, part: *part })
    }

    fn schema(&self) -> Result<Arc<Type>, Cause> {
        let name = match (self.part, self.column.group) {
            (Part::Code, _) => "status".into(),
            (Part::Count, _) => format!("{}_count", self.column.name),
            (Part::Of, _) => format!("{}_of", self.column.name),
            (Part::Whole, Some(group)) => format!("{group}.{}", self.column.name),
            (Part::Whole, None) => self.column.name.to_string(),
        };
        let millis = LogicalType::Timestamp { is_adjusted_to_u_t_c: true, unit: TimeUnit::MILLIS };
        let (physical, logical) = match self.column.kind {
            Kind::Text | Kind::Status => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Count | Kind::Seconds | Kind::Rate | Kind::Estimate => (Physical::INT64, None),
            Kind::Flag => (Physical::BOOLEAN, None),
            Kind::Time => (Physical::INT64, Some(millis)),
        };
        let field = Type::primitive_type_builder(&name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical);
        Ok(Arc::new(field.build()?))
    }

    fn write<'c>(
        &self,
        cells: impl Iterator<Item = &'c Cell>,
        writer: &mut ColumnWriter<'_>,
    ) -> Result<(), Cause> {
        match writer {
            ColumnWriter::ByteArrayColumnWriter(writer) => {
                let (values, levels) = known(cells.map(|cell| self.text(cell)));
                writer.write_batch(&values, Some(&levels), None)?;
            }
            ColumnWriter::Int64ColumnWriter(writer) => {
                let (values, levels) = known(cells.map(|cell| self.number(cell)));
                writer.write_batch(&values, Some(&levels), None)?;
            }
            ColumnWriter::BoolColumnWriter(writer) => {
                let flag = |cell: &Cell| match cell {
                    Cell::Flag(flag) => Some(*flag),
                    _ => None,
                };
                let (values, levels) = known(cells.map(flag));
                writer.write_batch(&values, Some(&levels), None)?;
            }
            _ => return Err(Cause::General(format!("{} has no such values", self.column.name))),
        }
        Ok(())
    }

    fn text(&self, cell: &Cell) -> Option<ByteArray> {
        let text = match cell {
            Cell::Text(text) => &**text,
            Cell::Status(status) if self.part == Part::Code => status.code(),
            Cell::Status(status) => status.label(),
            _ => return None,
        };
        Some(text.into())
    }

    fn number(&self, cell: &Cell) -> Option<i64> {
        let count = match cell {
            Cell::Count(count) | Cell::Seconds(count) => *count,
            Cell::Rate(rate) if self.part == Part::Of => rate.of,
            Cell::Rate(rate) => rate.count,
            Cell::Time(at) => return Some(at.timestamp_millis()),
            _ => return None,
        };
        Some(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

/// The values that there are, and for each cell whether there is one.
fn known<T>(cells: impl Iterator<Item = Option<T>>) -> (Vec<T>, Vec<i16>) {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for cell in cells {
        levels.push(i16::from(cell.is_some()));
        values.extend(cell);
    }
    (values, levels)
}

/// So many rows are one row group.
const ROWS: usize = 100_000;
