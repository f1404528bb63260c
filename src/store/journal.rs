//! What happened in a project: every run with its events, and how long tasks take. One SQLite file, `.orca/journal.db`;
//! runs are appended, and the oldest are dropped. The same file holds what orca knows of each task and what it put into
//! the project (`ledger.rs`).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::StoreError;
use super::database::{Database, Format, Work, is_damage};
use super::ledger::lenient;
use super::warnings::{Trouble, Warnings};
use crate::base::{Name, TaskName};
use crate::event::{Event, EventRecord, Outcome, RunId};

/// Raised whenever a table changes, or what one of its columns holds.
static FORMAT: Format = Format {
    version: 3,
    schema: "
        CREATE TABLE runs (id INTEGER PRIMARY KEY AUTOINCREMENT, started_ms INTEGER NOT NULL, args TEXT NOT NULL,
            ended_ms INTEGER, ok INTEGER);
        CREATE TABLE events (run INTEGER NOT NULL, number INTEGER NOT NULL, body TEXT NOT NULL,
            PRIMARY KEY (run, number)) WITHOUT ROWID;
        CREATE TABLE walls (id INTEGER PRIMARY KEY AUTOINCREMENT, task TEXT NOT NULL, wall_ms INTEGER NOT NULL);
        CREATE INDEX walls_by_task ON walls (task, id);
        CREATE TABLE costs (id INTEGER PRIMARY KEY AUTOINCREMENT, task TEXT NOT NULL, agent TEXT NOT NULL,
            micro_usd INTEGER NOT NULL);
        CREATE INDEX costs_by_task ON costs (task, id);
        CREATE TABLE tasks (name TEXT PRIMARY KEY, key BLOB NOT NULL, accepted INTEGER NOT NULL, outcome TEXT NOT NULL,
            run INTEGER NOT NULL, log BLOB, is_agent INTEGER NOT NULL, origin TEXT NOT NULL, description BLOB NOT NULL)
            WITHOUT ROWID;
        CREATE TABLE published (path TEXT PRIMARY KEY, task TEXT NOT NULL, entry TEXT NOT NULL, old TEXT,
            pending INTEGER NOT NULL) WITHOUT ROWID;
        CREATE INDEX published_by_task ON published (task);
        CREATE TABLE edited (path TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE changes (task TEXT NOT NULL, path TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (task, path))
            WITHOUT ROWID;
        CREATE TABLE writes (run INTEGER NOT NULL, path TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run, path))
            WITHOUT ROWID;
        CREATE TABLE merges (body TEXT PRIMARY KEY) WITHOUT ROWID;
        CREATE TABLE notes (name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
    ",
};

/// Runs that are kept with their events.
const RUNS_MAX: u64 = 200;
/// Wall times, and costs, that are kept per task: what an estimate is the median of.
const KEPT_PER_TASK: i64 = 5;

/// What attempts are expected to cost, in millionths of a dollar.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Costs {
    /// By task: the median of what its attempts cost lately.
    pub of_tasks: BTreeMap<TaskName, u64>,
    /// By agent: the median over all its tasks.
    pub of_agents: BTreeMap<Name, u64>,
}

/// A run as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// Its number.
    pub id: RunId,
    /// When it began, in milliseconds since the epoch.
    pub started_ms: u64,
    /// The command line, without the program.
    pub args: Vec<String>,
    /// When it ended; `None` while it runs, and for ever if it was killed.
    pub ended_ms: Option<u64>,
    /// Whether everything asked for was good; `None` where it did not end.
    pub ok: Option<bool>,
}

/// The journal of one project. Shared by threads.
#[derive(Debug)]
pub struct Journal {
    database: Database,
    warnings: Warnings,
}

