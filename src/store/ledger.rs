//! The journal's second half: the last state of each task, and what orca put into the project, path by path. The
//! second is what makes publishing safe to kill: paths are marked *pending*, durably, before the first file is written,
//! with what was on disk before, so the next build can tell an unfinished publish from an edit.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::journal::{Journal, one, signed, unsigned};
use crate::base::{ActionKey, BlobDigest, Entry, GateKey, Name, RelPath, TaskName, parallel};
use crate::event::RunId;

/// zstd's level for descriptions: they repeat themselves, and are written once per run of a task.
const DESCRIPTION_LEVEL: i32 = 3;
/// How a task ended whose outputs are not all in the project.
const UNFINISHED: &str = "its outputs were not all put into the project";
/// The longest description that is read back.
const DESCRIPTION_BYTES_MAX: u64 = 256 << 20;

/// How a result came about, as far as its key does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// The key without `on_top_of`, where the task had to run on top of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_key: Option<ActionKey>,
    /// Tasks whose changes its first result could not be merged with: it was run again with theirs in its view.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_top_of: Vec<TaskName>,
    /// The agent that made it; for prompts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Name>,
    /// The model that the agent was asked to use, where the plan says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What it cost, in millionths of a dollar.
    #[serde(default)]
    pub cost_micro_usd: u64,
    /// The gates that agreed to it, by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gates: BTreeMap<Name, GateKey>,
}

/// The last state of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRecord {
    /// The key it last ran or was reused under.
    pub key: ActionKey,
    /// The text of its context: what `orca explain` compares with.
    pub description: String,
    /// Whether its result was accepted.
    pub accepted: bool,
    /// How it ended, in a word.
    pub outcome: String,
    /// In which run.
    pub run: RunId,
    /// Its log.
    pub log: Option<BlobDigest>,
    /// Whether its body is a prompt.
    pub is_agent: bool,
    /// How its result came about.
    pub origin: Origin,
}

/// A [`TaskRecord`] without its description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskSummary {
    /// The key it last ran or was reused under.
    pub key: ActionKey,
    /// Whether its result was accepted.
    pub accepted: bool,
    /// How it ended, in a word.
    pub outcome: String,
    /// In which run.
    pub run: RunId,
    /// Its log.
    pub log: Option<BlobDigest>,
    /// Whether its body is a prompt.
    pub is_agent: bool,
    /// How its result came about.
    pub origin: Origin,
}

/// A path that orca put into the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The task it belongs to.
    pub task: TaskName,
    /// What orca wrote.
    pub entry: Entry,
    /// Whether orca was still at it when it last wrote the journal.
    pub pending: bool,
}

/// A path whose publishing began and did not end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingPublish {
    /// The task it belongs to.
    pub task: TaskName,
    /// The path.
    pub path: RelPath,
    /// What was to be written.
    pub new: Entry,
    /// What was there before.
    pub old: Option<Entry>,
}

/// A path to publish: it, what is to be there, and what is there.
pub type ToPublish = (RelPath, Entry, Option<Entry>);

/// What a task had begun to publish, and has written.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// The task.
    pub task: &'a TaskName,
    /// Paths of an earlier result that are gone.
    pub removed: &'a [RelPath],
    /// What it put where a person's edits are merged into it: those paths were written one by one, and were never pending.
    pub noted: &'a [(RelPath, Entry)],
    /// The state of the task, if it is accepted with that.
    pub record: Option<&'a TaskRecord>,
}

impl Journal {
    /// The last state of a task.
    pub fn task(&self, task: &TaskName) -> Result<Option<TaskRecord>, StoreError> {
        let sql = "SELECT key, accepted, outcome, run, log, is_agent, origin, description FROM tasks WHERE name = ?1";
        let found = self.read(|connection| {
            one(connection, sql, task.as_str(), |row| {
                Ok((lenient(summary_of(row))?, lenient(row.get::<_, Vec<u8>>(7))?))
            })
        })?;
        let Some((summary, packed)) = found else { return Ok(None) };
        let Some((summary, description)) = summary.zip(packed.as_deref().and_then(unpack)) else {
            return Ok(self.damaged(format!("the record of task `{task}`")));
        };
        let TaskSummary { key, accepted, outcome, run, log, is_agent, origin } = summary;
        Ok(Some(TaskRecord { key, description, accepted, outcome, run, log, is_agent, origin }))
    }

