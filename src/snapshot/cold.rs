//! What of the plan and its results a snapshot keeps for the day something changes: who reads and makes what, and where
//! the plan says so.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_128;

use crate::base::{ActionKey, RelPath, TaskName};

/// A file of the snapshot, by its place in [`Cold::files`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileIx(pub u32);

/// A plan and what came of it, without anything that the plan's own text says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cold {
    /// Every file that a task reads or makes, in the order of the snapshot's directories.
    pub files: Vec<RelPath>,
    /// The tasks in plan order.
    pub tasks: Vec<ColdTask>,
    /// The files of the plan, root first.
    pub plans: Vec<ColdPlan>,
    /// Whether a part of this plan can be built on its own: commands only, and nothing that judges or reorders the whole.
    pub allows_parts: bool,
}

/// A file of the plan, and where its tasks' tables are; what lies between is shared by all tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColdPlan {
    /// Where.
    pub path: RelPath,
    /// Digest of its text: the tables are nowhere in another one.
    pub digest: u128,
    /// In the order of the text. None overlaps another.
    pub tables: Vec<Table>,
}

impl ColdPlan {
    /// What is kept as [`ColdPlan::digest`] of this text.
    #[must_use]
    pub fn digest_of(text: &str) -> u128 {
        xxh3_128(text.as_bytes())
    }
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
    /// The tasks that it waits for, by their place in [`Cold::tasks`]: all of them before its own.
    pub deps: Vec<u32>,
    /// What a build saves by not running it, in milliseconds.
    pub saved_ms: u32,
}
