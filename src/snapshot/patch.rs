//! What a build of a part changed in a cold part: where tasks stand. Appended instead of writing all anew, and laid over what
//! is read.

use std::collections::HashMap;

use crate::base::ActionKey;

/// Where a task stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskPatch {
    /// Its key; `None` where it has none.
    pub key: Option<ActionKey>,
    /// Whether its result was accepted and is in place.
    pub is_settled: bool,
    /// What a build saves by not running it, in milliseconds.
    pub saved_ms: u32,
}

/// All patches of a snapshot, the later over the earlier: by task, as a number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overlay(HashMap<u32, TaskPatch>);

const TASK_BYTES: usize = 44;

impl Overlay {
    /// Lays one more over the others; `None` where the bytes are not what [`Overlay::encode`] writes.
    pub fn lay(&mut self, bytes: &[u8]) -> Option<()> {
        let (rows, []) = bytes.as_chunks::<TASK_BYTES>() else { return None };
        for row in rows {
            let number = |at: usize| row[at..].first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
            let (at, flags, saved_ms) = (number(0)?, number(4)?, number(8)?);
            let key = row.last_chunk::<32>().filter(|_| flags & 1 != 0).map(|key| ActionKey::from_bytes(*key));
            self.0.insert(at, TaskPatch { key, is_settled: flags & 2 != 0, saved_ms });
        }
        Some(())
    }

    /// Where a task stands, if a patch says so.
    #[must_use]
    pub fn task(&self, at: u32) -> Option<TaskPatch> {
        self.0.get(&at).copied()
    }

    /// The bytes of one patch.
    #[must_use]
    pub fn encode(tasks: &[(u32, TaskPatch)]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(tasks.len() * TASK_BYTES);
        for (at, task) in tasks {
            let flags = u32::from(task.key.is_some()) | (u32::from(task.is_settled) << 1);
            bytes.extend([*at, flags, task.saved_ms].map(u32::to_le_bytes).as_flattened());
            bytes.extend(task.key.as_ref().map_or([0; 32], |key| *key.as_bytes()));
        }
        bytes
    }
}