    /// The last state of every task, without descriptions.
    pub fn tasks(&self) -> Result<BTreeMap<TaskName, TaskSummary>, StoreError> {
        let sql = "SELECT key, accepted, outcome, run, log, is_agent, origin, name FROM tasks";
        let rows: Vec<(String, Option<TaskSummary>)> = self.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(7)?, lenient(summary_of(row))?)))?;
            rows.collect()
        })?;
        let tasks = rows.into_iter().filter_map(|(name, summary)| match (TaskName::new(&name), summary) {
            (Ok(name), Some(summary)) => Some((name, summary)),
            _ => self.damaged(format!("the record of task `{name}`")),
        });
        Ok(tasks.collect())
    }

    /// The last state of each of these tasks that has one, without descriptions.
    pub fn tasks_among(&self, names: &BTreeSet<TaskName>) -> Result<BTreeMap<TaskName, TaskSummary>, StoreError> {
        let sql = "SELECT key, accepted, outcome, run, log, is_agent, origin FROM tasks WHERE name = ?1";
        let mut tasks = BTreeMap::new();
        for name in names {
            let found = self.read(|connection| one(connection, sql, name.as_str(), |row| lenient(summary_of(row))))?;
            match found {
                Some(Some(summary)) => drop(tasks.insert(name.clone(), summary)),
                Some(None) => drop(self.damaged::<()>(format!("the record of task `{name}`"))),
                None => {}
            }
        }
        Ok(tasks)
    }

    /// Everything orca put into the project for these tasks and has not removed.
    pub fn published_for(&self, names: &BTreeSet<TaskName>) -> Result<BTreeMap<RelPath, Published>, StoreError> {
        let sql = "SELECT path, task, entry, old, pending FROM published WHERE task = ?1";
        let mut published = BTreeMap::new();
        for name in names {
            let rows = self.published_where(sql, &[name.as_str()])?;
            published.extend(rows.into_iter().map(PublishedRow::published));
        }
        Ok(published)
    }

    /// Records the state of tasks, all or none.
    pub fn put_tasks(&self, tasks: &[(TaskName, TaskRecord)]) -> Result<(), StoreError> {
        let rows = parallel::map(tasks, 0, |(name, record)| TaskRow::of(name, record));
        self.write_together("record tasks in", move |connection| rows.iter().try_for_each(|row| row.put(connection)))
    }

    /// Forgets the state of tasks: of those that the plan no longer has.
    pub fn forget_tasks(&self, tasks: &[TaskName]) -> Result<(), StoreError> {
        self.write("forget tasks in", |connection| {
            for task in tasks {
                connection.prepare_cached("DELETE FROM tasks WHERE name = ?1")?.execute([task.as_str()])?;
                connection.prepare_cached("DELETE FROM walls WHERE task = ?1")?.execute([task.as_str()])?;
                connection.prepare_cached("DELETE FROM costs WHERE task = ?1")?.execute([task.as_str()])?;
            }
            Ok(())
        })
    }

    /// Everything orca put into the project and has not removed.
    pub fn published(&self) -> Result<BTreeMap<RelPath, Published>, StoreError> {
        let rows = self.published_where("SELECT path, task, entry, old, pending FROM published", &[])?;
        Ok(rows.into_iter().map(PublishedRow::published).collect())
    }

    /// Marks paths as being published, durably, before any of them is written: `(path, new entry, what is on disk)`.
    /// From here on the task is not on record as accepted, until [`Journal::put_tasks`] says so again.
    pub fn begin_publish(&self, task: &TaskName, paths: &[ToPublish]) -> Result<(), StoreError> {
        self.begin_publishing(&[(task, paths)])
    }

    /// As [`Journal::begin_publish`], of many tasks in one step.
    pub fn begin_publishing(&self, tasks: &[(&TaskName, &[ToPublish])]) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO published (path, task, entry, old, pending) VALUES (?1, ?2, ?3, ?4, 1)";
        let row = |(path, new, old): &ToPublish| (path.clone(), json(new), old.as_ref().map(json));
        let rows = |paths: &[ToPublish]| paths.iter().map(row).collect::<Vec<_>>();
        let tasks: Vec<(TaskName, Vec<_>)> = tasks.iter().map(|(task, paths)| ((*task).clone(), rows(paths))).collect();
        self.write_together("begin to publish in", move |connection| {
            let unaccept = "UPDATE tasks SET accepted = 0, outcome = ?2 WHERE name = ?1 AND accepted = 1";
            let mut unaccept = connection.prepare_cached(unaccept)?;
            let mut statement = connection.prepare_cached(sql)?;
            for (task, rows) in &tasks {
                unaccept.execute([task.as_str(), UNFINISHED])?;
                for (path, new, old) in rows {
                    statement.execute(params![path.as_str(), task.as_str(), new, old])?;
                }
            }
            Ok(())
        })
    }

    /// Marks what a task had begun to publish as written, and forgets what was removed.
    pub fn finish_publish(&self, task: &TaskName, removed: &[RelPath]) -> Result<(), StoreError> {
        self.end_publishing(&[Ended { task, removed, noted: &[], record: None }])
    }

    /// Marks what tasks had begun to publish as written, in one step.
    pub fn end_publishing(&self, tasks: &[Ended<'_>]) -> Result<(), StoreError> {
        let sql = "UPDATE published SET pending = 0, old = NULL WHERE task = ?1 AND pending = 1";
        let packed = parallel::map(tasks, 0, |ended| ended.record.map(|record| TaskRow::of(ended.task, record)));
        let of_one = |(ended, record): (&Ended<'_>, Option<TaskRow>)| {
            let noted: Vec<(RelPath, String)> =
                ended.noted.iter().map(|(path, entry)| (path.clone(), json(entry))).collect();
            (ended.task.clone(), ended.removed.to_vec(), noted, record)
        };
        let tasks: Vec<_> = tasks.iter().zip(packed).map(of_one).collect();
        self.write_together("end publishing in", move |connection| {
            for (task, removed, noted, record) in &tasks {
                connection.prepare_cached(sql)?.execute([task.as_str()])?;
                forget(connection, removed)?;
                note(connection, task, noted)?;
                record.iter().try_for_each(|record| record.put(connection))?;
            }
            Ok(())
        })
    }

    /// What was begun and not ended: the work of a build that was killed.
    pub fn pending(&self) -> Result<Vec<PendingPublish>, StoreError> {
        let sql = "SELECT path, task, entry, old, pending FROM published WHERE pending = 1 ORDER BY path";
        let rows = self.published_where(sql, &[])?;
        let pending =
            |row: PublishedRow| PendingPublish { task: row.task, path: row.path, new: row.entry, old: row.old };
        Ok(rows.into_iter().map(pending).collect())
    }

    /// Forgets that orca put these paths into the project. The tasks that they belonged to are not on record as accepted
    /// any more.
    pub fn forget(&self, paths: &[RelPath]) -> Result<(), StoreError> {
        self.write("forget paths in", |connection| forget(connection, paths))
    }

    fn published_where(&self, sql: &str, is: &[&str]) -> Result<Vec<PublishedRow>, StoreError> {
        let rows: Vec<(String, Option<PublishedRow>)> = self.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let bound = rusqlite::params_from_iter(is);
            let rows = statement.query_map(bound, |row| Ok((row.get(0)?, lenient(published_of(row))?)))?;
            rows.collect()
        })?;
        // A row that cannot be read makes no path orca's: its file is left alone.
        let sound = |(path, row): (String, Option<PublishedRow>)| {
            row.or_else(|| self.damaged(format!("the record of `{path}`")))
        };
        Ok(rows.into_iter().filter_map(sound).collect())
    }
}

