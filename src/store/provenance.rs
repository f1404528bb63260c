//! The journal's third part: where the present content of edited source comes from. Per path what was there before orca
//! and what orca last placed; per task what its accepted result changed. Source is the
//! base of all that (`docs/integration.md`), so a record lost here would make a person's edit look like orca's.
//!
//! A path that is about to be written is *pending*, durably, with what is on disk and what will be. Whoever finds it so
//! after a kill looks at the disk: if what was to be written is there, it counts as placed; if not, nothing happened.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::journal::Journal;
use super::ledger::{TaskRecord, may_be_output, put_task};
use super::writes::{Written, put_written};
use crate::base::{Change, Changes, Entry, RelPath, TaskName};
use crate::event::RunId;

/// Where the content of an edited path comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// What the project held before orca changed it; what tasks see as source.
    pub base: Option<Entry>,
    /// What orca last placed there. What lies there differs where a person edited it since.
    pub placed: Option<Entry>,
    /// What was being written when the journal was last written.
    pub pending: Option<Placing>,
}

/// One path that is being written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placing {
    /// What was on disk.
    pub before: Option<Entry>,
    /// What will be: `placed`, or that with a person's edit merged into it.
    pub after: Option<Entry>,
    /// What counts as placed then.
    pub placed: Option<Entry>,
}

/// What three versions of a path were merged to. With these on record, what was folded once is folded again without the
/// content of a single version: in a fresh clone, that has none of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MergeFact {
    /// What both started from.
    pub base: Option<Entry>,
    /// What the one made of it.
    pub ours: Option<Entry>,
    /// What the other made of it.
    pub theirs: Option<Entry>,
    /// What it comes to.
    pub merged: Option<Entry>,
}

/// A result with changes that is about to be put into the project.
#[derive(Debug)]
pub struct Acceptance<'a> {
    /// The task, and its state from now on.
    pub task: (&'a TaskName, &'a TaskRecord),
    /// All that its result changed; replaces what it had changed before.
    pub changes: &'a Changes,
    /// The paths to write, with the provenance they get.
    pub placing: &'a BTreeMap<RelPath, Provenance>,
    /// What the run did to them.
    pub written: &'a BTreeMap<RelPath, Written>,
    /// The run.
    pub run: RunId,
}

impl Journal {
    /// The provenance of every edited path.
    pub fn edited(&self) -> Result<BTreeMap<RelPath, Provenance>, StoreError> {
        let rows = self.text_rows("SELECT path, body FROM edited", "the provenance of")?;
        Ok(rows.into_iter().filter(|(path, _)| may_be_output(path)).collect())
    }

    /// What each task's accepted result changed.
    pub fn changes(&self) -> Result<BTreeMap<TaskName, Changes>, StoreError> {
        let rows: Vec<(String, String, String)> = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT task, path, body FROM changes")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        })?;
        let mut changes: BTreeMap<TaskName, Changes> = BTreeMap::new();
        for (task, path, body) in rows {
            let parsed = || {
                let path = RelPath::from_disk(&path).ok().filter(may_be_output)?;
                Some((TaskName::new(&task).ok()?, path, serde_json::from_str::<Change>(&body).ok()?))
            };
            match parsed() {
                Some((task, path, change)) => drop(changes.entry(task).or_default().insert(path, change)),
                None => drop(self.damaged::<()>(format!("the change of `{path}`"))),
            }
        }
        Ok(changes)
    }

    /// Accepts a result with changes, all at once: the task's state, its changes, and the paths as pending.
    pub fn accept_changes(&self, acceptance: &Acceptance<'_>) -> Result<(), StoreError> {
        let (task, record) = acceptance.task;
        let packed = super::ledger::pack(&record.description);
        self.write("accept changes in", |connection| {
            put_task(connection, task, record, &packed)?;
            put_changes(connection, task, acceptance.changes)?;
            for (path, provenance) in acceptance.placing {
                put_provenance(connection, path, provenance)?;
            }
            acceptance
                .written
                .iter()
                .try_for_each(|(path, written)| put_written(connection, acceptance.run, path, written))
        })
    }

    /// Leaves of what a task is on record to have changed only this. The task is not on record as accepted any more: what
    /// is left is not its result.
    pub fn leave_changes(&self, task: &TaskName, left: &Changes) -> Result<(), StoreError> {
        self.write("note changes in", |connection| {
            let sql = "UPDATE tasks SET accepted = 0, outcome = 'some of its changes did not fit' WHERE name = ?1";
            connection.prepare_cached(sql)?.execute([task.as_str()])?;
            put_changes(connection, task, left)
        })
    }

