//! The journal's fourth part: per run, what it wrote over what. That is what undoing a run needs, and all of it: what was
//! there, what the run left, and what the record said before.
//!
//! A row is there before the path is written. So after a kill it may speak of a path that was never written; whoever undoes
//! the run then finds what was there before, and has nothing to do.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::journal::{Journal, one, signed};
use super::ledger::may_be_output;
use super::provenance::{Provenance, json, put_change, settle};
use crate::base::{Change, Entry, RelPath, TaskName};
use crate::event::RunId;

/// The note of an undo that began: whoever finds it finishes it.
const UNDO: &str = "undo";

/// What a run did to a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// What was there before the run.
    pub before: Option<Entry>,
    /// What the run left there.
    pub after: Option<Entry>,
    /// The provenance before the run, without anything pending; `None`: the path was plain source, or an output.
    pub provenance: Option<Provenance>,
    /// The tasks that had changed it before, and how.
    pub changes: BTreeMap<TaskName, Change>,
    /// The task that wrote it.
    pub task: TaskName,
    /// Where it is an output: what was on record for it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<FormerOutput>,
}

/// What was on record for an output before a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerOutput {
    /// The task that it is an output of.
    pub task: TaskName,
    /// What an earlier result of it had put there.
    pub entry: Option<Entry>,
}

/// What taking a run back makes of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenBack {
    /// The run, whose writes are forgotten.
    pub run: RunId,
    /// The provenance of each path; `None`: it is plain source, or an output.
    pub provenance: BTreeMap<RelPath, Option<Provenance>>,
    /// Who has changed each path, and how.
    pub changes: BTreeMap<RelPath, BTreeMap<TaskName, Change>>,
    /// What is on record as published at paths, and by whom; `None`: nothing.
    pub outputs: BTreeMap<RelPath, Option<(TaskName, Entry)>>,
    /// The tasks whose results are not accepted any more.
    pub tasks: BTreeSet<TaskName>,
}

impl Journal {
    /// Notes what a run does to paths, before it does it.
    pub fn put_written(&self, run: RunId, written: &BTreeMap<RelPath, Written>) -> Result<(), StoreError> {
        self.write("note what was written in", |connection| {
            written.iter().try_for_each(|(path, written)| put_written(connection, run, path, written))
        })
    }

    /// What a run did to which paths.
    pub fn written(&self, run: RunId) -> Result<BTreeMap<RelPath, Written>, StoreError> {
        let sql = format!("SELECT path, body FROM writes WHERE run = {}", signed(run.0));
        let rows: BTreeMap<RelPath, Written> = self.text_rows(&sql, "what was written to")?;
        Ok(rows.into_iter().filter(|(path, _)| may_be_output(path)).collect())
    }

    /// What a run did to this path so far.
    pub fn written_at(&self, run: RunId, path: &RelPath) -> Result<Option<Written>, StoreError> {
        let sql = format!("SELECT body FROM writes WHERE run = {} AND path = ?1", signed(run.0));
        let body: Option<String> = self.read(|connection| one(connection, &sql, path.as_str(), |row| row.get(0)))?;
        Ok(body.and_then(|body| serde_json::from_str(&body).ok()))
    }

    /// Every entry that taking back a run on record may need.
    pub fn all_written(&self) -> Result<Vec<Entry>, StoreError> {
        let bodies: Vec<String> = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT body FROM writes")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            rows.collect()
        })?;
        let parsed = bodies.iter().filter_map(|body| serde_json::from_str::<Written>(body).ok());
        let entries = |written: Written| {
            let of_record = written.provenance.into_iter().flat_map(|known| [known.base, known.placed]);
            let of_changes = written.changes.into_values().flat_map(|change| [change.base, change.result]);
            let of_output = written.output.into_iter().map(|output| output.entry);
            [written.before, written.after].into_iter().chain(of_record).chain(of_changes).chain(of_output)
        };
        Ok(parsed.flat_map(entries).flatten().collect())
    }

    /// The last run that wrote each path.
    pub fn last_writers(&self) -> Result<BTreeMap<RelPath, RunId>, StoreError> {
        let rows: Vec<(String, i64)> = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT path, max(run) FROM writes GROUP BY path")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })?;
        let path = |(path, run): (String, i64)| {
            Some((RelPath::from_disk(&path).ok().filter(may_be_output)?, RunId(run.unsigned_abs())))
        };
        Ok(rows.into_iter().filter_map(path).collect())
    }

    /// Forgets what runs wrote to these paths: that cannot be undone any more.
    pub fn forget_written(&self, paths: &[RelPath]) -> Result<(), StoreError> {
        self.write("forget what was written in", |connection| {
            let mut statement = connection.prepare_cached("DELETE FROM writes WHERE path = ?1")?;
            paths.iter().try_for_each(|path| statement.execute([path.as_str()]).map(drop))
        })
    }

    /// The undo that began and did not end, as it was noted.
    pub fn undo_begun(&self) -> Result<Option<String>, StoreError> {
        self.note(UNDO)
    }

    /// Notes that an undo begins. [`Journal::take_back`] ends it.
    pub fn begin_undo(&self, body: &str) -> Result<(), StoreError> {
        self.put_note(UNDO, Some(body))
    }

    /// Everything that taking a run back changes in the record, at once.
    pub fn take_back(&self, taken: &TakenBack) -> Result<(), StoreError> {
        self.write("take a run back in", |connection| {
            settle(connection, &taken.provenance)?;
            for (path, changes) in &taken.changes {
                connection.prepare_cached("DELETE FROM changes WHERE path = ?1")?.execute([path.as_str()])?;
                changes.iter().try_for_each(|(task, change)| put_change(connection, task, path, change))?;
            }
            for (path, output) in &taken.outputs {
                connection.prepare_cached("DELETE FROM published WHERE path = ?1")?.execute([path.as_str()])?;
                if let Some((task, entry)) = output {
                    let sql = "INSERT INTO published (path, task, entry, old, pending) VALUES (?1, ?2, ?3, NULL, 0)";
                    connection.prepare_cached(sql)?.execute(params![path.as_str(), task.as_str(), json(entry)])?;
                }
            }
            let sql = "UPDATE tasks SET accepted = 0, outcome = ?2 WHERE name = ?1";
            let outcome = format!("run {} was undone", taken.run);
            for task in &taken.tasks {
                connection.prepare_cached(sql)?.execute([task.as_str(), &outcome])?;
            }
            connection.prepare_cached("DELETE FROM writes WHERE run = ?1")?.execute([signed(taken.run.0)])?;
            connection.prepare_cached("DELETE FROM notes WHERE name = ?1")?.execute([UNDO]).map(drop)
        })
    }
}

pub(super) fn put_written(
    connection: &Connection,
    run: RunId,
    path: &RelPath,
    written: &Written,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO writes (run, path, body) VALUES (?1, ?2, ?3)";
    connection.prepare_cached(sql)?.execute(params![signed(run.0), path.as_str(), json(written)]).map(drop)
}