struct PublishedRow {
    path: RelPath,
    task: TaskName,
    entry: Entry,
    old: Option<Entry>,
    pending: bool,
}

impl PublishedRow {
    fn published(self) -> (RelPath, Published) {
        (self.path, Published { task: self.task, entry: self.entry, pending: self.pending })
    }
}

/// A column of the wrong type, or text that is none, is a row that cannot be read, and no reason to read no other.
pub(super) fn lenient<T, U: Into<Option<T>>>(read: rusqlite::Result<U>) -> rusqlite::Result<Option<T>> {
    use rusqlite::Error;
    match read {
        Err(Error::InvalidColumnType(..) | Error::FromSqlConversionFailure(..) | Error::Utf8Error(..)) => Ok(None),
        other => other.map(Into::into),
    }
}

/// Whether orca can have put anything there. A journal may come with a repository, and then says what its author likes.
#[must_use]
pub fn may_be_output(path: &RelPath) -> bool {
    !path.as_str().split('/').any(|part| [".git", ".orca"].iter().any(|kept| part.eq_ignore_ascii_case(kept)))
}

fn published_of(row: &Row<'_>) -> rusqlite::Result<Option<PublishedRow>> {
    let (path, task, entry): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let (old, pending): (Option<String>, bool) = (row.get(3)?, row.get(4)?);
    let parse = || {
        Some(PublishedRow {
            path: RelPath::from_disk(&path).ok().filter(may_be_output)?,
            task: TaskName::new(&task).ok()?,
            entry: serde_json::from_str(&entry).ok()?,
            old: old.map(|old| serde_json::from_str(&old).ok()).map_or(Some(None), |old| old.map(Some))?,
            pending,
        })
    };
    Ok(parse())
}

