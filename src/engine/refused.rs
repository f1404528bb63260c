//! Results that could not be put into the project: they stay where they are kept, the task is red, and until it is mended
//! every look says so. On record by the key of the result, so that another result is not taken for it.

use serde::{Deserialize, Serialize};

use super::builder::Builder;
use super::ledger::Ledger;
use super::session::EngineError;
use crate::base::{ActionKey, TaskName};
use crate::event::Failure;
use crate::graph::TaskIx;

/// A result that was not put into the project.
#[derive(Debug, Serialize, Deserialize)]
struct Refused {
    key: ActionKey,
    message: String,
}

fn note(task: &TaskName) -> String {
    format!("refused {task}")
}

/// Why the result of this key was not put into the project the last time.
pub(super) fn refused(ledger: &Ledger, task: &TaskName, key: &ActionKey) -> Option<String> {
    let noted = ledger.with_journal(|journal| journal.note(&note(task))).ok().flatten().flatten()?;
    let refused: Refused = serde_json::from_str(&noted).ok()?;
    (refused.key == *key).then_some(refused.message)
}

impl Builder {
    /// Notes that a result could not be put into the project, or with `None` that one was.
    pub(super) fn note_refused(
        &self,
        task: TaskIx,
        key: ActionKey,
        failure: Option<&Failure>,
    ) -> Result<(), EngineError> {
        let ledger = &self.resolver.ledger;
        let name = note(self.resolver.name(task));
        let body = failure.map(|failure| {
            let refused = Refused { key, message: failure.message.clone() };
            serde_json::to_string(&refused).expect("plain data")
        });
        ledger.with_journal(|journal| match journal.note(&name)? == body {
            true => Ok(()),
            false => journal.put_note(&name, body.as_deref()),
        })?;
        Ok(())
    }
}