    /// Sets the provenance of paths: `None` where a path is plain source again.
    pub fn settle(&self, paths: &BTreeMap<RelPath, Option<Provenance>>) -> Result<(), StoreError> {
        self.write("settle paths in", |connection| settle(connection, paths))
    }

    /// Forgets what these tasks changed, and the provenance of `paths`: both are source now. Whoever changed one of the
    /// paths is not on record as accepted any more: what it brought is no result of its own without that.
    pub fn adopt(&self, tasks: &[TaskName], paths: &[RelPath]) -> Result<(), StoreError> {
        self.write("adopt paths in", |connection| {
            for task in tasks {
                connection.prepare_cached("DELETE FROM changes WHERE task = ?1")?.execute([task.as_str()])?;
            }
            for path in paths {
                let unaccept = "UPDATE tasks SET accepted = 0, outcome = 'its changes are the base now'
                    WHERE name IN (SELECT task FROM changes WHERE path = ?1)";
                connection.prepare_cached(unaccept)?.execute([path.as_str()])?;
                connection.prepare_cached("DELETE FROM edited WHERE path = ?1")?.execute([path.as_str()])?;
                connection.prepare_cached("DELETE FROM changes WHERE path = ?1")?.execute([path.as_str()])?;
            }
            Ok(())
        })
    }

    /// What was merged to what, in the folds of the last build.
    pub fn merges(&self) -> Result<Vec<MergeFact>, StoreError> {
        let bodies: Vec<String> = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT body FROM merges ORDER BY body")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            rows.collect()
        })?;
        let parse = |body: String| serde_json::from_str(&body).ok().or_else(|| self.damaged("a merge".to_owned()));
        Ok(bodies.into_iter().filter_map(parse).collect())
    }

    /// Replaces what is on record of merges.
    pub fn put_merges(&self, merges: &[MergeFact]) -> Result<(), StoreError> {
        self.write("note merges in", |connection| {
            connection.execute("DELETE FROM merges", [])?;
            let mut statement = connection.prepare_cached("INSERT OR IGNORE INTO merges (body) VALUES (?1)")?;
            merges.iter().try_for_each(|merge| statement.execute([json(merge)]).map(drop))
        })
    }

    pub(super) fn text_rows<T: for<'de> Deserialize<'de>>(
        &self,
        sql: &str,
        what: &str,
    ) -> Result<BTreeMap<RelPath, T>, StoreError> {
        let rows: Vec<(String, String)> = self.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })?;
        let parse = |(path, body): (String, String)| {
            let parsed = RelPath::from_disk(&path).ok().zip(serde_json::from_str(&body).ok());
            parsed.or_else(|| self.damaged(format!("{what} `{path}`")))
        };
        Ok(rows.into_iter().filter_map(parse).collect())
    }
}

pub(super) fn settle(connection: &Connection, paths: &BTreeMap<RelPath, Option<Provenance>>) -> rusqlite::Result<()> {
    for (path, provenance) in paths {
        match provenance {
            Some(provenance) => put_provenance(connection, path, provenance)?,
            None => {
                let sql = "DELETE FROM edited WHERE path = ?1";
                connection.prepare_cached(sql)?.execute([path.as_str()]).map(drop)?;
            }
        }
    }
    Ok(())
}

fn put_provenance(connection: &Connection, path: &RelPath, provenance: &Provenance) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO edited (path, body) VALUES (?1, ?2)";
    connection.prepare_cached(sql)?.execute(params![path.as_str(), json(provenance)]).map(drop)
}

pub(super) fn put_changes(connection: &Connection, task: &TaskName, changes: &Changes) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM changes WHERE task = ?1")?.execute([task.as_str()])?;
    changes.iter().try_for_each(|(path, change)| put_change(connection, task, path, change))
}

pub(super) fn put_change(
    connection: &Connection,
    task: &TaskName,
    path: &RelPath,
    change: &Change,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO changes (task, path, body) VALUES (?1, ?2, ?3)";
    connection.prepare_cached(sql)?.execute(params![task.as_str(), path.as_str(), json(change)]).map(drop)
}

pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data")
}