impl Journal {
    /// Opens `journal.db` in `dir`, making it if need be. One of an unknown format, or damaged, is set aside.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let (database, warning) = Database::open(&dir.join("journal.db"), &FORMAT)?;
        let warnings = Warnings::default();
        if let Some(warning) = warning {
            warnings.say(warning);
        }
        Ok(Self { database, warnings })
    }

    /// Opens the journal to look only, and writes nothing; `None` if there is none of this format. Every call that
    /// writes is then an error.
    pub fn open_readonly(dir: &Path) -> Result<Option<Self>, StoreError> {
        let database = Database::open_read_only(&dir.join("journal.db"), &FORMAT)?;
        Ok(database.map(|database| Self { database, warnings: Warnings::default() }))
    }

    /// What the journal had to say since this was last asked.
    #[must_use]
    pub fn take_warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    /// Begins a run, and drops the oldest ones.
    pub fn begin_run(&self, args: &[String], at_ms: u64) -> Result<RunId, StoreError> {
        let args = serde_json::to_string(args).expect("strings are plain data");
        self.write_soon("begin a run in", |connection| {
            connection.execute("INSERT INTO runs (started_ms, args) VALUES (?1, ?2)", params![signed(at_ms), args])?;
            let id = unsigned(connection.last_insert_rowid());
            let oldest = signed((id + 1).saturating_sub(RUNS_MAX));
            connection.execute("DELETE FROM events WHERE run < ?1", [oldest])?;
            connection.execute("DELETE FROM writes WHERE run < ?1", [oldest])?;
            connection.execute("DELETE FROM runs WHERE id < ?1", [oldest])?;
            Ok(RunId(id))
        })
    }

    /// Appends events, all or none, in one transaction. The wall time of a task that ran and was accepted counts for
    /// its estimate, and so does what an attempt of it cost.
    pub fn append(&self, events: &[EventRecord]) -> Result<(), StoreError> {
        self.write_soon("append to", |connection| {
            for record in events {
                append_event(connection, record)?;
                match &record.event {
                    Event::TaskFinished { task, outcome: Outcome::Ran, usage, .. } => {
                        append_wall(connection, task, usage.wall_ms)?;
                    }
                    // Where it was approved, it is taken from here, and does not run.
                    Event::TaskFinished { task, outcome: Outcome::AwaitsApproval { .. }, usage, attempts, .. }
                        if *attempts > 0 =>
                    {
                        append_wall(connection, task, usage.wall_ms)?;
                    }
                    _ => {}
                }
                if let Event::TaskFinished { task, attempts, spent, agent: Some(agent), .. } = &record.event
                    && spent.cost_micro_usd > 0
                {
                    append_cost(connection, task, agent, spent.cost_micro_usd / u64::from((*attempts).max(1)))?;
                }
            }
            Ok(())
        })
    }

    /// A note that was left under this name.
    pub fn note(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.read(|connection| one(connection, "SELECT body FROM notes WHERE name = ?1", name, |row| row.get(0)))
    }

    /// Leaves a note under a name, in place of the one before; `None` takes it away.
    pub fn put_note(&self, name: &str, body: Option<&str>) -> Result<(), StoreError> {
        self.write("note something in", |connection| match body {
            Some(body) => {
                let sql = "INSERT OR REPLACE INTO notes (name, body) VALUES (?1, ?2)";
                connection.prepare_cached(sql)?.execute([name, body]).map(drop)
            }
            None => connection.prepare_cached("DELETE FROM notes WHERE name = ?1")?.execute([name]).map(drop),
        })
    }

    /// Ends a run.
    pub fn finish_run(&self, run: RunId, ok: bool, at_ms: u64) -> Result<(), StoreError> {
        self.write_soon("end a run in", |connection| {
            let sql = "UPDATE runs SET ended_ms = ?2, ok = ?3 WHERE id = ?1";
            connection.execute(sql, params![signed(run.0), signed(at_ms), ok]).map(drop)
        })
    }

    /// Brings what was written into the one file, so that its log is empty.
    pub fn empty_log(&self) -> Result<(), StoreError> {
        self.healing(|| self.database.empty_log("bring the log into"))
    }

    /// As [`Journal::empty_log`] where the log has grown long; else it stays as it is, also when the journal is closed.
    pub fn leave_log(&self) -> Result<(), StoreError> {
        self.healing(|| self.database.leave_log("bring the log into"))
    }

    /// The newest runs, newest first.
    pub fn runs(&self, limit: usize) -> Result<Vec<RunRecord>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT id, started_ms, args, ended_ms, ok FROM runs ORDER BY id DESC LIMIT ?1";
            let mut statement = connection.prepare_cached(sql)?;
            let runs = statement.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], run_of)?;
            runs.collect()
        })
    }

    /// The newest run.
    pub fn last_run(&self) -> Result<Option<RunRecord>, StoreError> {
        Ok(self.runs(1)?.pop())
    }

    /// What happened in a run, in order. Events that cannot be read are left out, with a warning.
    pub fn events(&self, run: RunId) -> Result<Vec<EventRecord>, StoreError> {
        let bodies: Vec<Option<String>> = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT body FROM events WHERE run = ?1 ORDER BY number")?;
            let bodies = statement.query_map([signed(run.0)], |row| lenient(row.get::<_, String>(0)))?;
            bodies.collect()
        })?;
        let parse = |body: Option<String>| serde_json::from_str(&body?).ok();
        let events = bodies
            .into_iter()
            .filter_map(|body| parse(body).or_else(|| self.damaged(format!("an event of run {run}"))));
        Ok(events.collect())
    }

    /// What a task is expected to take: the median of its last successful runs.
    pub fn estimate_ms(&self, task: &TaskName) -> Result<Option<u64>, StoreError> {
        let walls: Vec<i64> = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT wall_ms FROM walls WHERE task = ?1")?;
            let walls = statement.query_map([task.as_str()], |row| row.get(0))?;
            walls.collect()
        })?;
        Ok(median(walls))
    }

    /// [`Journal::estimate_ms`] of every task that has one.
    pub fn all_estimates(&self) -> Result<BTreeMap<TaskName, u64>, StoreError> {
        let rows: Vec<(String, i64)> = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT task, wall_ms FROM walls")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })?;
        let mut walls: BTreeMap<TaskName, Vec<i64>> = BTreeMap::new();
        for (task, wall_ms) in rows {
            if let Ok(task) = TaskName::new(&task) {
                walls.entry(task).or_default().push(wall_ms);
            }
        }
        Ok(medians(walls))
    }

    /// What attempts are expected to cost.
    pub fn costs(&self) -> Result<Costs, StoreError> {
        let rows: Vec<(String, String, i64)> = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT task, agent, micro_usd FROM costs")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        })?;
        let mut of_tasks: BTreeMap<TaskName, Vec<i64>> = BTreeMap::new();
        let mut of_agents: BTreeMap<Name, Vec<i64>> = BTreeMap::new();
        for (task, agent, micro_usd) in rows {
            if let (Ok(task), Ok(agent)) = (TaskName::new(&task), Name::new(&agent)) {
                of_tasks.entry(task).or_default().push(micro_usd);
                of_agents.entry(agent).or_default().push(micro_usd);
            }
        }
        Ok(Costs { of_tasks: medians(of_tasks), of_agents: medians(of_agents) })
    }

    pub(super) fn read<T>(&self, work: impl Fn(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        self.healing(|| self.database.read("read", &work))
    }

    pub(super) fn write<T>(
        &self,
        op: &'static str,
        work: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.healing(|| self.database.write(op, &work))
    }

    /// As [`Journal::write`], for what a power loss may take: what happened in a run, but not what came of it.
    fn write_soon<T>(
        &self,
        op: &'static str,
        work: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.healing(|| self.database.write_soon(op, &work))
    }

    /// As [`Journal::write`], in one transaction with what other threads write.
    pub(super) fn write_together(
        &self,
        op: &'static str,
        work: impl Fn(&Connection) -> rusqlite::Result<()> + Send + Sync + 'static,
    ) -> Result<(), StoreError> {
        let work: Work = Arc::new(work);
        self.healing(|| self.database.write_together(op, Arc::clone(&work)))
    }

    fn healing<T>(&self, work: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        match work() {
            Err(error) if is_damage(&error) => {
                if let Some(warning) = self.database.replace_damaged()? {
                    self.warnings.say(warning);
                }
                work()
            }
            other => other,
        }
    }

    /// Counts a row that cannot be read, and stands for it.
    pub(super) fn damaged<T>(&self, what: String) -> Option<T> {
        self.warnings.count(Trouble::DamagedRow, format!("{what} in `{}`", self.database.path().display()));
        None
    }
}