fn summary_of(row: &Row<'_>) -> rusqlite::Result<Option<TaskSummary>> {
    let key: Vec<u8> = row.get(0)?;
    let log: Option<Vec<u8>> = row.get(4)?;
    let (accepted, outcome, run, is_agent) = (row.get(1)?, row.get(2)?, RunId(unsigned(row.get(3)?)), row.get(5)?);
    let origin: String = row.get(6)?;
    let bytes = |bytes: Vec<u8>| <[u8; 32]>::try_from(bytes).ok();
    let parse = || {
        let log = match log {
            None => None,
            Some(log) => Some(BlobDigest::from_bytes(bytes(log)?)),
        };
        let origin = serde_json::from_str(&origin).ok()?;
        Some(TaskSummary { key: ActionKey::from_bytes(bytes(key)?), accepted, outcome, run, log, is_agent, origin })
    };
    Ok(parse())
}

/// What a task put at paths where a person's edits are merged into what lies there: they were written one by one, and were
/// never pending.
fn note(connection: &Connection, task: &TaskName, paths: &[(RelPath, String)]) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO published (path, task, entry, old, pending) VALUES (?1, ?2, ?3, NULL, 0)";
    let mut statement = connection.prepare_cached(sql)?;
    paths.iter().try_for_each(|(path, entry)| statement.execute([path.as_str(), task.as_str(), entry]).map(drop))
}

/// The state of a task, ready to be written.
struct TaskRow {
    name: TaskName,
    record: TaskRecord,
    packed: Vec<u8>,
}

impl TaskRow {
    fn of(name: &TaskName, record: &TaskRecord) -> Self {
        let packed = pack(&record.description);
        Self { name: name.clone(), record: TaskRecord { description: String::new(), ..record.clone() }, packed }
    }

    fn put(&self, connection: &Connection) -> rusqlite::Result<()> {
        put_task(connection, &self.name, &self.record, &self.packed)
    }
}

pub(super) fn put_task(
    connection: &Connection,
    name: &TaskName,
    record: &TaskRecord,
    packed: &[u8],
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO tasks (name, key, accepted, outcome, run, log, is_agent, origin, description)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let TaskRecord { key, accepted, outcome, run, log, is_agent, origin, description: _ } = record;
    let origin = serde_json::to_string(origin).expect("an origin is plain data");
    let log = log.as_ref().map(|log| log.as_bytes().as_slice());
    let row = params![
        name.as_str(),
        key.as_bytes().as_slice(),
        accepted,
        outcome,
        signed(run.0),
        log,
        is_agent,
        origin,
        packed
    ];
    connection.prepare_cached(sql)?.execute(row).map(drop)
}

fn forget(connection: &Connection, paths: &[RelPath]) -> rusqlite::Result<()> {
    let mut unaccept = connection.prepare_cached(
        "UPDATE tasks SET accepted = 0, outcome = ?2
         WHERE accepted = 1 AND name = (SELECT task FROM published WHERE path = ?1)",
    )?;
    let mut statement = connection.prepare_cached("DELETE FROM published WHERE path = ?1")?;
    for path in paths {
        unaccept.execute([path.as_str(), UNFINISHED])?;
        statement.execute([path.as_str()])?;
    }
    Ok(())
}

pub(super) fn json(entry: &Entry) -> String {
    serde_json::to_string(entry).expect("an entry is plain data")
}

pub(super) fn pack(text: &str) -> Vec<u8> {
    thread_local! {
        /// To make one takes longer than to compress a description.
        static PACKER: RefCell<zstd::bulk::Compressor<'static>> =
            RefCell::new(zstd::bulk::Compressor::new(DESCRIPTION_LEVEL).expect("there is memory for it"));
    }
    PACKER.with_borrow_mut(|packer| packer.compress(text.as_bytes())).expect("compressing to memory does not fail")
}

fn unpack(packed: &[u8]) -> Option<String> {
    let decoder = zstd::stream::read::Decoder::with_buffer(packed).ok()?;
    let mut text = String::new();
    decoder.take(DESCRIPTION_BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}
