//! What the tasks that an agent's task names as dependencies did: the files, which are in the key, and the words, which are
//! not.
//!
//! INVARIANT: a [`Dependency`] holds nothing that was only said. Words are not believed: what a task was asked and what it
//! said in the end is told to those behind it, as a [`Told`] at rendering, where no key can see it. A dependency that runs
//! again and leaves the same files makes nobody run again, whatever it says this time, or is called.

use std::collections::BTreeMap;

use crate::base::{Changes, Entry, RelPath, TaskName};
use crate::plan::GateDef;

/// What one direct dependency brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The task.
    pub task: TaskName,
    /// Whether an agent did it; of a command only the paths are told.
    pub is_agent: bool,
    /// What became of each path: its outputs, from nothing, and what it changed in place.
    pub changes: Changes,
}

/// What is said of a dependency.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// What it was for, in a line: its description, or the first line of its prompt.
    pub purpose: String,
    /// What its agent said in the end.
    pub summary: String,
}

/// What the document of a task tells besides its [`TaskContext`](super::TaskContext), and what is not in its key.
#[derive(Clone, Copy)]
pub struct Told<'a> {
    /// The gates that judge it.
    pub gates: &'a [GateDef],
    /// What is said of its dependencies.
    pub words: &'a BTreeMap<TaskName, Words>,
    /// What the last attempt failed on, if this is a retry.
    pub failure: Option<&'a str>,
    /// The content of a file of the view or of a dependency's changes, if it is to be had; for outlines and diffs.
    pub content: &'a dyn Fn(&RelPath, &Entry) -> Option<Vec<u8>>,
}