fn append_event(connection: &Connection, record: &EventRecord) -> rusqlite::Result<()> {
    let sql = "INSERT INTO events (run, number, body)
        VALUES (?1, (SELECT coalesce(max(number), 0) + 1 FROM events WHERE run = ?1), ?2)";
    let body = serde_json::to_string(record).expect("an event is plain data");
    connection.prepare_cached(sql)?.execute(params![signed(record.run.0), body]).map(drop)
}

fn append_wall(connection: &Connection, task: &TaskName, wall_ms: u64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO walls (task, wall_ms) VALUES (?1, ?2)";
    connection.prepare_cached(sql)?.execute(params![task.as_str(), signed(wall_ms)])?;
    let sql = "DELETE FROM walls WHERE task = ?1
        AND id NOT IN (SELECT id FROM walls WHERE task = ?1 ORDER BY id DESC LIMIT ?2)";
    connection.prepare_cached(sql)?.execute(params![task.as_str(), KEPT_PER_TASK]).map(drop)
}

fn append_cost(connection: &Connection, task: &TaskName, agent: &Name, micro_usd: u64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO costs (task, agent, micro_usd) VALUES (?1, ?2, ?3)";
    connection.prepare_cached(sql)?.execute(params![task.as_str(), agent.as_str(), signed(micro_usd)])?;
    let sql = "DELETE FROM costs WHERE task = ?1
        AND id NOT IN (SELECT id FROM costs WHERE task = ?1 ORDER BY id DESC LIMIT ?2)";
    connection.prepare_cached(sql)?.execute(params![task.as_str(), KEPT_PER_TASK]).map(drop)
}

fn run_of(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    Ok(RunRecord {
        id: RunId(unsigned(row.get(0)?)),
        started_ms: unsigned(row.get(1)?),
        args: serde_json::from_str(&row.get::<_, String>(2)?).unwrap_or_default(),
        ended_ms: row.get::<_, Option<i64>>(3)?.map(unsigned),
        ok: row.get(4)?,
    })
}

fn median(mut values: Vec<i64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied().map(unsigned)
}

fn medians<K: Ord>(values: BTreeMap<K, Vec<i64>>) -> BTreeMap<K, u64> {
    values.into_iter().filter_map(|(key, values)| Some((key, median(values)?))).collect()
}

/// SQLite's integers are signed; nothing counted here comes near their end.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The one row, or none.
pub(super) fn one<T>(
    connection: &Connection,
    sql: &str,
    key: &str,
    row: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    connection.prepare_cached(sql)?.query_row([key], row).optional()
}
