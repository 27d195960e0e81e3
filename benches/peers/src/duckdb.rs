//! DuckDB over the same events in Parquet.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use mailtrail_core::event::Envelope;
use parquet::basic::Compression;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// A Python that has it, and a folder with the events.
pub struct DuckDb {
    python: PathBuf,
    folder: PathBuf,
}

/// Each delivery's id, the place of its status in the chain, and the microsecond at which it came to that; in order.
pub type Rows = Vec<String>;

impl DuckDb {
    /// None where no Python with DuckDB is named.
    pub fn open(folder: &Path, events: &[Envelope]) -> Option<Self> {
        let python = PathBuf::from(std::env::var_os("MAILTRAIL_DUCKDB")?);
        fs::create_dir_all(folder).unwrap();
        write(events, &folder.join("events.parquet"));
        Some(Self { python, folder: folder.to_owned() })
    }

    /// Which one it is.
    pub fn version(&self) -> String {
        self.python("import duckdb\nprint(duckdb.__version__)", &[]).trim().to_owned()
    }

    /// The rows of all deliveries, and the middle one of three times, in seconds.
    pub fn rows(&self, threads: u8) -> (f64, Rows) {
        let (file, out) = (self.folder.join("events.parquet"), self.folder.join("rows.csv"));
        let answer = QUERY.replace("$FILE", &file.display().to_string());
        let seconds =
            self.python(SCRIPT, &[&threads.to_string(), &answer, &out.display().to_string()]);
        let mut rows: Rows = fs::read_to_string(out).unwrap().lines().map(str::to_owned).collect();
        rows.sort_unstable();
        (seconds.trim().parse().unwrap(), rows)
    }

    fn python(&self, script: &str, args: &[&str]) -> String {
        let output = Command::new(&self.python).arg("-c").arg(script).args(args).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "DuckDB: {stderr}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn write(events: &[Envelope], to: &Path) {
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let file = File::create(to).unwrap();
    let mut file = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
    for rows in events.chunks(ROWS) {
        let mut group = file.next_row_group().unwrap();
        let mut index = 0;
        while let Some(mut column) = group.next_column().unwrap() {
            write_column(rows, index, column.untyped());
            column.close().unwrap();
            index += 1;
        }
        group.close().unwrap();
    }
    file.close().unwrap();
}

fn write_column(rows: &[Envelope], index: usize, writer: &mut ColumnWriter<'_>) {
    match writer {
        ColumnWriter::Int64ColumnWriter(writer) => {
            let of = |row: &Envelope| match index {
                0 => i64::try_from(row.position.get()).unwrap(),
                _ => row.event.occurred_at.unwrap().timestamp_micros(),
            };
            let values: Vec<i64> = rows.iter().map(of).collect();
            writer.write_batch(&values, None, None).unwrap();
        }
        ColumnWriter::FixedLenByteArrayColumnWriter(writer) => {
            let of = |row: &Envelope| match index {
                1 => row.stream.id().to_vec(),
                _ => row.event.event_id.as_bytes().to_vec(),
            };
            let values: Vec<FixedLenByteArray> =
                rows.iter().map(|row| ByteArray::from(of(row)).into()).collect();
            writer.write_batch(&values, None, None).unwrap();
        }
        ColumnWriter::ByteArrayColumnWriter(writer) => {
            let of = |row: &Envelope| match index {
                3 => Some(row.event.event_type.as_str().as_bytes().to_vec()),
                5 => Some(row.event.data.to_vec()),
                _ => row.event.private.as_deref().map(<[u8]>::to_vec),
            };
            let cells: Vec<Option<Vec<u8>>> = rows.iter().map(of).collect();
            let levels: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
            let values: Vec<ByteArray> = cells.into_iter().flatten().map(Into::into).collect();
            writer.write_batch(&values, Some(&levels), None).unwrap();
        }
        _ => unreachable!("the schema has no such column"),
    }
}

const SCHEMA: &str = "message events {
    required int64 position;
    required fixed_len_byte_array(16) delivery (UUID);
    required fixed_len_byte_array(16) event (UUID);
    required binary type (STRING);
    required int64 occurred_at (TIMESTAMP(MICROS,true));
    required binary data (STRING);
    optional binary private (STRING);
}";

/// So many rows are one row group, as DuckDB would write it.
const ROWS: usize = 122_880;

/// Of events of equal status the first one counts: of the place in the chain, counted from above, and the microsecond the
/// least. In one number it is found faster than by `DISTINCT ON` or `arg_max`.
const QUERY: &str = "SELECT delivery, 9 - (least // (1::BIGINT << 56)) AS status, least % (1::BIGINT << 56) AS at FROM ( \
    SELECT delivery, min(((9 - status) * (1::BIGINT << 56)) + epoch_us(occurred_at)) AS least FROM ( \
        SELECT delivery, occurred_at, CASE type WHEN 'queued' THEN 0 WHEN 'not_selected' THEN 1 \
            WHEN 'duplicated' THEN 2 WHEN 'sent' THEN 3 WHEN 'deferred' THEN 4 WHEN 'suppressed' THEN 5 \
            WHEN 'bounced' THEN CASE data->>'$.diagnosis.reason' WHEN 'user_unknown' THEN 7 ELSE 6 END \
            WHEN 'delivered' THEN 8 WHEN 'opened' THEN 9 END::BIGINT AS status \
        FROM read_parquet('$FILE')) \
    WHERE status IS NOT NULL GROUP BY delivery)";

const SCRIPT: &str = "
import duckdb, sys, time
threads, answer, out = sys.argv[1:]
con = duckdb.connect()
con.execute(f'SET threads = {threads}')
times = []
for _ in range(3):
    start = time.perf_counter()
    con.execute('CREATE OR REPLACE TEMP TABLE answer AS ' + answer)
    times.append(time.perf_counter() - start)
con.execute(f\"COPY answer TO '{out}' (HEADER false)\")
print(sorted(times)[1])
";
