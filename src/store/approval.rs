//! What a person said of results that want approval: a note of the journal for each task, with the result itself, so that it is
//! there when it is approved, whatever becomes of the shared cache.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::journal::Journal;
use crate::base::{ActionKey, Changes, TaskName, Tree};
use crate::event::ActionResult;

/// How the notes are called, before the task's name.
const PREFIX: &str = "approval/";

/// What a person said of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Nothing yet.
    Waiting,
    /// It may be put into the project.
    Approved,
    /// It may not: the task has to run again.
    Rejected,
}

/// A result that wants approval, and what a person said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The key that it was made under.
    pub key: ActionKey,
    /// The result.
    pub result: ActionResult,
    /// What was said.
    pub decision: Decision,
}

impl Approval {
    /// Whether it is about this result: an approval of another one does not count.
    #[must_use]
    pub fn is_of(&self, key: &ActionKey, outputs: &Tree, edits: &Changes) -> bool {
        self.key == *key && self.result.outputs == *outputs && self.result.edits == *edits
    }
}

impl Journal {
    /// What was said of the last result of a task that wanted approval.
    pub fn approval(&self, task: &TaskName) -> Result<Option<Approval>, StoreError> {
        let noted = self.note(&format!("{PREFIX}{task}"))?;
        // What cannot be read was never said: it is asked again.
        Ok(noted.and_then(|body| serde_json::from_str(&body).ok()))
    }

    /// Every result that wants approval, or wanted it.
    pub fn approvals(&self) -> Result<BTreeMap<TaskName, Approval>, StoreError> {
        let rows: Vec<(String, String)> = self.read(|connection| {
            let sql = "SELECT name, body FROM notes WHERE name LIKE 'approval/%'";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })?;
        let parse = |(name, body): (String, String)| {
            Some((TaskName::new(name.strip_prefix(PREFIX)?).ok()?, serde_json::from_str(&body).ok()?))
        };
        Ok(rows.into_iter().filter_map(parse).collect())
    }

    /// Notes what is said of a result, in place of what was said of the task's last one.
    pub fn put_approval(&self, task: &TaskName, approval: &Approval) -> Result<(), StoreError> {
        let body = serde_json::to_string(approval).expect("plain data");
        self.put_note(&format!("{PREFIX}{task}"), Some(&body))
    }
}
