//! What of the plan and its results a snapshot keeps for the day something changes: who reads and makes what, and where
//! the plan says so.

use std::ops::Range;

use crate::base::{ActionKey, Entry, RelPath, TaskName};

/// A file of the snapshot, by its place in [`Cold::files`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileIx(pub u32);

/// A plan and what came of it, without anything that the plan's own text says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cold {
    /// Every file that a task reads or makes, in the order of the snapshot's directories.
    pub files: Vec<ColdFile>,
    /// The tasks in plan order.
    pub tasks: Vec<ColdTask>,
    /// For each file of the plan, where its tasks' tables are; what lies between is shared by all tasks.
    pub tables: Vec<Vec<Table>>,
}

/// A file as the last build knew it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColdFile {
    /// Where.
    pub path: RelPath,
    /// What is there; `None` is nothing.
    pub entry: Option<Entry>,
}

/// A table `[tasks.NAME]` with all its subtables: the bytes of a plan file that only the tasks of this stem need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// `NAME`.
    pub stem: TaskName,
    /// The bytes, from the first header on. A table may be written in several pieces; each is an entry of its own.
    pub bytes: Range<u32>,
}

/// A task and its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColdTask {
    /// Its name.
    pub name: TaskName,
    /// Its key when it was settled; `None` where it has none.
    pub key: Option<ActionKey>,
    /// Whether its result was accepted and is in place. What is not settled is looked at by every build.
    pub is_settled: bool,
    /// The source files of its view, ascending.
    pub sources: Vec<FileIx>,
    /// The files of its result, ascending.
    pub outputs: Vec<FileIx>,
    /// The tasks that it waits for, by their place in [`Cold::tasks`], with those that dropped edges name.
    pub deps: Vec<u32>,
    /// What a build saves by not running it, in milliseconds.
    pub saved_ms: u32,
}
