//! The same questions in SQL, over the same 1.29 million events: the live counts of a broadcast beside DuckDB, and the
//! Email Log's current rows beside PostgreSQL's `DISTINCT ON`, cold.
//!
//! Cold is whoever has just been started: nothing is in its own memory, but the files are in that of the operating
//! system. The answers are compared. Where a rival is absent, that is said, and no figure printed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use chrono::DateTime;
use chrono::format::StrftimeItems;
use mailtrail::projection::{Runner, build};
use mailtrail::report::{BroadcastSummary, EmailLog, EmailLogRow, EmailLogState, Query};
use mailtrail_benches::dataset::{BROADCAST, Dataset, Engine};
use mailtrail_benches::postgres::Postgres;
use mailtrail_benches::{Figure, Wanted, percentile};
use mailtrail_core::projection::{AsOf, StateError};
use mailtrail_core::{BroadcastId, Status};
use serde::Deserialize;

const CHILD: &str = "MAILTRAIL_BENCH_CHILD";
const NO_DUCKDB: &str = "MAILTRAIL_DUCKDB names no Python with DuckDB";

mailtrail_benches::allocator!();

fn main() {
    if let Some(job) = std::env::var_os(CHILD) {
        let mut args = std::env::args_os().skip(1).map(PathBuf::from);
        return cold(&job.to_string_lossy(), &args.next().unwrap(), &args.next().unwrap());
    }
    let wanted = Wanted::from_args();
    let (live, cold) = (wanted.has("report.duckdb"), wanted.has("report.postgres"));
    if !live && !cold {
        return;
    }
    let set = Dataset::of(Engine::Fjall, 3);
    let folder = tempfile::tempdir().unwrap();
    readable_by_all(folder.path());
    export(&set, &folder.path().join("events.csv"));
    let duck = Duck::open(folder.path());
    if live {
        match &duck {
            None => eprintln!("report.duckdb: skipped: {NO_DUCKDB}"),
            Some(duck) => counts(&set, duck),
        }
    }
    if cold {
        match Postgres::start(&folder.path().join("postgres")) {
            None => eprintln!("report.postgres: skipped: there is no PostgreSQL"),
            Some(postgres) => rows(&set, folder.path(), &postgres, duck.as_ref()),
        }
    }
}

/// Another user's server reads here.
fn readable_by_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The events as a table holds them; the last two columns are JSON.
fn export(set: &Dataset, to: &Path) {
    let mut out = BufWriter::new(File::create(to).unwrap());
    let quoted = |text: &[u8]| String::from_utf8(text.to_vec()).unwrap().replace('"', "\"\"");
    set.each(|envelope| {
        let event = &envelope.event;
        let (position, delivery) = (envelope.position, envelope.stream.as_delivery().unwrap());
        let (id, kind) = (event.event_id, event.event_type.as_str());
        let at = event.occurred_at.unwrap().to_rfc3339();
        let (data, private) = (quoted(&event.data), event.private.as_deref().map(quoted));
        let private = private.map(|text| format!("\"{text}\"")).unwrap_or_default();
        writeln!(out, "{},{delivery},{id},{kind},{at},\"{data}\",{private}", position.get())
            .unwrap();
    });
}

