//! What a lock that somebody else wrote changes in the journal, all at once: after a kill it is taken in as a whole, or
//! not at all, and then the next look at the lock comes to the same.

use std::collections::BTreeMap;

use rusqlite::params;

use super::StoreError;
use super::journal::Journal;
use super::ledger::{TaskRecord, json, pack, put_task};
use super::provenance::{Provenance, put_changes, settle};
use crate::base::{Changes, Entry, RelPath, TaskName};

/// Changes of the record.
#[derive(Debug, Default)]
pub struct TakeIn {
    /// Tasks with another accepted result than the record had.
    pub tasks: Vec<(TaskName, TaskRecord)>,
    /// Tasks that are not accepted any more, and why, in a few words.
    pub unaccepted: Vec<(TaskName, String)>,
    /// What tasks changed in place; replaces what they were on record with.
    pub changes: BTreeMap<TaskName, Changes>,
    /// Where the content of paths comes from; `None`: they are plain source.
    pub provenance: BTreeMap<RelPath, Option<Provenance>>,
    /// Outputs on record, with their tasks.
    pub published: BTreeMap<RelPath, (TaskName, Entry)>,
    /// Paths that are nobody's outputs any more.
    pub forgotten: Vec<RelPath>,
}

impl TakeIn {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { tasks, unaccepted, changes, provenance, published, forgotten } = self;
        tasks.is_empty()
            && unaccepted.is_empty()
            && changes.is_empty()
            && provenance.is_empty()
            && published.is_empty()
            && forgotten.is_empty()
    }
}

impl Journal {
    /// Changes the record so.
    pub fn take_in(&self, what: &TakeIn) -> Result<(), StoreError> {
        let packed: Vec<Vec<u8>> = what.tasks.iter().map(|(_, record)| pack(&record.description)).collect();
        self.write("take a lock in", |connection| {
            for (path, (task, entry)) in &what.published {
                let sql =
                    "INSERT OR REPLACE INTO published (path, task, entry, old, pending) VALUES (?1, ?2, ?3, NULL, 0)";
                connection.prepare_cached(sql)?.execute(params![path.as_str(), task.as_str(), json(entry)])?;
            }
            for path in &what.forgotten {
                connection.prepare_cached("DELETE FROM published WHERE path = ?1")?.execute([path.as_str()])?;
            }
            for ((name, record), packed) in what.tasks.iter().zip(&packed) {
                put_task(connection, name, record, packed)?;
            }
            for (name, why) in &what.unaccepted {
                let sql = "UPDATE tasks SET accepted = 0, outcome = ?2 WHERE name = ?1";
                connection.prepare_cached(sql)?.execute([name.as_str(), why])?;
            }
            for (name, changes) in &what.changes {
                put_changes(connection, name, changes)?;
            }
            settle(connection, &what.provenance)
        })
    }
}