/// Live counts: from the state that is kept up to date, and from all events of the broadcast.
fn counts(set: &Dataset, duck: &Duck) {
    let trail = set.store();
    let store = Engine::Fjall.open(&trail);
    let states = Engine::Fjall.states(&trail);
    let runner = Runner::parted(store, states, BroadcastSummary);
    let broadcast: BroadcastId = "b0001".parse().unwrap();
    let ask = || {
        let summary = runner.state().unwrap().unwrap().of(&broadcast).unwrap();
        Status::ALL.map(|status| summary.of(status))
    };
    let mut times: Vec<f64> = (0..2_000)
        .map(|_| {
            let since = Instant::now();
            std::hint::black_box(ask());
            since.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let theirs = duck.counts();
    assert_eq!(ask(), theirs.counts, "both count the same");
    assert_eq!(theirs.counts.iter().sum::<u64>(), BROADCAST);
    let (ours, theirs) = (1e6 / percentile(&times, 0.5), 1.0 / theirs.median);
    Figure::new(
        "report.duckdb",
        ours,
        "live counts of a broadcast/s, of 1.29 M events in 3 broadcasts",
    )
    .against("DuckDB, warm, from a table of their statuses", theirs)
    .at_least(10.0)
    .print();
}

/// The current row of each delivery, by whoever has just been started, written to a file.
fn rows(set: &Dataset, folder: &Path, postgres: &Postgres, duck: Option<&Duck>) {
    let (built, same) = best(|| child("events", set, folder));
    let (kept, rows) = best(|| child("kept", set, folder));
    assert!(rows == same, "what is kept has other rows");
    assert_eq!(rows.len() as u64, set.deliveries());
    let rate = |time: Duration| set.deliveries() as f64 / time.as_secs_f64();
    load(postgres, folder);
    let out = postgres.folder().join("rows.csv");
    let ask = |sql: &str| {
        let (time, theirs) = best(|| {
            fs::remove_file(&out).ok();
            postgres.restart();
            let time = postgres.time(&format!("COPY ({sql}) TO '{}' (FORMAT csv)", out.display()));
            (time, read(&out))
        });
        assert!(rows == theirs, "PostgreSQL has other rows");
        time
    };
    let (stored, indexed) = (ask(&current("as_stored")), ask(&current("events")));
    let figure = |name, ours: Duration, against, theirs: Duration| {
        let unit = "rows/s, cold, of 1.29 M events";
        Figure::new(name, rate(ours), unit).against(against, rate(theirs))
    };
    // Each answers from what it keeps: a table and an index there, the log and the state of the report here.
    let against = "PostgreSQL's DISTINCT ON, the events as JSON";
    figure("report.postgres", kept, against, stored).at_least(2.0).print();
    figure("report.postgres.events", built, "the same; ours from the events alone", stored).print();
    figure("report.postgres.indexed", kept, "the same, all that is asked in indexes", indexed)
        .print();
    match duck {
        None => eprintln!("report.postgres.duckdb: skipped: {NO_DUCKDB}"),
        Some(duck) => {
            let (theirs, same) = best(|| duck.rows());
            assert!(rows == same, "DuckDB has other rows");
            let against = "DuckDB, cold, from a table of their statuses";
            figure("report.postgres.duckdb", kept, against, theirs).print();
        }
    }
}

/// The best of three, and the rows.
fn best(mut run: impl FnMut() -> (Duration, Rows)) -> (Duration, Rows) {
    let (mut best, rows) = run();
    for _ in 0..2 {
        best = best.min(run().0);
    }
    (best, rows)
}

/// Ours, in a process of its own: the time includes that in which the store is opened.
fn child(job: &str, set: &Dataset, folder: &Path) -> (Duration, Rows) {
    let out = folder.join("ours.csv");
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.env(CHILD, job).arg(set.store()).arg(&out).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let seconds: f64 = text
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    (Duration::from_secs_f64(seconds), read(&out))
}

fn cold(job: &str, trail: &Path, to: &Path) {
    let start = Instant::now();
    let store = Engine::Fjall.open(trail);
    let state = match job {
        "events" => {
            let threads = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
            build(&*store, &EmailLog, AsOf::Now, threads, &|_| ()).unwrap().0
        }
        _ => {
            let states = Engine::Fjall.states(trail);
            Runner::parted(store.clone(), states, EmailLog).state().unwrap().unwrap()
        }
    };
    write(&state, to);
    println!("{}", start.elapsed().as_secs_f64());
    // Nobody waits until it has given its memory back.
    std::mem::forget(state);
}

fn write(state: &EmailLogState, to: &Path) {
    let mut out = BufWriter::new(File::create(to).unwrap());
    let time = StrftimeItems::new("%F %T%.6f+00").parse().unwrap();
    let each = |row: EmailLogRow| {
        let place = Status::ALL.iter().position(|status| *status == row.status).unwrap();
        let at = row.last_change.unwrap().format_with_items(time.iter());
        let (delivery, broadcast, contact) = (row.delivery, row.broadcast, row.contact_id);
        writeln!(
            out,
            "{delivery},{broadcast},{contact},{},{},{place},{at}",
            row.name, row.email_address
        )
        .unwrap();
        Ok::<_, StateError>(())
    };
    // In no order, as there.
    state.visit_rows(&Query::default(), each).unwrap();
    out.flush().unwrap();
}

/// Rows without their time, and that in microseconds.
type Rows = BTreeMap<String, i64>;

fn read(file: &Path) -> Rows {
    let text = fs::read_to_string(file).unwrap();
    let row = |line: &str| {
        let (row, at) = line.rsplit_once(',').unwrap();
        let at = DateTime::parse_from_str(at, "%F %T%.f%#z").unwrap();
        (row.to_owned(), at.timestamp_micros())
    };
    text.lines().map(row).collect()
}

/// The events as they are, and with columns of what is asked for, as who knows the questions makes them: then an index
/// answers each part, and the table is not looked at.
fn load(postgres: &Postgres, folder: &Path) {
    let csv = folder.join("events.csv");
    let status = status("type", "data->'diagnosis'->>'reason'");
    postgres.run(&format!(
        "CREATE TABLE stored (position bigint PRIMARY KEY, delivery uuid NOT NULL, event uuid NOT NULL, \
             type text NOT NULL, occurred_at timestamptz NOT NULL, data jsonb NOT NULL, private jsonb);
         COPY stored FROM '{}' (FORMAT csv);
         CREATE UNIQUE INDEX ON stored (delivery, position);
         CREATE VIEW as_stored AS SELECT position, delivery, event, type, occurred_at, {status} AS status, \
             data->'row'->>'broadcast' AS broadcast, data->'row'->>'contact' AS contact, \
             private->>'name' AS name, private->>'address' AS address FROM stored;
         CREATE TABLE events AS SELECT * FROM as_stored ORDER BY position;
         ALTER TABLE events ADD PRIMARY KEY (position);
         CREATE INDEX ON events (delivery, status DESC, occurred_at, event) WHERE status IS NOT NULL;
         CREATE INDEX ON events (delivery) INCLUDE (broadcast, contact, name, address) WHERE type = 'queued';",
        csv.display()
    ));
    postgres.run("VACUUM ANALYZE stored");
    postgres.run("VACUUM ANALYZE events");
}

/// The rows of all deliveries: of events of equal status the first one counts.
fn current(events: &str) -> String {
    format!(
        "SELECT delivery, broadcast, contact, name, address, current.status, current.occurred_at \
         FROM (SELECT DISTINCT ON (delivery) delivery, status, occurred_at FROM {events} WHERE status IS NOT NULL \
               ORDER BY delivery, status DESC, occurred_at, event) AS current \
         JOIN (SELECT delivery, broadcast, contact, name, address FROM {events} WHERE type = 'queued') AS planned \
         USING (delivery)"
    )
}

/// The status that an event speaks for, as a place in the chain: of all types and reasons that there are here.
fn status(kind: &str, reason: &str) -> String {
    format!(
        "CASE {kind} WHEN 'queued' THEN 0 WHEN 'not_selected' THEN 1 WHEN 'duplicated' THEN 2 WHEN 'sent' THEN 3 \
         WHEN 'deferred' THEN 4 WHEN 'suppressed' THEN 5 \
         WHEN 'bounced' THEN CASE WHEN {reason} = 'user_unknown' THEN 7 ELSE 6 END \
         WHEN 'delivered' THEN 8 WHEN 'opened' THEN 9 END::smallint"
    )
}

/// A Python with DuckDB, and a database file of the events.
struct Duck {
    python: PathBuf,
    folder: PathBuf,
}

#[derive(Deserialize)]
struct Counted {
    counts: [u64; 10],
    /// Seconds.
    median: f64,
}

impl Duck {
    fn open(folder: &Path) -> Option<Self> {
        let python = PathBuf::from(std::env::var_os("MAILTRAIL_DUCKDB")?);
        let duck = Self { python, folder: folder.to_owned() };
        let status = status("type", "data->'diagnosis'->>'reason'").replace("::smallint", "");
        duck.run(
            "con.execute(args[0])",
            &[&format!(
                "CREATE TABLE events AS SELECT position, delivery, event, type, occurred_at, CAST({status} AS UTINYINT) AS status, \
                     first_value(data->'row'->>'broadcast') OVER (PARTITION BY delivery ORDER BY position) AS broadcast, \
                     data->'row'->>'contact' AS contact, private->>'name' AS name, private->>'address' AS address \
                 FROM read_csv('{}', header = false, columns = {{position: 'BIGINT', delivery: 'UUID', event: 'UUID', \
                     type: 'VARCHAR', occurred_at: 'TIMESTAMPTZ', data: 'JSON', private: 'JSON'}}) ORDER BY position",
                folder.join("events.csv").display()
            )],
        );
        Some(duck)
    }

    /// Of a broadcast that each event names, so that nothing has to be joined.
    fn counts(&self) -> Counted {
        let sql = "SELECT status, count(*) FROM (SELECT delivery, max(status) AS status FROM events \
                   WHERE broadcast = 'b0001' GROUP BY delivery) GROUP BY status";
        let script = r"
times = []
for _ in range(53):
    start = time.perf_counter()
    found = con.execute(args[0]).fetchall()
    times.append(time.perf_counter() - start)
times = sorted(times[3:])
found = dict(found)
print(json.dumps({'counts': [found.get(n, 0) for n in range(10)], 'median': times[len(times) // 2]}))";
        serde_json::from_str(&self.run(script, &[sql])).unwrap()
    }

    fn rows(&self) -> (Duration, Rows) {
        let out = self.folder.join("duckdb.csv");
        let sql = format!("COPY ({}) TO '{}' (HEADER false)", current("events"), out.display());
        let script = "con.execute(args[0])\nprint(time.perf_counter() - start)";
        let seconds = self.run(script, &[&sql]).trim().parse().unwrap();
        (Duration::from_secs_f64(seconds), read(&out))
    }

    /// In a process of its own; what it measures begins before the database is opened.
    fn run(&self, script: &str, args: &[&str]) -> String {
        let begin = "import duckdb, json, sys, time\nargs = sys.argv[2:]\nstart = time.perf_counter()\n\
                     con = duckdb.connect(sys.argv[1])\ncon.execute(\"SET TimeZone = 'UTC'\")\n";
        let mut command = Command::new(&self.python);
        command.args(["-c", &format!("{begin}{script}")]).arg(self.folder.join("duckdb"));
        let output = command.args(args).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "DuckDB: {stderr}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
